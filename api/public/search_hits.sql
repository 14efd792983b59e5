-- Return the place, the box and the grid in force of the features in "best".
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
