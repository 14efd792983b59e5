-- Measures of grids in the month from :first to :last (see data/casework/indicators.toml), from the
-- events of cases, the ledger of visits, and the register as it was at the end of the month.
-- Entries of the ledgers count if they were recorded before :counted_until.
WITH event AS MATERIALIZED (
    SELECT case_id, action, at, data FROM case_event WHERE at < :last
),
filing AS MATERIALIZED (
    SELECT case_id, at, coalesce(data ->> 'grid', data ->> 'region') AS area
    FROM event WHERE action = 'file'
),
deadline AS (
    SELECT DISTINCT ON (case_id) case_id, CAST(data ->> 'due_at' AS timestamptz) AS due_at
    FROM event WHERE action IN ('file', 'register') ORDER BY case_id, at DESC
),
answer AS (
    SELECT case_id, min(at) AS at FROM event
    WHERE action IN ('report_back', 'decline') GROUP BY case_id
),
acceptance AS (SELECT DISTINCT case_id FROM event WHERE action = 'accept'),
of_month AS (SELECT case_id, action, data FROM event WHERE at >= :first),
grid_in_force AS MATERIALIZED (
    SELECT g.id, g.code FROM grid g JOIN grid_plan p ON p.id = g.plan_id
    WHERE p.status <> 'draft' AND coalesce(g.valid_from, p.published_at) < :last
        AND coalesce(g.valid_to, p.archived_at, 'infinity') >= :last
),
recorded AS (
    SELECT code, building_code, unit_code, verified_on FROM dwelling WHERE valid_from < :last
    UNION ALL
    SELECT code, building_code, unit_code, verified_on FROM dwelling_history
    WHERE valid_from < :last AND valid_to >= :last
),
dwelling_of_grid AS (
    SELECT DISTINCT ON (d.code) g.code AS area, d.verified_on
    FROM grid_in_force g JOIN grid_member m ON m.grid_id = g.id
    JOIN recorded d ON d.building_code = m.building_code
        AND (m.unit_code IS NULL OR m.unit_code = d.unit_code)
    ORDER BY d.code, g.code
),
measured AS (
    SELECT area, 'filed' AS measure, count(*) AS value
    FROM filing WHERE at >= :first GROUP BY area
    UNION ALL
    SELECT area, 'accepted', count(*)
    FROM filing JOIN acceptance USING (case_id) WHERE filing.at >= :first GROUP BY area
    UNION ALL
    SELECT area, unnest(ARRAY['due', 'on_time']),
        unnest(ARRAY[count(*), count(*) FILTER (WHERE answer.at <= due_at)])
    FROM filing JOIN deadline USING (case_id) LEFT JOIN answer USING (case_id)
    WHERE due_at >= :first AND due_at < :last GROUP BY area
    UNION ALL
    SELECT area, CASE action WHEN 'report_back' THEN 'reported' WHEN 'rework' THEN 'reworked'
        ELSE 'escalated' END, count(DISTINCT case_id)
    FROM of_month JOIN filing USING (case_id)
    WHERE action IN ('report_back', 'rework', 'escalate') GROUP BY area, action
    UNION ALL
    SELECT area, unnest(ARRAY['ratings', 'rating_sum']),
        unnest(ARRAY[count(*), sum(CAST(data ->> 'rating' AS integer))])
    FROM of_month JOIN filing USING (case_id) WHERE action = 'rate' GROUP BY area
    UNION ALL
    SELECT grid_code, 'visits', count(*) FROM visit
    WHERE visited_at >= :first AND visited_at < :last AND recorded_at < :counted_until
    GROUP BY grid_code
    UNION ALL
    SELECT grid_code, 'duties', count(*) FROM duty_record
    WHERE month = :month AND recorded_at < :counted_until GROUP BY grid_code
    UNION ALL
    SELECT g.code, unnest(ARRAY['dwellings', 'verified']),
        unnest(ARRAY[count(d.area), count(*) FILTER (WHERE d.verified_on > :verified_since)])
    FROM grid_in_force g LEFT JOIN dwelling_of_grid d ON d.area = g.code GROUP BY g.code
)
SELECT area AS area_code, measure, value FROM measured
