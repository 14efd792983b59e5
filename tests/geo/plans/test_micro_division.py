"""Micro-grids of stored plans: stored, copied, kept on a redraw, and removed by edits."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.search.strategy import Effort
from geo.plans import (
    batch,
    community_layers,
    draft_changes,
    edits,
    micro_division,
    micro_grids,
    plan_draft,
    store,
)
from tests import town as t

QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100, threads=1), fresh=True)
COMMUNITY = t.DRUM_TOWER


@pytest.fixture(scope="module")
def town(shared_database):
    t.build(shared_database)
    return shared_database


@pytest.fixture
def plan(town):
    """Return the number of a new draft that is divided."""
    with town.begin() as connection:
        drawing = draw(community_layers.read_community(connection, COMMUNITY), QUICK)
        number = store.store_drawing(connection, drawing)
        micro_division.divide_plan(connection, number)
    return number


def parts_by_place(connection, plan):
    return {
        code: (part["grid"], part["serial"])
        for part in micro_grids.list_micro_grids(connection, plan)
        for code in (*part["buildings"], *part["units"])
    }


def test_parts_hold_every_building_and_tile_their_grid(town, plan):
    with town.connect() as connection:
        parts = micro_grids.list_micro_grids(connection, plan)
        grids = connection.execute(
            text(
                "SELECT g.code, g.households, ST_Area(ST_SymDifference(g.geom, ST_Union(m.geom))) "
                "/ ST_Area(g.geom) AS off, sum(m.households) AS of_parts, count(*) AS parts, "
                "g.micro_reasons FROM grid g JOIN micro_grid m ON m.grid_id = g.id "
                "WHERE g.plan_id = :p GROUP BY g.id"
            ),
            {"p": plan},
        ).all()
        members = connection.execute(
            text("SELECT count(*) FROM grid_member WHERE plan_id = :p"), {"p": plan}
        ).scalar_one()
        assert len(parts_by_place(connection, plan)) >= members
    assert len(grids) > 1
    for grid in grids:
        assert grid.off < 1e-6
        assert grid.of_parts == grid.households
        assert 6 <= grid.parts <= 8 or grid.micro_reasons[0][0] == "micro_too_few"
    assert all(part["code"] == f"{part['grid']}{part['serial']:02d}" for part in parts)
    assert all(50 <= part["households"] <= 100 for part in parts)


def test_dividing_again_changes_nothing(town, plan):
    with town.begin() as connection:
        before = parts_by_place(connection, plan)
        micro_division.divide_plan(connection, plan)
        assert parts_by_place(connection, plan) == before


def test_copy_has_the_parts_and_an_edit_removes_those_of_its_grids(town, plan):
    with town.begin() as connection:
        copy = edits.copy_as_draft(connection, plan, "x")
        counts = micro_grids.count_by_grid(connection, copy)
        assert counts == micro_grids.count_by_grid(connection, plan)
        draft = plan_draft.lock_draft(connection, copy, 0)
        one, other = sorted(draft.grids)[:2]
        moved = draft_changes.move_atoms(draft, draft.atoms(one)[:1], other)
        edits.apply_edit(connection, draft, "assign", moved, "x")
        left = micro_grids.count_by_grid(connection, copy)
        assert left == {code: n for code, n in counts.items() if code not in (one, other)}
        reasons = connection.execute(
            text("SELECT micro_reasons FROM grid WHERE plan_id = :p AND code = :c"),
            {"p": copy, "c": one},
        ).scalar_one()
        assert reasons is None


def test_redraw_keeps_the_parts_of_the_plan_before(town, plan):
    with town.begin() as connection:
        before = parts_by_place(connection, plan)
        store.publish(connection, plan)
    [result] = batch.draw_community(town, COMMUNITY, replace(QUICK, fresh=False))
    with town.connect() as connection:
        after = parts_by_place(connection, result.plan)
    assert result.plan != plan
    same = sum(after[code] == where for code, where in before.items())
    assert same / len(before) > 0.9


def test_community_without_plan_in_force_is_drawn_first(town):
    with town.begin() as connection:
        connection.execute(
            text(
                "UPDATE grid_plan SET status = 'archived', archived_at = now() "
                "WHERE community_code = :c AND status = 'published'"
            ),
            {"c": COMMUNITY},
        )
    result = batch.divide_community(town, COMMUNITY, QUICK, publish=True)
    with town.connect() as connection:
        counts = micro_grids.count_by_grid(connection, result.plan)
        assert result.micro.parts == sum(counts.values())
        assert store.plan_in_force(connection, COMMUNITY) == result.plan
