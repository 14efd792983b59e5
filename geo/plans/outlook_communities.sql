-- Communities with their plan in force, its general grids, the households of its dedicated ones, and
-- what the register counts.
SELECT r.code, r.name, p.parameters, g.grids, coalesce(g.dedicated, 0) AS dedicated,
    counts.residents, counts.verified_share
FROM public.region r
LEFT JOIN grid_plan p ON p.community_code = r.code AND p.status = 'published'
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE kind = 'general') AS grids,
        sum(households) FILTER (WHERE kind = 'dedicated') AS dedicated
    FROM grid WHERE plan_id = p.id) g ON p.id IS NOT NULL
LEFT JOIN published.register_by_region counts ON counts.code = r.code
WHERE r.level = 'community' AND r.code LIKE :region || '%' AND starts_with(r.code, :scope)
ORDER BY r.code
