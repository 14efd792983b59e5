"""What of a city's surroundings its snapshot holds, read from a database."""

import shapely

from geo.fire import hydrant_places
from geo.fire.finding_refresh import missing_overlay_data
from geo.fire.rules import Overlay
from geo.fire.snapshot import load_snapshot
from tests.etl.delivery import SOUTH, WEST, X, box, bring, divisions, frame, point, write


def test_a_station_outside_the_divisions_serves_the_city(database, tmp_path):
    divisions(database, tmp_path, ("420602001001", box(0, 0, 1200, 1200)))
    bring(database, "building", write(frame([box(600, 600)], code=["b"]), tmp_path / "b.gpkg"))
    line = shapely.LineString([(WEST, SOUTH + 1e-5), (WEST + 15_000 * X, SOUTH + 1e-5)])
    road = frame([line], code=["r"], road_class=["arterial"])
    bring(database, "road", write(road, tmp_path / "r.gpkg"))
    places = [point(600, 20), point(5800, 20)]
    stations = frame(places, code=["inside", "outside"], category=["fire_station"] * 2)
    bring(database, "facility", write(stations, tmp_path / "f.gpkg"))
    with database.connect() as connection:
        snapshot = load_snapshot(connection, "4206")
    assert snapshot.station["code"].tolist() == ["inside", "outside"]
    assert (snapshot.access.station >= 0).all()


def test_streets_and_hydrants_on_the_way_to_stations_outside_are_not_checked(
    database, tmp_path, in_force
):
    divisions(database, tmp_path, ("420602001001", box(0, 0, 1200, 1200)))
    bring(database, "building", write(frame([box(600, 600)], code=["b"]), tmp_path / "b.gpkg"))
    spans = {"own": (0, 1200), "way": (5400, 6600), "lane": (5300, 5400)}
    lines = [shapely.LineString([point(a, 20), point(b, 20)]) for a, b in spans.values()]
    road = frame(lines, code=list(spans), road_class=["arterial", "arterial", "internal"])
    bring(database, "road", write(road, tmp_path / "r.gpkg"))
    places = [point(600, 25), point(6000, 25)]
    nodes = frame(places, code=["own", "way"], network=["water"] * 2, kind=["hydrant"] * 2)
    bring(database, "pipe_node", write(nodes, tmp_path / "n.gpkg"))
    with database.connect() as connection:
        snapshot = load_snapshot(connection, "4206")
    assert snapshot.road["code"].tolist() == ["lane", "own", "way"]
    assert snapshot.hydrant["code"].tolist() == ["own"]
    findings = hydrant_places.check_hydrant_spacing(snapshot, in_force)
    assert {finding.feature for finding in findings} == {"own"}
    missing = missing_overlay_data(snapshot, Overlay.FIRE_REACH)
    assert "road_no_width" not in {item.key for item in missing}
