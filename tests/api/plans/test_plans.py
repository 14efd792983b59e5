"""Plans: reading, editing with undo and redo, comparing, publishing, archiving."""

import importlib
import inspect
import pkgutil
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import shapely
from sqlalchemy import select, text, update

import api
from api.core.parameters import WritableConnection
from api.plans.edits import EditResultResponse
from geo.model import GridPlan
from geo.plans import store
from tests import town as t
from tests.api.conformance import hold_to_description
from tests.api.conftest import PASSWORD, bearer
from tests.server import serving
from tests.waiting import TIMEOUT_S, Task, wait_for_waiting

DRAFT = f"{t.RIVERSIDE}001"


CELLS = (
    "UPDATE grid_member SET geom = ST_Multi(ST_SnapToGrid(ST_MakeEnvelope("
    f"ST_XMin(b.geom) - 15 * {t.DEGREES_X}, ST_YMin(b.geom) - 25 * {t.DEGREES_Y}, "
    f"ST_XMin(b.geom) + 35 * {t.DEGREES_X}, ST_YMin(b.geom) + 25 * {t.DEGREES_Y}, 4490), 1e-6)) "
    "FROM building b WHERE b.code = building_code AND plan_id = :plan",
    "UPDATE grid SET geom = (SELECT ST_Multi(ST_Union(m.geom)) FROM grid_member m "
    "WHERE m.grid_id = grid.id) WHERE plan_id = :plan",
)
"""A square of land for each building, and the land of the grids made of them."""

PUBLICATIONS = text(
    "SELECT CAST(object_code AS bigint), CAST(detail->>'supersedes' AS bigint) FROM audit_event "
    "JOIN grid_plan ON grid_plan.id = CAST(object_code AS bigint) "
    "WHERE object_type = 'grid_plan' AND action = 'publish' AND object_code = ANY (:plans) "
    "ORDER BY published_at"
)
IN_FORCE = text("SELECT valid_from, valid_to FROM grid WHERE plan_id = ANY (:plans)")


@pytest.fixture(scope="module")
def planner(signed_in):
    client = signed_in("planner")
    hold_to_description(client)
    return client


@pytest.fixture
def draft(planner, town):
    """Return the number of a fresh draft that begins as the town's own, with cells that tile."""
    found = planner.get(f"/communities/{t.RIVERSIDE}/plans").json()["items"]
    original = min(found, key=lambda plan: plan["version"])
    made = planner.post(f"/plans/{original['id']}/copy")
    assert made.status_code == 201
    with town.begin() as connection:
        for statement in CELLS:
            connection.execute(text(statement), {"plan": made.json()["id"]})
    return made.json()["id"]


def edit(planner, plan, revision, **what):
    return planner.post(f"/plans/{plan}/edits", json=what, headers=seen(revision))


def seen(revision):
    return {"If-Match": f'"{revision}"'}


def atoms(planner, plan, grid):
    found = planner.get(f"/plans/{plan}/atoms").json()["features"]
    return [
        one["properties"]["atom"]
        for one in found
        if one["properties"]["grid"] == grid and one["properties"]["building"]
    ]


def land(feature):
    """Return a feature's land without the vertices that lie on straight lines."""
    return shapely.normalize(shapely.simplify(shapely.geometry.shape(feature["geometry"]), 0))


def state(planner, plan):
    """Return everything about the grids of a plan, each land as one normal shape."""
    found = planner.get(f"/plans/{plan}/grids").json()["features"]
    shapes = {one["id"]: land(one) for one in found}
    figures = {one["id"]: one["properties"] for one in found}
    members = planner.get(f"/plans/{plan}/atoms").json()["features"]
    return shapes, figures, {one["id"]: one["properties"]["grid"] for one in members}


def test_name_of_another_grid_is_refused(planner, draft):
    codes = sorted(state(planner, draft)[0])
    named = edit(planner, draft, 0, kind="rename", grid=codes[0], name="锦绣小区北网格")
    assert named.status_code == 200
    taken = edit(planner, draft, 1, kind="rename", grid=codes[1], name="锦绣小区北网格")
    assert taken.status_code == 409
    assert codes[0] in taken.json()["detail"]
    free = edit(planner, draft, 1, kind="rename", grid=codes[1], name="锦绣小区南网格")
    assert free.status_code == 200


