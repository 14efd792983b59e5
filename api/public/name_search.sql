-- What a reading of a question finds, the best first (api/public/name_search.py gives the parameters).
-- Each arm is served by one index; a question that fits more than :seen of a kind says too little
-- to rank them all. Parameters that do not apply are null, and their arms fold away.
WITH named AS (
    SELECT 'region' AS kind, code, name, '' AS address FROM region
    WHERE geom IS NOT NULL
    UNION ALL
    SELECT 'grid', code, community || coalesce(nullif(name, ''),
        '第' || ltrim(right(code, 3), '0') || '网格'), '' FROM published.grid
),
everything AS (
    SELECT * FROM named
    WHERE name || ' ' || code ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', kind)
    UNION ALL
    (SELECT 'building', code, name, address
    FROM unnest(CAST(:ways AS text[])) way JOIN published.building
        ON signs_of(name || ' ' || address) @> string_to_array(way, chr(31))
    WHERE name || ' ' || address ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :seen)
    UNION ALL
    (SELECT 'building', code, name, address FROM published.building
    WHERE name LIKE CAST(:begins AS text)
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :seen)
    UNION ALL
    (SELECT 'building', code, name, address FROM published.building
    WHERE lower(code) LIKE CAST(:code_begins AS text)
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :seen)
    UNION ALL
    (SELECT 'building', code, name, address FROM published.building
    WHERE reverse(lower(code)) LIKE CAST(:code_ends AS text)
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :seen)
    UNION ALL
    (SELECT 'building', code, name, address FROM published.building
    WHERE :through AND name || ' ' || address || ' ' || code ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :seen)
    UNION ALL
    (SELECT 'facility', code, name, address
    FROM unnest(CAST(:ways AS text[])) way JOIN facility
        ON signs_of(name || ' ' || address) @> string_to_array(way, chr(31))
    WHERE name <> '' AND name || ' ' || address ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'facility') LIMIT :seen)
    UNION ALL
    (SELECT 'facility', code, name, address FROM facility
    WHERE name <> '' AND lower(code) LIKE CAST(:code_holds AS text)
        AND CAST(:kind AS text) IN ('', 'facility') LIMIT :seen)
    UNION ALL
    (SELECT 'road', code, name, ''
    FROM unnest(CAST(:ways AS text[])) way JOIN road
        ON signs_of(name) @> string_to_array(way, chr(31))
    WHERE name <> '' AND name ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'road') LIMIT :seen)
    UNION ALL
    (SELECT 'road', code, name, '' FROM road
    WHERE name <> '' AND lower(code) LIKE CAST(:code_holds AS text)
        AND CAST(:kind AS text) IN ('', 'road') LIMIT :seen)
    UNION ALL
    (SELECT 'compound', code, name, ''
    FROM unnest(CAST(:ways AS text[])) way JOIN compound
        ON signs_of(name) @> string_to_array(way, chr(31))
    WHERE name <> '' AND name ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'compound') LIMIT :seen)
    UNION ALL
    (SELECT 'compound', code, name, '' FROM compound
    WHERE name <> '' AND lower(code) LIKE CAST(:code_holds AS text)
        AND CAST(:kind AS text) IN ('', 'compound') LIMIT :seen)
),
counted AS (
    SELECT *, (
        SELECT count(*) FROM unnest(CAST(:signs AS text[])) sign
        WHERE strpos(lower(name || ' ' || address), sign) > 0
    ) AS held FROM everything
),
ranked AS (
    SELECT kind, code, name, address, CASE
        WHEN CAST(:signs AS text[]) <> '{}' THEN 10 - held
        WHEN :whole IN (name, code, address) THEN 0
        WHEN name ILIKE CAST(:begins AS text) THEN 1
        WHEN name ILIKE CAST(:holds AS text) THEN 2
        ELSE 3 END AS rank
    FROM counted WHERE held >= :least
),
-- A street comes in many pieces: one is enough.
best AS (
    SELECT DISTINCT ON (rank, long, name, one) kind, code, name, address, rank
    FROM ranked, LATERAL (
        SELECT length(name || address) AS long, CASE kind WHEN 'road' THEN '' ELSE code END AS one
    ) AS place
    ORDER BY rank, long, name, one, code LIMIT :limit
)
SELECT best.*, here.code AS grid, here.name AS grid_name, here.community,
    ST_X(place) AS lon, ST_Y(place) AS lat, ST_XMin(shape) AS west, ST_YMin(shape) AS south,
    ST_XMax(shape) AS east, ST_YMax(shape) AS north
FROM best CROSS JOIN LATERAL (
    SELECT geom FROM published.building b WHERE b.code = best.code AND best.kind = 'building'
    UNION ALL SELECT geom FROM region r WHERE r.code = best.code AND best.kind = 'region'
    UNION ALL SELECT geom FROM published.grid g WHERE g.code = best.code AND best.kind = 'grid'
    UNION ALL SELECT geom FROM facility f WHERE f.code = best.code AND best.kind = 'facility'
    UNION ALL SELECT geom FROM road r WHERE r.code = best.code AND best.kind = 'road'
    UNION ALL SELECT geom FROM compound c WHERE c.code = best.code AND best.kind = 'compound'
) AS own (shape)
CROSS JOIN LATERAL ST_PointOnSurface(shape) AS place
LEFT JOIN LATERAL (
    SELECT g.code, g.name, g.community FROM published.grid g
    WHERE best.kind <> 'region' AND ST_Intersects(g.geom, place) LIMIT 1
) AS here ON true
ORDER BY rank, length(best.name || best.address), best.name, best.code
