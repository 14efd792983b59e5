-- A city of 50 communities with 12 grids each and their managers; cases of the month before, with two
-- events each, as the flows leave them.
WITH land AS (
    SELECT n, '420602' || lpad((n / 10 + 1)::text, 3, '0') || lpad((n % 10 + 1)::text, 3, '0') AS code,
        112.10 + (n % 10) * 0.008 AS west, 32.00 + n / 10 * 0.006 AS south
    FROM generate_series(0, 49) n
)
INSERT INTO region (code, name, level, parent_code, geom)
SELECT '420600000000', '襄阳市', 'city', NULL,
    ST_Multi(ST_MakeEnvelope(112.10, 32.00, 112.18, 32.03, 4490))
UNION ALL SELECT '420602000000', '襄城区', 'district', '420600000000', NULL
UNION ALL SELECT '420602' || lpad(s::text, 3, '0') || '000', '街道' || s, 'street', '420602000000', NULL
FROM generate_series(1, 5) s
UNION ALL SELECT code, '社区' || n, 'community', left(code, 9) || '000',
    ST_Multi(ST_MakeEnvelope(west, south, west + 0.008, south + 0.006, 4490)) FROM land;

INSERT INTO grid_plan (community_code, version, status, published_at)
SELECT code, 1, 'published', now() - interval '1 year' FROM region WHERE level = 'community';

INSERT INTO grid (plan_id, code, households, valid_from, geom)
SELECT p.id, p.community_code || lpad((g + 1)::text, 3, '0'), 300, p.published_at,
    ST_Multi(ST_MakeEnvelope(x, y, x + 0.002, y + 0.002, 4490))
FROM grid_plan p JOIN region r ON r.code = p.community_code, generate_series(0, 11) g,
    LATERAL (SELECT ST_XMin(r.geom) + g % 4 * 0.002 AS x, ST_YMin(r.geom) + g / 4 * 0.002 AS y) o;

INSERT INTO grid_manager (grid_code, name, valid_from)
SELECT code, '管理员' || id, current_date - 365 FROM grid;

INSERT INTO service_case (number, kind, flow, channel, state, description, address, geom,
    region_code, grid_code, plan_id, handler_code, level, involved, filed_at, changed_at, due_at,
    closed_at, reported_at)
SELECT to_char(filed_at, 'YYYYMMDD') || lpad(n::text, 8, '0'), c.kind, 'service', 'page', state,
    '第' || n || '件：' || word || '，请尽快处理，谢谢。' || repeat('居民反映', n % 20),
    '前进路' || n % 400 || '号', ST_SetSRID(ST_MakePoint(lon, lat), 4490), left(g.code, 12), g.code,
    g.plan_id, g.code, 'grid', ARRAY[left(g.code, 12), g.code], filed_at, filed_at,
    CASE WHEN state = 'archived' THEN filed_at ELSE now() END + interval '7 days',
    CASE WHEN state = 'archived' THEN filed_at + interval '5 days' END,
    CASE WHEN state = 'archived' THEN filed_at + interval '4 days' END
FROM (
    SELECT n, (ARRAY['burst_pipe', 'noise', 'manhole_damaged'])[1 + n % 3] AS kind,
        (ARRAY['漏水', '噪音扰民', '井盖破损', '路灯不亮', '垃圾堆放'])[1 + n % 5] AS word,
        CASE WHEN n > :cases * 0.9 THEN 'filed' ELSE 'archived' END AS state,
        date_trunc('month', now()) - interval '1 month'
            + interval '30 days' * (n::float / :cases) AS filed_at, 1 + (n * 7919) % 600 AS grid
    FROM generate_series(1, :cases) n
) c JOIN (SELECT *, row_number() OVER (ORDER BY code) AS nth FROM grid) g ON g.nth = c.grid,
    LATERAL (SELECT ST_XMin(g.geom) + 0.002 * ((n * 13) % 97) / 97.0 AS lon,
        ST_YMin(g.geom) + 0.002 * ((n * 29) % 89) / 89.0 AS lat) place
ORDER BY n;

INSERT INTO case_event (case_id, at, actor, role, action, state, data)
SELECT c.id, c.filed_at, '', 'reporter', 'file', 'filed', jsonb_build_object('grid', grid_code,
    'region', region_code, 'due_at', c.due_at, 'due_days', 5, 'due_from', c.filed_at)
FROM service_case c
UNION ALL
SELECT c.id, c.reported_at, 'bench', 'grid_manager', 'report_back', 'reported', '{}'
FROM service_case c WHERE c.reported_at IS NOT NULL
UNION ALL
SELECT c.id, c.filed_at + interval '1 hour', 'bench', 'grid_manager', 'accept', 'accepted', '{}'
FROM service_case c WHERE c.reported_at IS NULL;
ANALYZE