def test_plans_of_a_community_are_listed_newest_first(planner, client, draft):
    found = planner.get(f"/communities/{t.RIVERSIDE}/plans").json()
    versions = [plan["version"] for plan in found["items"]]
    assert versions == sorted(versions, reverse=True)
    assert found["items"][0]["id"] == draft
    assert client.get(f"/communities/{t.RIVERSIDE}/plans").json()["items"] == []
    assert client.get("/communities/420602001999/plans").status_code == 404


def test_draft_is_hidden_from_others(client, signed_in, draft):
    for who in (client, signed_in("fire"), signed_in("utility")):
        assert who.get(f"/plans/{draft}").status_code == 404
        assert who.get(f"/plans/{draft}/grids").status_code == 404


def test_plan_has_its_revision_and_content_as_etag(planner, town, draft):
    etag = planner.get(f"/plans/{draft}").headers["etag"]
    assert etag.startswith('"0-')
    unchanged = {"If-None-Match": etag}
    assert planner.get(f"/plans/{draft}", headers=unchanged).status_code == 304
    with town.begin() as connection:
        scored = update(GridPlan).where(GridPlan.id == draft).values(score={"walk_m": 1.0})
        connection.execute(scored)
    assert planner.get(f"/plans/{draft}", headers=unchanged).json()["score"] == {"walk_m": 1.0}
    renamed = {"kind": "rename", "grid": DRAFT, "name": "x"}
    answer = planner.post(f"/plans/{draft}/edits", json=renamed, headers={"If-Match": etag})
    assert answer.status_code == 200


def test_edit_returns_the_changed_grids(planner, draft):
    moving = atoms(planner, draft, DRAFT)[:3]
    target = f"{t.RIVERSIDE}002"
    answer = edit(planner, draft, 0, kind="assign", atoms=moving, grid=target)
    assert answer.headers["etag"] == '"1"'
    body = answer.json()
    EditResultResponse.model_validate(body)
    assert {one["id"] for one in body["changed"]} == {DRAFT, target}
    assert body["atoms"] == {str(atom): target for atom in moving}
    _, figures, members = state(planner, draft)
    told = {one["id"]: one["properties"]["households"] for one in body["changed"]}
    assert told == {code: figures[code]["households"] for code in told}
    assert all(members[str(atom)] == target for atom in moving)


def test_grids_cover_the_community_after_any_edit(planner, draft):
    before, _, _ = state(planner, draft)
    moving = atoms(planner, draft, DRAFT)
    steps = [
        {"kind": "assign", "atoms": moving[:4], "grid": f"{t.RIVERSIDE}002"},
        {"kind": "split", "grid": DRAFT},
        {"kind": "assign", "atoms": moving[5:7], "grid": None},
        {"kind": "merge", "grids": [f"{t.RIVERSIDE}002", f"{t.RIVERSIDE}003"]},
    ]
    for revision, step in enumerate(steps):
        assert edit(planner, draft, revision, **step).status_code == 200, step
    cells = planner.get(f"/plans/{draft}/atoms").json()["features"]
    assert {one["properties"]["grid"] for one in cells} == set(state(planner, draft)[0])
    whole = shapely.union_all([land(one) for one in cells])
    after = shapely.union_all(list(state(planner, draft)[0].values()))
    assert shapely.area(shapely.symmetric_difference(whole, after)) < 1e-12
    assert before


def test_undo_restores_everything_and_redo_repeats_it(planner, draft):
    moving = atoms(planner, draft, DRAFT)
    steps = [
        {"kind": "assign", "atoms": moving[:2], "grid": f"{t.RIVERSIDE}002"},
        {"kind": "rename", "grid": DRAFT, "name": "江边一组"},
        {"kind": "split", "grid": DRAFT, "atoms": moving[4:8]},
        {"kind": "kind", "grid": f"{t.RIVERSIDE}003", "to": "dedicated"},
        {"kind": "merge", "grids": [DRAFT, f"{t.RIVERSIDE}002"]},
        {"kind": "lock", "grids": "all", "locked": True},
    ]
    edit(planner, draft, 0, kind="assign", atoms=moving[9:10], grid=f"{t.RIVERSIDE}002")
    states = [state(planner, draft)]
    for revision, step in enumerate(steps, 1):
        assert edit(planner, draft, revision, **step).status_code == 200, step
        states.append(state(planner, draft))
    revision = len(steps) + 1
    for expected in states[-2::-1]:
        assert planner.post(f"/plans/{draft}/undo", headers=seen(revision)).status_code == 200
        revision += 1
        assert state(planner, draft) == expected
    for expected in states[1:]:
        assert planner.post(f"/plans/{draft}/redo", headers=seen(revision)).status_code == 200
        revision += 1
        assert state(planner, draft) == expected
    refused = planner.post(f"/plans/{draft}/redo", headers=seen(revision))
    assert refused.status_code == 409


