"""Imports, roll-backs, replays and corrections at the same time: forced into the bad order."""

import logging

import geopandas as gpd
import pytest
from sqlalchemy import event, text

from etl.runs import quarantine, run_records
from etl.runs.approve import approve, reject
from etl.runs.rollback import roll_back
from geo.db import overrides
from geo.errors import ConflictError, InputError, SetupError
from geo.model import GridPlan
from geo.plans import plan_draft, store
from geo.settings import Settings
from tests.etl.delivery import box, bring, divisions, houses, mapping, rows, write
from tests.waiting import Task, holding_layer, wait_for_waiting

A, B = "420602001001", "420602001002"
FREE = mapping(
    source="file:building",
    guard={"changed_percent": 100, "removed_percent": 100, "rejected_percent": 100},
)


def named(folder, name, count=6):
    return write(houses(count, name=[name] * count), folder / f"{name}.gpkg")


def names(database):
    return [name for (name,) in rows(database, "SELECT DISTINCT name FROM building ORDER BY 1")]


def statuses(database, *numbers):
    found = dict(rows(database, "SELECT id, status FROM import_run"))
    return [found[number] for number in numbers]


@pytest.fixture
def no_conflicts(caplog):
    """Fail where a transaction had to be repeated: the order of locks prevents that."""
    caplog.set_level(logging.INFO, "geo.db")
    yield
    assert "conflicted with another" not in caplog.text


def add_plan(database, version, status="draft", community=A):
    row = {"community_code": community, "version": version, "status": status}
    if status == "published":
        row["published_at"] = "2026-01-01"
    with database.begin() as connection:
        made = GridPlan.__table__.insert().values(row).returning(GridPlan.id)
        return connection.execute(made).scalar_one()


@pytest.mark.usefixtures("no_conflicts")
def test_import_and_publishing_of_a_plan_do_not_wait_for_each_other(database, tmp_path):
    divisions(database, tmp_path, (A, box(0, 0, 400, 400)))
    bring(database, "building", named(tmp_path, "first"), FREE)
    old, draft = add_plan(database, 1, "published"), add_plan(database, 2)
    data = houses(6, households=[60] * 6)
    changed = write(data, tmp_path / "changed.gpkg")
    with database.begin() as connection:
        plan_draft.lock_plan(connection, draft, 0)
        importing = Task(lambda: bring(database, "building", changed, FREE))
        wait_for_waiting(database)  # the import, for the plans
        assert store.publish(connection, draft) == old
    assert importing.end().status == "published"
    found = rows(database, "SELECT id, status, stale IS NULL FROM grid_plan ORDER BY id")
    assert found == [(old, "archived", True), (draft, "published", False)]


@pytest.mark.usefixtures("no_conflicts")
def test_removal_of_a_community_waits_for_a_plan_that_names_it(database, tmp_path):
    divisions(database, tmp_path, (A, box(0, 0, 400, 400)), (B, box(400, 0, 400, 400)))
    data = gpd.read_file(tmp_path / "divisions.gpkg")
    fewer = write(data[data["code"] != B], tmp_path / "fewer.gpkg")
    limits = {"removed_percent": 100, "area_percent": 100}
    how = mapping("region", source="file:region", guard=limits)
    with database.begin() as connection:
        store.lock_community(connection, B)
        importing = Task(lambda: bring(database, "region", fewer, how))
        wait_for_waiting(database)
        row = {"community_code": B, "version": 1}
        connection.execute(GridPlan.__table__.insert().values(row))
    with pytest.raises(InputError) as refused:
        importing.end()
    assert refused.value.key == "feature_in_use"


def test_run_on_which_another_came_to_stand_is_not_rolled_back(database, tmp_path):
    first = bring(database, "building", named(tmp_path, "first"), FREE)
    with holding_layer(database, "building"):
        importing = Task(lambda: bring(database, "building", named(tmp_path, "second"), FREE))
        wait_for_waiting(database, 1)
        going_back = Task(lambda: roll_back(database, first.run))
        wait_for_waiting(database, 2)  # behind the import, which is not published yet
    second = importing.end()
    with pytest.raises(ConflictError) as refused:
        going_back.end()
    assert refused.value.key == "run_has_later"
    assert names(database) == ["second"]
    assert statuses(database, first.run, second.run) == ["published", "published"]


