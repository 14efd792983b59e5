"""Workload of buildings from the register, and grids that share it equally."""

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.scoring.objective import Balance, Limits
from geo.partition.search.strategy import Effort
from geo.plans import community_layers, draft_changes, edits, plan_draft, store
from geo.plans.validation import limits_from_parameters, validate_plan
from geo.register.workload import COUNTS, read_workload, round_to_units, weigh
from geo.settings import Settings
from tests import town as t

LIMITS = Limits(250, 200, 300, Balance.WORKLOAD)
QUICK = Constraints(
    limits=LIMITS, effort=Effort(generations=2, moves_per_node=100, threads=1), fresh=True
)


@pytest.fixture(scope="module")
def town(shared_database):
    t.build(shared_database)
    code = f"b{t.DRUM_TOWER[-3:]}-001"
    dwelling = text(
        "INSERT INTO dwelling (code, building_code, occupancy, residents, alone_60_up, geom) "
        "SELECT :code, code, :use, :residents, :alone, ST_PointOnSurface(geom) "
        "FROM building WHERE code = :building"
    )
    entity = text(
        "INSERT INTO entity (code, name, building_code, staff_count, geom) "
        "SELECT :code, :code, code, :staff, ST_PointOnSurface(geom) "
        "FROM building WHERE code = :building"
    )
    with shared_database.begin() as connection:
        for number in range(1, 9):
            use = ("rented", "rented", "vacant", "owner")[number % 4]
            row = {"code": f"d{number}", "building": code, "use": use}
            row |= {"residents": int(use != "vacant"), "alone": int(use == "owner")}
            connection.execute(dwelling, row)
        for number, staff in enumerate((3, None, 80), 1):
            row = {"code": f"e{number}", "building": code, "staff": staff}
            connection.execute(entity, row)
    return shared_database


def read(connection, settings=None):
    buildings = pd.DataFrame(
        connection.execute(
            text("SELECT code, households FROM building WHERE region_code = :c ORDER BY code"),
            {"c": t.DRUM_TOWER},
        ).all(),
        columns=["code", "households"],
    )
    return buildings, read_workload(connection, buildings, settings or Settings())


def test_workload_is_the_sum_of_weights_times_counts():
    counts = pd.DataFrame([[4.0, 3.0, 2.0, 5.0, 1.0], [0.0, 0.0, 9.0, 0.0, 0.0]], columns=COUNTS)
    workload = weigh(np.array([10, 2]), counts, Settings())
    assert workload.tolist() == [10 + 4 * 0.5 + 3 * 1 - 2 * 0.5 + 5 * 1 + 1 * 3, 0.0]


def test_rounding_keeps_the_sums():
    exact = np.random.default_rng(1).uniform(0, 3, 500)
    rounded = round_to_units(exact)
    assert np.abs(np.cumsum(rounded) - np.cumsum(exact)).max() <= 0.5 + 1e-9
    assert np.abs(rounded - exact).max() <= 1.0


def test_workload_counts_dwellings_and_organisations_of_a_building(town):
    with town.connect() as connection:
        buildings, workload = read(connection)
    extra = 4 * 0.5 + 2 * 1 - 2 * 0.5 + 2 * 1 + 1 * 3
    assert workload[0] == buildings["households"][0] + extra
    assert (workload[1:] == buildings["households"][1:]).all()


def test_weights_are_settings(town, monkeypatch):
    monkeypatch.setenv("GRIDATLAS_WORKLOAD_RENTED", "10")
    monkeypatch.setenv("GRIDATLAS_SMALL_BUSINESS_STAFF", "100")
    with town.connect() as connection:
        buildings, workload = read(connection, Settings())
    assert workload[0] == buildings["households"][0] + 4 * 10 + 2 * 1 - 2 * 0.5 + 3 * 1


def test_planner_reads_the_same_workload(town):
    with town.connect() as connection:
        expected = read(connection)[1]
        connection.execute(text("SET ROLE gridatlas_planner"))
        connection.execute(
            text("SELECT set_config('gridatlas.scope', :s, true)"), {"s": t.DRUM_TOWER}
        )
        connection.execute(text("SELECT set_config('gridatlas.owner', '', true)"))
        assert read(connection)[1].tolist() == expected.tolist()
        connection.execute(text("RESET ROLE"))


@pytest.fixture
def drawing(town):
    with town.connect() as connection:
        return draw(
            community_layers.read_community(connection, t.DRUM_TOWER, Balance.WORKLOAD), QUICK
        )


def test_grids_share_the_workload_and_show_households_beside_it(town, drawing):
    with town.connect() as connection:
        buildings, workload = read(connection)
    grids, card = drawing.grids, drawing.score
    assert grids["workload"].sum() == workload.sum() == card.workload
    assert grids["households"].sum() == buildings["households"].sum() == card.households
    assert (card.smallest, card.largest) == (grids["workload"].min(), grids["workload"].max())
    assert card.smallest_households == grids["households"].min()
    assert card.largest_households == grids["households"].max()
    assert drawing.members["workload"].sum() == card.workload


def test_stored_plan_is_validated_and_edited_by_workload(town, drawing):
    with town.begin() as connection:
        plan = store.store_drawing(connection, drawing)
        parameters, revision = connection.execute(
            text("SELECT parameters, revision FROM grid_plan WHERE id = :p"), {"p": plan}
        ).one()
        limits = limits_from_parameters(parameters)
        assert limits == LIMITS
        tight = Limits(1, 1, 1, Balance.WORKLOAD)
        breaches = validate_plan(connection, plan, tight)
        sizes = dict(zip(drawing.grids["code"], drawing.grids["workload"], strict=True))
        assert {breach.grid: breach.households for breach in breaches} == sizes
        draft = plan_draft.lock_draft(connection, plan, revision)
        one, other = sorted(draft.grids)[:2]
        edits.apply_edit(
            connection, draft, "merge", draft_changes.merge_grids(draft, [one, other]), "x"
        )
        merged = connection.execute(
            text("SELECT workload FROM grid WHERE plan_id = :p AND code = :c"),
            {"p": plan, "c": one},
        ).scalar_one()
        assert merged == sizes[one] + sizes[other]
        copy = edits.copy_as_draft(connection, plan, "x")
        total = "SELECT sum(workload) FROM grid_member WHERE plan_id = :p"
        assert connection.execute(text(total), {"p": copy}).scalar_one() == drawing.score.workload