def test_new_dedicated_grid_is_one_step_that_one_undo_takes_back(planner, draft):
    before = state(planner, draft)
    moving = atoms(planner, draft, DRAFT)[:2]
    answer = edit(planner, draft, 0, kind="assign", atoms=moving, grid=None, new="dedicated")
    [made] = {one["id"] for one in answer.json()["changed"]} - {DRAFT}
    assert made[-3:] >= "901"
    assert state(planner, draft)[1][made]["kind"] == "dedicated"
    planner.post(f"/plans/{draft}/undo", headers=seen(1))
    assert state(planner, draft) == before


def test_atoms_go_to_several_grids_in_one_step(planner, draft):
    before = state(planner, draft)
    first, second, third = atoms(planner, draft, DRAFT)[:3]
    moves = [
        {"atoms": [first, second], "grid": f"{t.RIVERSIDE}002"},
        {"atoms": [third], "grid": f"{t.RIVERSIDE}003"},
    ]
    answer = edit(planner, draft, 0, kind="reassign", moves=moves).json()
    assert (answer["revision"], answer["undo"]) == (1, 1)
    members = state(planner, draft)[2]
    assert [members[str(atom)][-3:] for atom in (first, second, third)] == ["002", "002", "003"]
    planner.post(f"/plans/{draft}/undo", headers=seen(1))
    assert state(planner, draft) == before
    nowhere = [{"atoms": [first], "grid": f"{t.RIVERSIDE}777"}]
    assert edit(planner, draft, 2, kind="reassign", moves=nowhere).status_code == 404


def test_new_edit_discards_undone_edits(planner, draft):
    first, second = atoms(planner, draft, DRAFT)[:2]
    edit(planner, draft, 0, kind="assign", atoms=[first], grid=f"{t.RIVERSIDE}002")
    planner.post(f"/plans/{draft}/undo", headers=seen(1))
    body = edit(planner, draft, 2, kind="assign", atoms=[second], grid=f"{t.RIVERSIDE}002").json()
    assert (body["undo"], body["redo"]) == (1, 0)
    history = planner.get(f"/plans/{draft}/edits").json()["items"]
    assert [(one["kind"], one["undone"]) for one in history] == [("assign", False)]


def test_edit_of_a_stale_revision_is_refused_and_explained(planner, signed_in, draft):
    moving = atoms(planner, draft, DRAFT)
    edit(signed_in("admin"), draft, 0, kind="assign", atoms=moving[:1], grid=None)
    answer = edit(planner, draft, 0, kind="assign", atoms=moving[1:2], grid=None)
    assert answer.status_code == 412
    assert answer.json()["revision"] == 1
    assert answer.json()["changed_by"] == "admin"
    assert "admin" in answer.json()["detail"]
    unconditional = planner.post(f"/plans/{draft}/undo")
    assert unconditional.status_code == 428
    assert planner.post(f"/plans/{draft}/undo", headers={"If-Match": "x"}).status_code == 400


def test_one_of_two_concurrent_edits_succeeds(planner, signed_in, draft):
    moving = atoms(planner, draft, DRAFT)
    answers = []
    start = threading.Barrier(2)

    def go(who, atom):
        start.wait()
        answers.append(edit(who, draft, 0, kind="assign", atoms=[atom], grid=None).status_code)

    both = [(planner, moving[0]), (signed_in("admin"), moving[1])]
    threads = [threading.Thread(target=go, args=pair) for pair in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 412]
    assert planner.get(f"/plans/{draft}").json()["revision"] == 1