def test_what_stands_on_a_run_is_what_was_published_after_it(database, tmp_path):
    """A held run that is approved publishes after runs that began after it."""
    bring(database, "building", named(tmp_path, "before", 40), FREE)
    held = bring(database, "building", named(tmp_path, "held", 40))
    assert held.status == "held"
    between = bring(database, "building", named(tmp_path, "between", 40), FREE)
    approve(database, held.run)
    with pytest.raises(ConflictError) as refused:
        roll_back(database, between.run)
    assert refused.value.values == {"run": between.run, "runs": str(held.run)}
    done = roll_back(database, held.run)
    assert names(database) == ["between"]
    roll_back(database, done.run)
    assert names(database) == ["held"]
    roll_back(database, between.run, with_later=True)
    assert names(database) == ["before"]


def test_later_run_that_came_meanwhile_is_taken_back_too(database, tmp_path):
    bring(database, "building", named(tmp_path, "before"), FREE)
    first = bring(database, "building", named(tmp_path, "first"), FREE)
    with holding_layer(database, "building"):
        importing = Task(lambda: bring(database, "building", named(tmp_path, "second"), FREE))
        wait_for_waiting(database, 1)
        going_back = Task(lambda: roll_back(database, first.run, with_later=True))
        wait_for_waiting(database, 2)
    second = importing.end()
    assert going_back.end().report["rolls_back"] == [second.run, first.run]
    assert names(database) == ["before"]
    assert statuses(database, first.run, second.run) == ["rolled_back", "rolled_back"]


def test_later_run_of_further_layers_is_taken_back_with_all_of_them(database, tmp_path):
    bring(database, "building", named(tmp_path, "before"), FREE)
    first = bring(database, "building", named(tmp_path, "first"), FREE)
    both = tmp_path / "both.gpkg"
    write(houses(6, name=["second"] * 6), both, layer="building")
    write(houses(3), both, layer="compound", append=True)
    how = mapping(
        source="file:building",
        file_layer="building",
        guard={"changed_percent": 100},
        also=[{"layer": "compound", "file_layer": "compound"}],
    )
    with holding_layer(database, "building"):
        importing = Task(lambda: bring(database, "building", both, how))
        wait_for_waiting(database, 1)
        going_back = Task(lambda: roll_back(database, first.run, with_later=True))
        wait_for_waiting(database, 2)
    importing.end()
    going_back.end()
    assert names(database) == ["before"]
    assert rows(database, "SELECT count(*) FROM compound") == [(0,)]


def test_run_is_rolled_back_once(database, tmp_path):
    bring(database, "building", named(tmp_path, "first"), FREE)
    second = bring(database, "building", named(tmp_path, "second"), FREE)
    with holding_layer(database, "building"):
        tasks = []
        for waiting in (1, 2):
            tasks.append(Task(lambda: roll_back(database, second.run)))
            wait_for_waiting(database, waiting)
    done = tasks[0].end()
    with pytest.raises(ConflictError) as refused:
        tasks[1].end()
    assert refused.value.key == "run_rolled_back"
    assert refused.value.values == {"run": second.run, "by": done.run}
    assert names(database) == ["first"]
    [(newest,)] = rows(database, "SELECT max(id) FROM import_run")
    assert statuses(database, done.run, newest) == ["published", "rejected"]


def test_held_run_is_decided_once(database, tmp_path):
    bring(database, "building", named(tmp_path, "first", 40))
    held = bring(database, "building", named(tmp_path, "second", 40))
    assert held.status == "held"
    with holding_layer(database, "building"):
        approving = Task(lambda: approve(database, held.run))
        wait_for_waiting(database)
        for decide in (approve, reject):
            with pytest.raises(ConflictError):
                decide(database, held.run)
    assert approving.end().status == "published"
    assert names(database) == ["second"]


def test_held_run_whose_approval_fails_can_be_approved_again(database, tmp_path):
    bring(database, "building", named(tmp_path, "first", 40))
    held = bring(database, "building", named(tmp_path, "second", 40))
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE run_change RENAME TO away"))
    with pytest.raises(SetupError):
        approve(database, held.run)
    assert statuses(database, held.run) == ["held"]
    assert names(database) == ["first"]
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO run_change"))
    assert approve(database, held.run).status == "published"
    assert names(database) == ["second"]


