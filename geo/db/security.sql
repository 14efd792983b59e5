-- Roles, functions and public views of row-level security, executed by geo/db/security.py in three
-- parts, which "next" separates.
-- Roles belong to the server and are shared by its databases.
DO $$
DECLARE
    name text;
    names text[] := ARRAY['gridatlas_public', 'gridatlas_planner', 'gridatlas_fire',
        'gridatlas_utility', 'gridatlas_importer', 'gridatlas_grid_manager', 'gridatlas_office',
        'gridatlas_admin', 'gridatlas_keeper', 'gridatlas_publisher'];
BEGIN
    FOREACH name IN ARRAY names || 'gridatlas_api'::text LOOP
        IF to_regrole(name) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOINHERIT %s', name,
                    CASE name WHEN 'gridatlas_api' THEN 'LOGIN' ELSE 'NOLOGIN' END);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database's migration created it at the same time
            END;
        END IF;
    END LOOP;
    FOREACH name IN ARRAY names LOOP
        IF name <> 'gridatlas_publisher' AND NOT pg_has_role('gridatlas_api', name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO gridatlas_api', name);
        END IF;
    END LOOP;
    -- USAGE: since version 16 a role is a member of the roles that it creates, without their rights.
    IF NOT pg_has_role(CURRENT_USER, 'gridatlas_publisher', 'USAGE') THEN
        GRANT gridatlas_publisher TO CURRENT_USER;
    END IF;
END
$$
-- next --
-- Prefix of the codes that a planner or an office may see; null matches none.
CREATE FUNCTION gridatlas_scope() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('gridatlas.scope', true), '');

CREATE FUNCTION in_scope(code text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN starts_with(code, nullif(current_setting('gridatlas.scope', true), ''));

-- Codes of the grids whose manager the caller is.
CREATE FUNCTION own_grids() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
RETURN string_to_array(current_setting('gridatlas.grids', true), ',');

-- Whether a place lies in a community of the scope: for features that name none.
CREATE FUNCTION lies_in_scope(place geometry) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT FROM region
    WHERE level = 'community' AND in_scope(code) AND geom && place
        AND ST_Intersects(geom, ST_PointOnSurface(place))
);

-- The changes of a layer, counted in the transaction that makes them. The setting is not a clause of
-- the function: only a superuser may write that.
CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owner_setting text := coalesce(current_setting('gridatlas.owner', true), '');
BEGIN
    PERFORM set_config('gridatlas.owner', 'on', true);
    INSERT INTO public.layer_change AS counted (layer, changes) VALUES (TG_ARGV[0], 1)
    ON CONFLICT (layer) DO UPDATE SET changes = counted.changes + 1;
    PERFORM set_config('gridatlas.owner', owner_setting, true);
    RETURN NULL;
END
$$;
-- next --
CREATE SCHEMA published AUTHORIZATION gridatlas_publisher;
GRANT USAGE ON SCHEMA published TO gridatlas_public, gridatlas_planner, gridatlas_fire,
    gridatlas_utility, gridatlas_importer, gridatlas_grid_manager, gridatlas_office,
    gridatlas_admin;
GRANT SELECT ON alembic_version TO gridatlas_public, gridatlas_planner, gridatlas_fire,
    gridatlas_utility, gridatlas_importer, gridatlas_grid_manager, gridatlas_office,
    gridatlas_admin, gridatlas_keeper;

SET LOCAL ROLE gridatlas_publisher;

-- Public views: outlines of buildings, and grids in force.
CREATE VIEW published.building AS
SELECT code, name, address, use, storeys_above, geom, geom_3857 FROM public.building;

CREATE VIEW published.grid AS
SELECT grid.id, grid.code, grid.name, grid.kind, grid.households,
    (SELECT count(DISTINCT building_code) FROM public.grid_member WHERE grid_id = grid.id)::integer
        AS buildings,
    plan.community_code, coalesce(community.name, '') AS community,
    coalesce(street.name, '') AS street,
    plan.id AS plan, plan.version, plan.status, plan.published_at, grid.revision,
    grid.geom, grid.geom_3857