def test_locked_grid_neither_gains_nor_loses(planner, draft):
    edit(planner, draft, 0, kind="lock", grids=[DRAFT], locked=True)
    own, other = atoms(planner, draft, DRAFT)[0], atoms(planner, draft, f"{t.RIVERSIDE}002")[0]
    for atom, grid in ((own, f"{t.RIVERSIDE}002"), (own, None), (other, DRAFT)):
        answer = edit(planner, draft, 1, kind="assign", atoms=[atom], grid=grid)
        assert answer.status_code == 409
        assert DRAFT in answer.json()["detail"]
    assert edit(planner, draft, 1, kind="merge", grids=[DRAFT, f"{t.RIVERSIDE}002"]).is_error


def test_invalid_edits_are_refused_and_change_nothing(planner, draft):
    before = state(planner, draft)
    other = atoms(planner, draft, f"{t.RIVERSIDE}002")[0]
    mistakes = [
        ({"kind": "assign", "atoms": [10**9], "grid": DRAFT}, 404),
        ({"kind": "assign", "atoms": [other], "grid": f"{t.RIVERSIDE}777"}, 404),
        ({"kind": "split", "grid": DRAFT, "atoms": [other]}, 400),
        ({"kind": "merge", "grids": [DRAFT, DRAFT]}, 400),
        ({"kind": "assign", "atoms": [], "grid": DRAFT}, 422),
        ({"kind": "explode"}, 422),
        ({"kind": "rename", "grid": DRAFT, "name": "甲\0"}, 400),
    ]
    for what, status in mistakes:
        answer = edit(planner, draft, 0, **what)
        assert answer.status_code == status, what
        assert answer.headers["content-type"] == "application/problem+json"
    assert state(planner, draft) == before
    assert planner.get(f"/plans/{draft}").json()["revision"] == 0


def test_validation_names_each_grid_outside_the_limits(planner, draft):
    assert planner.get(f"/plans/{draft}/validation").json()["valid"]
    edit(planner, draft, 0, kind="split", grid=DRAFT)
    found = planner.get(f"/plans/{draft}/validation").json()
    _, figures, _ = state(planner, draft)
    small = {c for c, one in figures.items() if one["kind"] == "general" and not one["within"]}
    assert small
    assert {one["grid"] for one in found["problems"]} == small
    assert not found["valid"]
    assert "户" in found["problems"][0]["detail"]


def test_disconnected_grid_is_reported(planner, draft):
    """A building in the far corner, given to a grid at the other end."""
    far = atoms(planner, draft, f"{t.RIVERSIDE}005")[-1:]
    body = edit(planner, draft, 0, kind="assign", atoms=far, grid=DRAFT).json()
    assert ("not_contiguous", DRAFT) in {(p["kind"], p["grid"]) for p in body["problems"]}
    assert not next(one for one in body["changed"] if one["id"] == DRAFT)["properties"][
        "contiguous"
    ]


def test_comparison_lists_moved_households(planner, draft):
    moving = atoms(planner, draft, DRAFT)[:3]
    copy = planner.post(f"/plans/{draft}/copy").json()["id"]
    edit(planner, draft, 0, kind="assign", atoms=moving, grid=f"{t.RIVERSIDE}002")
    households = planner.get(f"/plans/{draft}/atoms").json()["features"]
    expected = sum(
        one["properties"]["households"] for one in households if int(one["id"]) in moving
    )
    told = planner.get(f"/plans/{draft}/comparison", params={"with": copy}).json()
    assert told["moved_households"] == expected
    assert told["moved_buildings"] == 3
    (gaining,) = [one for one in told["grids"] if one["gained"]]
    assert gaining["after"] - gaining["before"] == expected
    layer = planner.get(f"/plans/{draft}/comparison/layer", params={"with": copy}).json()
    assert {int(one["id"]) for one in layer["features"]} == set(moving)
    assert planner.get(f"/plans/{draft}/comparison").status_code == 404, "none is in force"


