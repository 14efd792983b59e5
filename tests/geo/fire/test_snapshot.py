"""What of a city's surroundings its snapshot holds, read from a database."""

import shapely

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
