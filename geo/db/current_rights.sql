-- Rights in the catalogue: of every table and view its privileges and row-level security, policies
-- and triggers, and the privileges of functions and schemas.
SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") FROM (
    SELECT concat_ws(' ', c.oid::regclass, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
        (SELECT string_agg(r::text, ',' ORDER BY r::text COLLATE "C") FROM unnest(c.relacl) r)) AS line
    FROM pg_class c
    WHERE c.relnamespace IN ('public'::regnamespace, to_regnamespace('published'))
        AND c.relkind IN ('r', 'v', 'p', 'm')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    UNION ALL
    SELECT concat_ws(' ', 'policy', tablename, policyname, roles, cmd, qual, with_check)
    FROM pg_policies WHERE schemaname = 'public'
    UNION ALL
    SELECT concat_ws(' ', 'trigger', tgrelid::regclass, tgenabled, pg_get_triggerdef(oid))
    FROM pg_trigger WHERE NOT tgisinternal AND starts_with(tgname, 'count')
    UNION ALL
    SELECT concat_ws(' ', 'function', p.oid::regprocedure, p.prosecdef,
        (SELECT string_agg(r::text, ',' ORDER BY r::text COLLATE "C") FROM unnest(p.proacl) r))
    FROM pg_proc p
    WHERE p.pronamespace IN ('public'::regnamespace, to_regnamespace('published'))
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT concat_ws(' ', 'schema', nspname,
        (SELECT string_agg(r::text, ',' ORDER BY r::text COLLATE "C") FROM unnest(nspacl) r))
    FROM pg_namespace WHERE nspname IN ('public', 'published')
) AS held (line)