def test_publishing_supersedes_atomically_and_is_public(planner, client, signed_in, town):
    (old,) = planner.get(
        f"/communities/{t.NORTH_GATE}/plans", params={"status": "published"}
    ).json()["items"]
    new = planner.post(f"/plans/{old['id']}/copy").json()["id"]
    try:
        assert planner.post(f"/plans/{new}/publish", headers=seen(7)).status_code == 412
        said = {"note": "北门小学划入第二网格"}
        published = planner.post(f"/plans/{new}/publish", headers=seen(0), json=said)
        assert published.status_code == 200
        assert published.json()["note"] == said["note"]
        assert client.get(f"/plans/{new}").json()["note"] == said["note"]
        shown = client.get("/grids", params={"community": t.NORTH_GATE}).json()["features"]
        assert {one["properties"]["plan"] for one in shown} == {new}
        assert planner.get(f"/plans/{old['id']}").json()["status"] == "archived"
        assert client.get(f"/plans/{old['id']}").status_code == 404
        assert edit(planner, new, 0, kind="lock", grids="all", locked=True).status_code == 409
        assert planner.post(f"/plans/{new}/publish", headers=seen(0)).status_code == 409
    finally:
        with town.begin() as connection:
            connection.execute(
                text("UPDATE grid_plan SET status = 'archived' WHERE id = :new"), {"new": new}
            )
            connection.execute(
                text("UPDATE grid_plan SET status = 'published' WHERE id = :old"),
                {"old": old["id"]},
            )
            connection.execute(
                text("UPDATE grid SET valid_to = NULL WHERE plan_id = :old"), {"old": old["id"]}
            )


def test_publishing_waits_for_an_edit_and_then_refuses(planner, town, draft):
    """An edit holds the plan until it is written: what is published is never half an edit."""
    with town.begin() as connection:
        connection.execute(select(GridPlan.id).where(GridPlan.id == draft).with_for_update())

        def publish():
            return planner.post(f"/plans/{draft}/publish", headers=seen(0)).status_code

        publishing = Task(publish)
        wait_for_waiting(town)
        connection.execute(text("UPDATE grid_plan SET revision = 1 WHERE id = :d"), {"d": draft})
    assert publishing.end() == 412


def at_once(count, call):
    """Return the answers to calls that many threads make at the same moment."""
    start = threading.Barrier(count)

    def go(number):
        start.wait()
        return call(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(go, range(count)))


def test_concurrent_copies_are_separate_plans(planner, town, draft):
    with town.begin() as connection:
        store.lock_community(connection, t.RIVERSIDE)  # until all but the latest wait
        copying = Task(lambda: at_once(12, lambda _: planner.post(f"/plans/{draft}/copy")))
        wait_for_waiting(town, 2)
    answers = copying.end()
    assert [answer.status_code for answer in answers] == [201] * 12
    versions = sorted(answer.json()["version"] for answer in answers)
    assert versions == list(range(versions[0], versions[0] + 12))


def test_edit_that_times_out_on_a_lock_is_explained(planner, town, draft):
    with serving(town, timeout_s=1) as hasty, town.begin() as connection:
        store.lock_all_communities(connection)  # as an import does
        headers = dict(planner.headers) | {"Accept-Language": "en"}
        answer = httpx.post(f"{hasty}/plans/{draft}/copy", headers=headers, timeout=TIMEOUT_S)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"].startswith("Somebody else is changing the same data.")


def test_concurrent_publications_are_serialized(planner, town, draft):
    copies = [planner.post(f"/plans/{draft}/copy").json()["id"] for _ in range(4)]
    with town.begin() as connection:
        store.lock_community(connection, t.RIVERSIDE)

        def publish(number):
            return planner.post(f"/plans/{copies[number]}/publish", headers=seen(0))

        publishing = Task(lambda: at_once(4, publish))
        wait_for_waiting(town, 4)
    try:
        assert [answer.status_code for answer in publishing.end()] == [200] * 4
        with town.connect() as connection:
            trail = connection.execute(PUBLICATIONS, {"plans": [str(plan) for plan in copies]})
            order, superseded = zip(*trail, strict=True)
            assert superseded == (None, *order[:-1])
            grids = connection.execute(IN_FORCE, {"plans": copies}).all()
        assert all(begin < end for begin, end in grids if end is not None)
        assert sum(end is None for _, end in grids) == len(grids) // 4
    finally:
        with town.begin() as connection:
            gone = "DELETE FROM grid_plan WHERE id = ANY (:plans)"
            connection.execute(text(gone), {"plans": copies})


