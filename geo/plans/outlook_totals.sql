-- Households of communities at moments, and now (moment null), from the history of buildings.
WITH version AS (
    SELECT region_code, households, valid_from, valid_to FROM building
    UNION ALL
    SELECT region_code, households, valid_from, valid_to FROM building_history
), own AS (
    SELECT * FROM version
    WHERE region_code LIKE :region || '%' AND starts_with(region_code, :scope)
)
SELECT region_code, moment, sum(households) AS households
FROM unnest(CAST(:moments AS timestamptz[])) moment
JOIN own ON valid_from <= moment AND (valid_to IS NULL OR valid_to > moment)
GROUP BY region_code, moment
UNION ALL
SELECT region_code, NULL, sum(households) FROM own WHERE valid_to IS NULL GROUP BY region_code
