"""Sums of the register after imports, re-imports, closings and roll-backs."""

import csv
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from etl.runs.rollback import roll_back
from geo.model.run import RunStatus
from tests.etl.delivery import ANYTHING, box, bring, divisions, frame, mapping, write

WEST, EAST = "420602001001", "420602001002"
HOUSES = range(8)
RECOUNT = text(
    "SELECT r.code, count(*) AS dwellings, sum(d.residents) AS residents, "
    "count(*) FILTER (WHERE d.verified_on > current_date - interval '12 months') AS verified "
    "FROM region r JOIN building b ON starts_with(b.region_code, regexp_replace(r.code, "
    "'(00000000|000000|000)$', '')) "
    "JOIN dwelling d ON d.building_code = b.code GROUP BY r.code ORDER BY r.code"
)
SUMS = text(
    "SELECT code, dwellings, residents, verified FROM published.register_by_region "
    "WHERE dwellings > 0 ORDER BY code"
)

numbers = st.sets(st.sampled_from(HOUSES), min_size=1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("dwelling"), numbers, st.integers(0, 2)),
        st.tuples(st.just("building"), numbers, st.integers(0, 2)),
        st.tuples(st.just("roll back")),
    ),
    min_size=2,
    max_size=6,
)


@given(steps=steps)
@settings(max_examples=8)
def test_sums_are_those_of_a_recount_after_imports_and_roll_backs(database, tmp_path, steps):
    divisions(
        database, tmp_path, (WEST, box(-100, -100, 275, 900)), (EAST, box(175, -100, 900, 900))
    )
    deliver(database, tmp_path, "building", HOUSES, 0)
    deliver(database, tmp_path, "dwelling", HOUSES, 0)
    assert len(assert_sums_are_those_of_a_recount(database)) == 5
    published = []
    for action, *delivered in steps:
        if action != "roll back":
            outcome = deliver(database, tmp_path, action, *delivered)
            published += [outcome.run] if outcome.status is RunStatus.PUBLISHED else []
        elif published:
            roll_back(database, published.pop(), with_later=True)
        assert_sums_are_those_of_a_recount(database)


def assert_sums_are_those_of_a_recount(database):
    """Return the sums of the divisions that have dwellings."""
    with database.connect() as connection:
        sums = connection.execute(SUMS).all()
        assert sums == connection.execute(RECOUNT).all()
    return sums


def deliver(database, folder, layer, houses, variant):
    """Import a whole delivery: what it no longer holds is closed."""
    file = {"building": write_buildings, "dwelling": write_dwellings}[layer](
        folder, houses, variant
    )
    return bring(database, layer, file, mapping(layer, source=layer, guard=ANYTHING))


def write_buildings(folder, houses, shift):
    """Write buildings that lie in another community after a shift."""
    shapes = [box(50 * i + 120 * shift, 0) for i in houses]
    return write(frame(shapes, code=[f"b{i}" for i in houses]), folder / "buildings.gpkg")


def write_dwellings(folder, houses, variant):
    verified = date.today() - timedelta(200 * variant)
    lines = [(f"b{i}", f"10{n}", 1 + (i + n) * variant, verified) for i in houses for n in (1, 2)]
    path = folder / "dwellings.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([("楼栋编码", "户室号", "常住人口", "核实日期"), *lines])
    return path