def test_draft_published_twice_concurrently_is_published_once(planner, town, draft):
    with town.begin() as connection:
        store.lock_community(connection, t.RIVERSIDE)

        def publish(_):
            return planner.post(f"/plans/{draft}/publish", headers=seen(0)).status_code

        publishing = Task(lambda: at_once(2, publish))
        wait_for_waiting(town, 2)
    try:
        assert sorted(publishing.end()) == [200, 409]
    finally:
        with town.begin() as connection:
            connection.execute(text("DELETE FROM grid_plan WHERE id = :plan"), {"plan": draft})


def test_every_writing_endpoint_retries_conflicts():
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(api.__path__, "api.")
    ]
    endpoints = {
        f"{module.__name__}.{name}": function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and WritableConnection in inspect.get_annotations(function).values()
    }
    assert len(endpoints) >= 19
    assert [
        name for name, function in endpoints.items() if not hasattr(function, "__wrapped__")
    ] == []


def test_archived_plan_is_in_force_again_as_a_new_version(planner, client, town, draft):
    _, before, _ = state(planner, draft)
    for number in (draft, planner.post(f"/plans/{draft}/copy").json()["id"]):
        revision = planner.get(f"/plans/{number}").json()["revision"]
        edit(planner, number, revision, kind="rename", grid=DRAFT, name=f"plan {number}")
        assert planner.post(f"/plans/{number}/publish", headers=seen(revision + 1)).is_success
    assert client.get(f"/grids/{DRAFT}").json()["properties"]["name"] != f"plan {draft}"
    answer = planner.post(f"/plans/{draft}/restore")
    assert answer.status_code == 201
    restored = answer.json()
    assert (restored["status"], restored["parent"]) == ("published", draft)
    assert restored["version"] > planner.get(f"/plans/{draft}").json()["version"]
    assert restored["note"]
    assert client.get(f"/grids/{DRAFT}").json()["properties"]["name"] == f"plan {draft}"
    figures = {code: grid["households"] for code, grid in state(planner, restored["id"])[1].items()}
    assert figures == {code: grid["households"] for code, grid in before.items()}
    assert planner.get(f"/plans/{draft}").json()["status"] == "archived", "the original stays"
    again = planner.post(f"/plans/{restored['id']}/restore")
    assert again.status_code == 409
    out_of_force = planner.post(
        f"/plans/{restored['id']}/archive", headers=seen(restored["revision"])
    )
    assert out_of_force.is_success


def test_archived_and_discarded_drafts(planner, draft):
    other = planner.post(f"/plans/{draft}/copy").json()["id"]
    assert planner.delete(f"/plans/{other}", headers=seen(0)).status_code == 204
    assert planner.get(f"/plans/{other}").status_code == 404
    assert planner.post(f"/plans/{draft}/archive", headers=seen(0)).json()["status"] == "archived"
    assert planner.post(f"/plans/{draft}/archive", headers=seen(0)).status_code == 409
    assert planner.delete(f"/plans/{draft}", headers=seen(0)).status_code == 409


def test_planner_of_another_street_is_refused(planner, address, town, draft):
    from geo.db import accounts

    with town.begin() as connection:
        if not [one for one in accounts.list_accounts(connection) if one.name == "elsewhere"]:
            t.add_far_city(connection)
            accounts.add_account(connection, "elsewhere", "planner", PASSWORD, scope=t.FAR_CITY)
    with httpx.Client(
        base_url=address, headers=bearer(address, "elsewhere"), timeout=TIMEOUT_S
    ) as other:
        assert other.get(f"/plans/{draft}").status_code == 404
        assert edit(other, draft, 0, kind="lock", grids="all", locked=True).status_code == 404
        assert other.post(f"/plans/{draft}/copy").status_code == 404
        assert other.post(f"/communities/{t.RIVERSIDE}/plans", json={}).status_code == 404
        assert other.get(f"/communities/{t.RIVERSIDE}/plans").json()["items"] == []


def test_every_edit_is_in_the_audit_log(planner, town, draft):
    edit(planner, draft, 0, kind="lock", grids=[DRAFT], locked=True)
    with town.connect() as connection:
        newest = connection.execute(
            text(
                "SELECT actor, action, object_code, detail->>'kind' FROM audit_event "
                "WHERE object_type = 'grid_plan' ORDER BY id DESC LIMIT 1"
            )
        ).one()
    assert tuple(newest) == ("planner", "edit", str(draft), "lock")
