-- Rights that the session's role lacks to own the tables: key of the text, names, and the statement
-- that grants them. No rows for a superuser.
WITH me AS (
    SELECT rolname, rolcreaterole, has_database_privilege(current_database(), 'CREATE') AS may_create,
        CAST(:login AS text) AS login, CAST(:publisher AS text) AS publisher
    FROM pg_roles WHERE rolname = current_user AND NOT rolsuper
),
extension AS (
    SELECT a.name FROM pg_available_extensions a
    JOIN pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version, me
    WHERE a.name = ANY (:extensions) AND a.installed_version IS NULL
        AND NOT (v.trusted AND me.may_create)
),
owned AS (
    SELECT format('TABLE %I.%I', nspname, relname) AS name, relowner AS owner
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'S')
        AND (nspname = 'public' AND relname = ANY (:tables) OR nspname = 'staging')
    UNION ALL
    SELECT format('SCHEMA %I', nspname), nspowner FROM pg_namespace
    WHERE nspname IN ('staging', 'published') AND pg_get_userbyid(nspowner) <> 'gridatlas_publisher'
    UNION ALL
    SELECT format('FUNCTION %s', p.oid::regprocedure), proowner FROM pg_proc p
    WHERE pronamespace = 'public'::regnamespace
        AND (proname = ANY (:functions) OR proname LIKE 'keep\_%history')
),
role AS (
    SELECT name, to_regrole(name) AS oid,
        CASE WHEN current_setting('server_version_num')::int < 160000 AND me.rolcreaterole THEN true
            WHEN to_regrole(name) IS NULL THEN me.rolcreaterole
            ELSE pg_has_role(to_regrole(name), 'MEMBER WITH ADMIN OPTION')
        END AS may_grant
    FROM me, unnest(CAST(:roles AS text[])) AS name
)
SELECT 'extensions' AS key, string_agg(name, ', ') AS names,
    string_agg(format('CREATE EXTENSION %I;', name), ' '
        ORDER BY array_position(CAST(:extensions AS text[]), name::text)) AS statement
FROM extension HAVING count(*) > 0
UNION ALL
SELECT 'database', current_database(),
    format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), rolname)
FROM me WHERE NOT may_create
UNION ALL
SELECT 'schema', 'public', format('GRANT CREATE ON SCHEMA public TO %I;', rolname)
FROM me WHERE NOT has_schema_privilege('public', 'CREATE')
UNION ALL
SELECT 'owned', string_agg(DISTINCT pg_get_userbyid(owner)::text, ', '),
    string_agg(format('ALTER %s OWNER TO %I;', owned.name, rolname), ' ' ORDER BY owned.name)
FROM owned, me WHERE NOT pg_has_role(owner, 'USAGE') HAVING count(*) > 0
UNION ALL
SELECT 'roles', string_agg(name, ', '), string_agg(
    format('CREATE ROLE %I %s NOINHERIT;', name,
        CASE name WHEN login THEN 'LOGIN' ELSE 'NOLOGIN' END), ' ')
FROM role, me WHERE oid IS NULL AND NOT rolcreaterole HAVING count(*) > 0
UNION ALL
SELECT 'members', string_agg(name, ', '),
    format('GRANT %s TO %I;', string_agg(name, ', '), min(login))
FROM role, me WHERE name NOT IN (login, publisher) AND NOT may_grant
    AND (oid IS NULL OR to_regrole(login) IS NULL
        OR NOT pg_has_role(to_regrole(login), oid, 'MEMBER'))
HAVING count(*) > 0
UNION ALL
SELECT 'publisher', name, format('GRANT %I TO %I;', name, rolname)
FROM role, me WHERE name = publisher AND NOT may_grant
    AND (oid IS NULL OR NOT pg_has_role(oid, 'USAGE'))
