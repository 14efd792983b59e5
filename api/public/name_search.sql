-- Return the matches of an interpretation of a query, the best first (see name_search.py).
-- Each branch of the union is served by one index; at most :max_ranked matches of a kind are
-- ranked. Parameters that do not apply are null, and the planner removes their branches.
WITH named AS (
    SELECT 'region' AS kind, code, name, '' AS address FROM region
    WHERE geom IS NOT NULL
    UNION ALL
    SELECT 'grid', code, community || coalesce(nullif(name, ''),
        '第' || ltrim(right(code, 3), '0') || '网格'), '' FROM published.grid
),
matches AS (
    SELECT * FROM named
    WHERE name || ' ' || code ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', kind)
    UNION ALL
    (SELECT 'building', code, name, address
    FROM unnest(CAST(:combinations AS text[])) combination JOIN published.building
        ON signs_of(name || ' ' || address) @> string_to_array(combination, chr(31))
    WHERE name || ' ' || address ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'building', code, name, address FROM published.building
    WHERE name LIKE CAST(:begins AS text)
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'building', code, name, address FROM published.building
    WHERE lower(code) LIKE CAST(:code_begins AS text)
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'building', code, name, address FROM published.building
    WHERE reverse(lower(code)) LIKE CAST(:code_ends AS text)
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'building', code, name, address FROM published.building
    WHERE :scan AND name || ' ' || address || ' ' || code ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'building') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'facility', code, name, address
    FROM unnest(CAST(:combinations AS text[])) combination JOIN facility
        ON signs_of(name || ' ' || address) @> string_to_array(combination, chr(31))
    WHERE name <> '' AND name || ' ' || address ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'facility') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'facility', code, name, address FROM facility
    WHERE name <> '' AND lower(code) LIKE CAST(:code_holds AS text)
        AND CAST(:kind AS text) IN ('', 'facility') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'road', code, name, ''
    FROM unnest(CAST(:combinations AS text[])) combination JOIN road
        ON signs_of(name) @> string_to_array(combination, chr(31))
    WHERE name <> '' AND name ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'road') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'road', code, name, '' FROM road
    WHERE name <> '' AND lower(code) LIKE CAST(:code_holds AS text)
        AND CAST(:kind AS text) IN ('', 'road') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'compound', code, name, ''
    FROM unnest(CAST(:combinations AS text[])) combination JOIN compound
        ON signs_of(name) @> string_to_array(combination, chr(31))
    WHERE name <> '' AND name ILIKE ALL (CAST(:patterns AS text[]))
        AND CAST(:kind AS text) IN ('', 'compound') LIMIT :max_ranked)
    UNION ALL
    (SELECT 'compound', code, name, '' FROM compound
    WHERE name <> '' AND lower(code) LIKE CAST(:code_holds AS text)
        AND CAST(:kind AS text) IN ('', 'compound') LIMIT :max_ranked)
),
counted AS (
    SELECT *, (
        SELECT count(*) FROM unnest(CAST(:characters AS text[])) letter
        WHERE strpos(lower(name || ' ' || address), letter) > 0
    ) AS contained FROM matches
),
ranked AS (
    SELECT kind, code, name, address, CASE
        WHEN CAST(:characters AS text[]) <> '{}' THEN 10 - contained
        WHEN :query IN (name, code, address) THEN 0
        WHEN name ILIKE CAST(:begins AS text) THEN 1
        WHEN name ILIKE CAST(:holds AS text) THEN 2
        ELSE 3 END AS rank
    FROM counted WHERE contained >= :min_characters
),
-- A street consists of many segments: return one of them.
best AS (
    SELECT DISTINCT ON (rank, text_length, name, key) kind, code, name, address, rank
    FROM ranked, LATERAL (
        SELECT length(name || address) AS text_length, CASE kind WHEN 'road' THEN '' ELSE code END AS key
    ) AS place
    ORDER BY rank, text_length, name, key, code LIMIT :limit
)
