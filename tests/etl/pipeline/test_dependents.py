"""What hangs on a removed feature goes with it, is told, and comes back with a roll-back."""

import shapely

from etl.runs.rollback import roll_back
from tests.etl.delivery import bring, frame, houses, mapping, point, rows, write

BUILDINGS = mapping(source="survey")
UNITS = mapping("building_unit", source="police")
NODES = mapping("pipe_node", source="water works")
PIPES = mapping("pipe_segment", source="survey of pipes")


def units(folder):
    data = frame([point(5, 5), point(55, 5)], code=["u0", "u1"], building_code=["b000", "b001"])
    return write(data, folder / "units.gpkg")


def nodes(folder, count):
    codes = [f"n{i}" for i in range(count)]
    data = frame(
        [point(100 * i, 0) for i in range(count)],
        code=codes,
        network=["water"] * count,
        kind=["junction"] * count,
    )
    return write(data, folder / f"nodes{count}.gpkg")


def pipes(folder):
    line = shapely.LineString([point(100, 0), point(200, 0)])
    data = frame([line], code=["p"], network=["water"])
    return write(data, folder / "pipes.gpkg")


def test_units_of_a_removed_building_go_with_it_and_are_listed(database, tmp_path):
    bring(database, "building", write(houses(12), tmp_path / "a.gpkg"), BUILDINGS)
    bring(database, "building_unit", units(tmp_path), UNITS)
    rest = write(houses(12).iloc[1:], tmp_path / "b.gpkg")
    done = bring(database, "building", rest, BUILDINGS)
    assert done.status == "published"
    assert done.report["units_removed"] == [
        {"code": "u0", "building": "b000", "households": 0, "source": "police"}
    ]
    assert rows(database, "SELECT code FROM building_unit") == [("u1",)]
    roll_back(database, done.run)
    assert rows(database, "SELECT code, source, building_code FROM building_unit ORDER BY 1") == [
        ("u0", "police", "b000"),
        ("u1", "police", "b001"),
    ]
    assert rows(database, "SELECT source FROM building WHERE code = 'b000'") == [("survey",)]


def test_pipe_whose_node_is_removed_has_a_loose_end(database, tmp_path):
    bring(database, "pipe_node", nodes(tmp_path, 3), NODES)
    bring(database, "pipe_segment", pipes(tmp_path), PIPES)
    joined = "SELECT from_node, to_node, source FROM pipe_segment"
    assert rows(database, joined) == [("n1", "n2", "survey of pipes")]
    done = bring(database, "pipe_node", nodes(tmp_path, 2), NODES)
    assert done.report["ends_loosened"] == [{"code": "p", "source": "survey of pipes"}]
    assert rows(database, joined) == [("n1", None, "survey of pipes")]
    roll_back(database, done.run)
    assert rows(database, joined) == [("n1", "n2", "survey of pipes")]