def test_refused_feature_is_brought_again_once(database, tmp_path):
    data = houses(6)
    data.loc[2, "households"] = -1
    bring(database, "building", write(data, tmp_path / "a.gpkg"), FREE)
    mended = []
    for households in (31, 32):
        file = tmp_path / f"{households}.geojson"
        quarantine.export(database, file)
        content = gpd.read_file(file).assign(households=households)
        mended.append(write(content, tmp_path / f"mended{households}.geojson"))
    with holding_layer(database, "building"):
        tasks = []
        for waiting, file in enumerate(mended, 1):
            tasks.append(Task(lambda f=file: quarantine.replay(database, Settings(), file=f)))
            wait_for_waiting(database, waiting)
    [done] = tasks[0].end()
    with pytest.raises(ConflictError) as refused:
        tasks[1].end()
    assert refused.value.key == "quarantine_resolved"
    assert rows(database, "SELECT households FROM building WHERE code = 'b002'") == [(31,)]
    [(newest,)] = rows(database, "SELECT max(id) FROM import_run")
    assert statuses(database, done.run, newest) == ["published", "rejected"]


def test_held_replay_can_be_approved(database, tmp_path):
    data = houses(40)
    data.loc[2:30, "households"] = -1
    how = mapping(source="file:building", guard={"rejected_percent": 80})
    bring(database, "building", write(data, tmp_path / "a.gpkg"), how)
    file = tmp_path / "waiting.geojson"
    quarantine.export(database, file)
    content = gpd.read_file(file)
    content["households"] = [31, *[-2] * (len(content) - 1)]
    mended = write(content, tmp_path / "mended.geojson")
    [held] = quarantine.replay(database, Settings(), file=mended)
    assert held.status == "held", held.report
    assert approve(database, held.run).status == "published"
    assert rows(database, "SELECT households FROM building WHERE code = 'b002'") == [(31,)]


def test_correction_waits_for_a_publication(database, tmp_path, monkeypatch):
    bring(database, "building", named(tmp_path, "first"), FREE)

    def correct():
        with database.begin() as connection:
            overrides.set_override(connection, "building", "b001", {"name": "改名"}, "王工")

    with holding_layer(database, "building"):
        correcting = Task(correct)
        wait_for_waiting(database)
    correcting.end()
    monkeypatch.setattr(overrides, "LOCK_TIMEOUT_S", 0.05)
    with holding_layer(database, "building"), pytest.raises(ConflictError) as refused:
        correct()
    assert refused.value.key == "layer_busy"


def test_building_gets_the_community_whose_land_it_is_when_it_is_published(database, tmp_path):
    divisions(database, tmp_path, (A, box(0, 0, 400, 400)), (B, box(400, 0, 400, 400)))
    whole = box(-100, -100, 1300, 1300)
    regions = gpd.read_file(tmp_path / "divisions.gpkg")
    shapes = [whole, whole, whole, box(0, 0, 200, 400), box(200, 0, 600, 400)]
    moved = write(regions.set_geometry(shapes, crs=4490), tmp_path / "moved.gpkg")
    limits = {"area_percent": 100, "changed_percent": 100}
    how = mapping("region", source="file:region", guard=limits)
    with holding_layer(database, "building"):
        redrawing = Task(lambda: bring(database, "region", moved, how))
        wait_for_waiting(database, 1)
        importing = Task(lambda: bring(database, "building", named(tmp_path, "first"), FREE))
        wait_for_waiting(database, 2)  # it has read its file, and comes after the borders
    assert redrawing.end().status == "published"
    assert importing.end().status == "published"
    found = rows(database, "SELECT region_code, count(*) FROM building GROUP BY 1 ORDER BY 1")
    assert found == [(A, 4), (B, 2)]


def test_run_that_ends_while_the_dead_are_looked_for_stays_published(database, tmp_path):
    with run_records.start_run(database, "building", "ending") as run:
        connection = run.connection

        def end(*_):
            """End the run after the list of running ones was read, before its lock is tried."""
            with connection.begin():
                run_records.close_run(connection, run.number, run_records.RunStatus.PUBLISHED, {})
            run_records.locks.release_all(connection)
            connection.rollback()

        with run_records.open_session(database) as other:
            event.listen(database, "after_cursor_execute", end, once=True)
            assert run_records.close_dead_runs(other) == []
    assert statuses(database, run.number) == ["published"]


def test_published_run_stays_published_whatever_fails_after_it(database, tmp_path):
    def fail(_, __, statement, *___):
        if statement.startswith("DROP TABLE IF EXISTS staging"):
            raise RuntimeError("failed after publishing")

    event.listen(database, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError):
        bring(database, "building", named(tmp_path, "first"), FREE)
    event.remove(database, "before_cursor_execute", fail)
    assert rows(database, "SELECT status FROM import_run") == [("published",)]
    bring(database, "building", named(tmp_path, "second"), FREE)
    with database.connect() as connection:
        left = text("SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'")
        assert connection.execute(left).scalar_one() == 0
