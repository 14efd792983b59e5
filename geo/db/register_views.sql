-- Counts of the register, executed by geo/db/security.py. Those of units, buildings and grids are
-- computed from the rows at every reading, those of divisions from the sums of each community,
-- which the triggers at the end keep. Null is an unknown count. gridatlas_publisher reads the rows;
-- the views say who sees which sums.
SET LOCAL ROLE gridatlas_publisher;

CREATE FUNCTION published.sees_region(region text, place geometry) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN current_user IN ('gridatlas_planner', 'gridatlas_office')
            THEN public.in_scope(region) OR region IS NULL AND public.lies_in_scope(place)
        ELSE current_user <> 'gridatlas_grid_manager'
    END
$$;

-- First digits that the codes of all communities of a division share.
CREATE FUNCTION published.division_prefix(code text, level text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT left(code, CASE level WHEN 'city' THEN 4 WHEN 'district' THEN 6 WHEN 'street' THEN 9
                      ELSE 12 END)
$$;

-- Whether a figure would show one or two people.
CREATE FUNCTION published.is_small(VARIADIC figures bigint[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(bool_or(figure BETWEEN 1 AND 2), false) FROM unnest(figures) figure
$$;

CREATE TABLE published.dwelling_sum AS
SELECT b.region_code, {stored_dwelling_sums} FROM public.building b
JOIN public.dwelling d ON d.building_code = b.code
WHERE b.region_code IS NOT NULL GROUP BY b.region_code;
ALTER TABLE published.dwelling_sum ADD PRIMARY KEY (region_code);

CREATE TABLE published.entity_sum AS
SELECT b.region_code, {entity_sums} FROM public.building b
JOIN public.entity e ON e.building_code = b.code
WHERE b.region_code IS NOT NULL GROUP BY b.region_code;
ALTER TABLE published.entity_sum ADD PRIMARY KEY (region_code);

CREATE VIEW published.register_by_unit AS
SELECT d.building_code, d.unit_code, {dwelling_sums}
FROM public.dwelling d GROUP BY d.building_code, d.unit_code;

CREATE VIEW published.register_by_building AS
SELECT b.code, b.region_code, sums.*, staff.*
FROM public.building b
CROSS JOIN LATERAL (
    SELECT {dwelling_sums} FROM public.dwelling d WHERE d.building_code = b.code) sums
CROSS JOIN LATERAL (
    SELECT {entity_sums} FROM public.entity e WHERE e.building_code = b.code) staff
WHERE published.sees_region(b.region_code, b.geom);

-- A dwelling of a building that its plan divides belongs to the grid of its unit; without a unit
-- on record it belongs to none, as do the organisations of a building of several grids.
CREATE VIEW published.register_by_grid AS
SELECT g.code, p.community_code, sums.*, staff.*
FROM public.grid g
JOIN public.grid_plan p ON p.id = g.plan_id AND p.status = 'published'
CROSS JOIN LATERAL (
    SELECT {dwelling_sums} FROM public.grid_member m
    JOIN public.dwelling d ON d.building_code = m.building_code
        AND (m.unit_code IS NULL OR m.unit_code = d.unit_code)
    WHERE m.grid_id = g.id) sums
CROSS JOIN LATERAL (
    SELECT {entity_sums} FROM (
        SELECT DISTINCT m.building_code FROM public.grid_member m
        WHERE m.grid_id = g.id AND NOT EXISTS (
            SELECT FROM public.grid_member other WHERE other.building_code = m.building_code
                AND other.plan_id = m.plan_id AND other.grid_id <> m.grid_id)) whole
    JOIN public.entity e USING (building_code)) staff
WHERE published.sees_region(p.community_code, NULL) OR g.code = ANY (public.own_grids());

CREATE VIEW published.register_by_region AS
SELECT r.code, r.name, r.level, sums.*, staff.*
FROM public.region r
CROSS JOIN LATERAL (SELECT published.division_prefix(r.code, r.level) AS prefix) own
CROSS JOIN LATERAL (
    SELECT {dwelling_totals} FROM published.dwelling_sum d
    WHERE d.region_code >= own.prefix AND d.region_code <= own.prefix || '999999999999'
        AND starts_with(d.region_code, own.prefix)) sums
CROSS JOIN LATERAL (
    SELECT {entity_totals} FROM published.entity_sum e
    WHERE e.region_code >= own.prefix AND e.region_code <= own.prefix || '999999999999'
        AND starts_with(e.region_code, own.prefix)) staff
WHERE published.sees_region(r.code, NULL);

-- Counts of communities for everybody. A figure of 1 or 2 is null, and with it every figure of the
-- breakdown to which it belongs, so that it does not follow from the total (docs/decisions).
CREATE VIEW published.register_public AS
WITH community AS (
    SELECT r.code, r.name, sums.*, staff.*
    FROM public.region r
    CROSS JOIN LATERAL (
        SELECT {dwelling_totals} FROM published.dwelling_sum d
        WHERE d.region_code = r.code) sums
    CROSS JOIN LATERAL (
        SELECT {entity_totals} FROM published.entity_sum e WHERE e.region_code = r.code) staff
    WHERE r.level = 'community'
), judged AS (
    SELECT *,
        published.is_small(dwellings, owner, rented, vacant, business, dwellings
            - owner - rented - vacant - business) AS hides_use,
        published.is_small(residents, registered, floating,
            residents - coalesce(registered, 0) - coalesce(floating, 0)) AS hides_registration,
        published.is_small(residents, age_0_6, age_7_17, age_18_59, age_60_79, age_80_up,
            residents - coalesce(age_0_6, 0) - coalesce(age_7_17, 0) - coalesce(age_18_59, 0)
            - coalesce(age_60_79, 0) - coalesce(age_80_up, 0)) AS hides_ages,
        published.is_small(residents) AS hides_residents,
        published.is_small(dwellings) AS hides_dwellings,
        published.is_small(entities) AS hides_entities
    FROM community
)
SELECT code, name,
    CASE WHEN NOT hides_dwellings THEN dwellings END AS dwellings,
    CASE WHEN NOT hides_use THEN owner END AS owner,
    CASE WHEN NOT hides_use THEN rented END AS rented,
    CASE WHEN NOT hides_use THEN vacant END AS vacant,
    CASE WHEN NOT hides_use THEN business END AS business,
    CASE WHEN NOT hides_residents THEN residents END AS residents,
    CASE WHEN NOT hides_registration THEN registered END AS registered,
    CASE WHEN NOT hides_registration THEN floating END AS floating,
    CASE WHEN NOT hides_ages THEN age_0_6 END AS age_0_6,
    CASE WHEN NOT hides_ages THEN age_7_17 END AS age_7_17,
    CASE WHEN NOT hides_ages THEN age_18_59 END AS age_18_59,
    CASE WHEN NOT hides_ages THEN age_60_79 END AS age_60_79,
    CASE WHEN NOT hides_ages THEN age_80_up END AS age_80_up,
    CASE WHEN NOT (hides_residents OR published.is_small(alone_60_up)) THEN alone_60_up END
        AS alone_60_up,
    CASE WHEN NOT (hides_residents OR published.is_small(need_help)) THEN need_help END
        AS need_help,
    CASE WHEN NOT hides_entities THEN entities END AS entities,
    CASE WHEN NOT (hides_entities OR published.is_small(staff)) THEN staff END AS staff,
    CASE WHEN NOT (hides_entities OR published.is_small(key_units)) THEN key_units END
        AS key_units,
    CASE WHEN NOT hides_dwellings THEN verified_share END AS verified_share,
    hides_use OR hides_registration OR hides_ages OR hides_entities
        OR published.is_small(alone_60_up, need_help, staff, key_units) AS suppressed
FROM judged;

-- Recount communities. Writers of the sums wait for each other, so that each sees what the one before
-- it has committed.
CREATE FUNCTION published.recount_register(communities text[]) RETURNS void
LANGUAGE plpgsql STRICT SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    LOCK TABLE published.dwelling_sum IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM published.dwelling_sum WHERE region_code = ANY (communities);
    INSERT INTO published.dwelling_sum
    SELECT b.region_code, {stored_dwelling_sums} FROM building b
    JOIN dwelling d ON d.building_code = b.code
    WHERE b.region_code = ANY (communities) GROUP BY b.region_code;
    DELETE FROM published.entity_sum WHERE region_code = ANY (communities);
    INSERT INTO published.entity_sum
    SELECT b.region_code, {entity_sums} FROM building b
    JOIN entity e ON e.building_code = b.code
    WHERE b.region_code = ANY (communities) GROUP BY b.region_code;
END
$$;

-- Recount the communities of changed dwellings or organisations. Unlike adding and subtracting,
-- this is right in whatever order the triggers of one statement run.
CREATE FUNCTION published.recount_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    buildings text[];
BEGIN
    -- Before the communities are looked up: a building may be moving to another one.
    LOCK TABLE published.dwelling_sum IN SHARE ROW EXCLUSIVE MODE;
    CASE TG_OP
        WHEN 'INSERT' THEN
            buildings := ARRAY(SELECT DISTINCT building_code FROM new_rows);
        WHEN 'UPDATE' THEN
            buildings := ARRAY(
                SELECT building_code FROM old_rows UNION SELECT building_code FROM new_rows);
        WHEN 'DELETE' THEN
            buildings := ARRAY(SELECT DISTINCT building_code FROM old_rows);
        WHEN 'TRUNCATE' THEN
            buildings := ARRAY(SELECT code FROM building);
    END CASE;
    PERFORM published.recount_register(
        ARRAY(SELECT DISTINCT region_code FROM building WHERE code = ANY (buildings)));
    RETURN NULL;
END
$$;

-- Recount the communities of buildings that come, go or move; one that comes may be on the register
-- already.
CREATE FUNCTION published.recount_buildings() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    communities text[];
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            communities := ARRAY(
                SELECT DISTINCT region_code FROM new_rows b
                WHERE EXISTS (SELECT FROM dwelling WHERE building_code = b.code)
                    OR EXISTS (SELECT FROM entity WHERE building_code = b.code));
        WHEN 'UPDATE' THEN
            communities := ARRAY(
                SELECT DISTINCT unnest(ARRAY[old_rows.region_code, new_rows.region_code])
                FROM old_rows FULL JOIN new_rows USING (code)
                WHERE old_rows.region_code IS DISTINCT FROM new_rows.region_code);
        WHEN 'DELETE' THEN
            communities := ARRAY(SELECT DISTINCT region_code FROM old_rows);
        WHEN 'TRUNCATE' THEN
            communities := ARRAY(
                SELECT region_code FROM published.dwelling_sum
                UNION SELECT region_code FROM published.entity_sum);
    END CASE;
    IF communities <> '{}' THEN
        PERFORM published.recount_register(communities);
    END IF;
    RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION published.recount_register FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION published.sees_region, published.division_prefix, published.is_small
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION published.sees_region, published.division_prefix, published.is_small
    TO gridatlas_public, gridatlas_planner, gridatlas_fire, gridatlas_utility, gridatlas_importer,
    gridatlas_grid_manager, gridatlas_office, gridatlas_admin;
GRANT SELECT ON published.register_public TO gridatlas_public, gridatlas_planner, gridatlas_fire,
    gridatlas_utility, gridatlas_importer, gridatlas_grid_manager, gridatlas_office,
    gridatlas_admin;
GRANT SELECT ON published.register_by_building, published.register_by_grid,
    published.register_by_region TO gridatlas_planner, gridatlas_importer, gridatlas_office,
    gridatlas_admin;
GRANT SELECT ON published.register_by_grid TO gridatlas_grid_manager;
GRANT SELECT ON published.register_by_unit TO gridatlas_importer, gridatlas_admin;
GRANT SELECT (building_code, unit_code, {fire_columns}) ON published.register_by_unit
    TO gridatlas_fire;
GRANT SELECT (code, {fire_columns}) ON published.register_by_building, published.register_by_grid,
    published.register_by_region TO gridatlas_fire;

RESET ROLE