FROM public.grid
JOIN public.grid_plan plan ON plan.id = grid.plan_id AND plan.status = 'published'
LEFT JOIN public.region community ON community.code = plan.community_code
LEFT JOIN public.region street ON street.code = community.parent_code;

-- The same at all times: live and superseded rows, with the time in which they were valid.
CREATE VIEW published.building_version AS
SELECT code, name, address, use, storeys_above, valid_from, valid_to, geom FROM public.building
UNION ALL
SELECT code, name, address, use, storeys_above, valid_from, valid_to, geom
FROM public.building_history;

CREATE VIEW published.grid_version AS
SELECT grid.id, grid.code, grid.name, grid.kind, grid.households,
    (SELECT count(DISTINCT building_code) FROM public.grid_member WHERE grid_id = grid.id)::integer
        AS buildings,
    plan.community_code, coalesce(community.name, '') AS community,
    coalesce(street.name, '') AS street,
    plan.id AS plan, plan.version, plan.status, plan.published_at, grid.revision,
    coalesce(grid.valid_from, plan.published_at) AS valid_from,
    coalesce(grid.valid_to, plan.archived_at) AS valid_to, grid.geom
FROM public.grid
JOIN public.grid_plan plan ON plan.id = grid.plan_id
LEFT JOIN public.region community ON community.code = plan.community_code
LEFT JOIN public.region street ON street.code = community.parent_code
WHERE plan.status <> 'draft' AND coalesce(grid.valid_from, plan.published_at) IS NOT NULL;

-- Cases that an office released: what, when and roughly where, to a thousandth of a degree; no
-- words of the reporter.
CREATE VIEW published.reported_case AS
SELECT number, kind, state, filed_at, closed_at,
    ST_ReducePrecision(geom, 0.001)::geometry(Point, 4490) AS geom -- no binary fractions
FROM public.service_case WHERE released_at IS NOT NULL AND state <> 'declined';

-- Hydrants in the grids of the caller, who sees no other pipes, with their last inspections.
CREATE VIEW published.own_hydrant AS
SELECT DISTINCT ON (node.code) node.code, node.name, node.hydrant_type, node.geom,
    grid.code AS grid_code, last.id AS inspection, last.passed, last.reason, last.flow_l_s,
    last.inspector, last.inspected_on, last.due_on
FROM public.grid
JOIN public.grid_plan plan ON plan.id = grid.plan_id AND plan.status = 'published'
JOIN public.pipe_node node ON node.kind = 'hydrant' AND ST_Covers(grid.geom, node.geom)
LEFT JOIN LATERAL (
    SELECT * FROM public.hydrant_inspection WHERE hydrant_code = node.code
    ORDER BY inspected_on DESC, id DESC LIMIT 1
) last ON true
WHERE grid.code = ANY (public.own_grids())
ORDER BY node.code, grid.code;
GRANT SELECT ON published.own_hydrant TO gridatlas_grid_manager;

CREATE VIEW published.source AS
SELECT DISTINCT split_part(source, ':', 1) AS kind FROM public.import_run
WHERE status IN ('published', 'unchanged');

-- Contact card of one grid: there is no list of telephone numbers.
CREATE FUNCTION published.contact_card(asked text)
RETURNS TABLE (name text, phone text, tasks text, duties text, has_photo boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.name, m.phone, m.tasks, m.duties, m.photo IS NOT NULL FROM public.grid_manager m
    WHERE m.grid_code = asked AND m.valid_to IS NULL
        AND EXISTS (SELECT FROM published.grid g WHERE g.code = asked)
$$;

CREATE FUNCTION published.card_photo(asked text) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.photo FROM public.grid_manager m
    WHERE m.grid_code = asked AND m.valid_to IS NULL
        AND EXISTS (SELECT FROM published.grid g WHERE g.code = asked)
$$;

GRANT SELECT ON published.building, published.grid, published.building_version,
    published.grid_version, published.reported_case, published.source TO gridatlas_public, gridatlas_planner, gridatlas_fire,
    gridatlas_utility, gridatlas_importer, gridatlas_grid_manager, gridatlas_office,
    gridatlas_admin;

RESET ROLE
