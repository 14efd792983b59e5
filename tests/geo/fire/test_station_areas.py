"""The areas of stations and what micro-stations reach, on plain streets whose answer is known."""

import pytest
import shapely
from shapely.affinity import translate

from geo.fire import micro_stations, station_areas, station_response
from geo.fire.rules import rules_in_force
from geo.settings import settings
from tests.geo.fire.conftest import EAST, NORTH, snapshot_of
from tests.geo.fire.test_lane_coverage import house, lane

# On a multiple of the cells that land is counted in.
SHIFT = (EAST - EAST % 50, NORTH - NORTH % 50)


def land(width: float, height: float) -> dict[str, object]:
    shape = translate(shapely.box(0, 0, width, height), *SHIFT)
    return {"code": "420602001001", "name": "社区", "level": "community", "geom": shape}


def station(code: str, x: float, y: float, **values: object) -> dict[str, object]:
    place = translate(shapely.Point(x, y), *SHIFT)
    return {"code": code, "category": "fire_station", "name": code, "geom": place} | values


def street(width: float) -> dict[str, object]:
    line = translate(shapely.LineString([(0, 50), (width, 50)]), *SHIFT)
    return {"code": "r", "road_class": "arterial", "width_m": 20.0, "geom": line}


@pytest.mark.parametrize(
    ("values", "side", "expected"),
    [
        ({}, 2600, []),
        ({}, 2700, [("station_area_first", 7.29)]),
        ({"station_class": "first"}, 2650, [("station_area_first", 7.02)]),
        ({"station_class": "special"}, 2600, []),
        ({"station_class": "second"}, 2000, []),
        ({"station_class": "second"}, 2050, [("station_area_second", 4.20)]),
        ({"station_class": "small"}, 1400, []),
        ({"station_class": "small"}, 1450, [("station_area_small", 2.10)]),
    ],
)
def test_area_of_a_station_is_at_most_7_4_or_2_square_kilometres(in_force, values, side, expected):
    city = snapshot_of(
        facility=[station("fs", 100, 60, **values)], road=[street(side)], region=[land(side, side)]
    )
    findings = station_areas.check_station_areas(city, in_force)
    assert [(f.rule, pytest.approx(f.measured, abs=0.01)) for f in findings] == expected


def test_land_belongs_to_the_station_that_is_there_first(in_force):
    """Two stations at the ends of a street of even speed share the land in halves."""
    houses = [house(10, 10, 100 * k, 0, code=f"b{k:02d}") for k in range(40)]
    for row in houses:
        row["geom"] = translate(row["geom"], SHIFT[0] - EAST, SHIFT[1] - NORTH + 70)
    city = snapshot_of(
        building=houses,
        facility=[station("east", 4000, 60), station("west", 0, 60)],
        road=[street(4000)],
        region=[land(4000, 3000)],
    )
    areas = station_areas.measure_station_areas(city, in_force)
    assert areas.sum() == pytest.approx(12.0)
    assert areas[0] == pytest.approx(6.0, abs=0.2)


def micro(staff_count: int | None, x: float) -> dict[str, object]:
    return station("m", x, 50, category="micro_station", staff_count=staff_count)


@pytest.mark.parametrize(
    ("metres", "expected"), [(299.0, []), (301.0, [("micro_time", pytest.approx(180.4, abs=0.05))])]
)
def test_crew_at_9_kmh_reaches_300_metres_in_3_minutes_with_one_to_leave(
    in_force, metres, expected
):
    """A minute to leave and two on the way at 2.5 m/s are 300 m, 10 of them from the road."""
    corners = [(metres - 10, 60), (metres, 80), (metres - 20, 80)]  # one of them towards the road
    outline = translate(shapely.Polygon(corners), *SHIFT)
    city = snapshot_of(
        building=[{"code": "b", "geom": outline, "households": 2}],
        facility=[micro(6, 0)],
        road=[street(1000)],
    )
    findings = micro_stations.check_micro_response(city, in_force)
    assert [(f.rule, f.measured) for f in findings] == expected


@pytest.mark.parametrize(
    ("people", "expected"),
    [(6, []), (5, [("low", 5.0)]), (None, [("missing", None)])],
)
def test_micro_station_has_six_people(in_force, people, expected):
    city = snapshot_of(facility=[micro(people, 0)], road=[street(1000)])
    findings = micro_stations.check_micro_people(city, in_force)
    assert [(f.severity.value, f.measured) for f in findings] == expected


def test_city_without_micro_stations_has_no_findings_but_says_so(in_force):
    city = snapshot_of(building=[house(10, 10, households=3)], road=[street(1000)])
    assert micro_stations.check_micro_response(city, in_force) == []
    assert [item.key for item in micro_stations.missing_micro_data(city)] == ["no_micro_stations"]


@pytest.fixture
def setting(monkeypatch):
    def setting(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"GRIDATLAS_{name}", value)
        settings.cache_clear()

    yield setting
    monkeypatch.undo()
    settings.cache_clear()


def seconds_across(in_force) -> float:
    """Return the driving seconds along 900 m of a local street with two junctions between."""
    roads = [
        lane("r", (0, 0), (900, 0)),
        lane("a", (300, -50), (300, 50)),
        lane("b", (600, -50), (600, 50)),
    ]
    place = translate(shapely.Point(0, 0), EAST, NORTH)
    there = house(10, 10, 895, 5)
    city = snapshot_of(
        building=[there],
        road=roads,
        facility=[{"code": "fs", "category": "fire_station", "name": "fs", "geom": place}],
    )
    driving = station_response.driving_times(city, in_force)
    return float(driving.seconds[city.access.building[0]])


def test_speed_of_a_class_and_delay_of_a_junction_calibrate_travel_times(in_force, setting):
    at_30_kmh = seconds_across(in_force)
    assert at_30_kmh == pytest.approx(895 / (30 / 3.6), abs=0.7)
    setting(ENGINE_SPEED_KMH='{"local": 15}')
    assert seconds_across(in_force) == pytest.approx(2 * at_30_kmh, rel=1e-6)
    setting(ENGINE_SPEED_KMH="{}", ENGINE_JUNCTION_DELAY_S="10")
    assert seconds_across(in_force) == pytest.approx(at_30_kmh + 20)


def test_setting_of_the_engine_or_the_model_makes_findings_stale(setting):
    before = rules_in_force({}).stamp
    setting(ENGINE_JUNCTION_DELAY_S="10")
    assert rules_in_force({}).stamp != before


def test_model_is_stated_with_its_figures(in_force, setting):
    setting(ENGINE_SPEED_KMH='{"local": 22}', ENGINE_JUNCTION_DELAY_S="7")
    stated = station_response.travel_time_properties(in_force)
    assert stated["speed_kmh"]["local"] == 22
    assert stated["junction_delay_s"] == 7
    words = station_response.describe_travel_times(in_force, "en")
    assert "local roads 22" in words
    assert "7 s at each junction" in words


def test_in_a_city_without_roads_no_station_reaches_anything(in_force):
    home = house(10, 10, 0, 0, code="b") | {"households": 5}
    city = snapshot_of(building=[home], facility=[station("s", 0, 0)], region=[land(500, 500)])
    overview = station_response.response_overview(city, in_force, [3.0], "s")
    assert overview["outside"] == {"buildings": 1, "households": 5}
    places = shapely.points([[SHIFT[0], SHIFT[1]]])
    [candidate] = station_response.rank_station_candidates(city, in_force, ["new"], places)
    assert candidate.name == "new"
    [finding] = station_response.check_response_times(city, in_force)
    assert finding.feature == "b"


@pytest.mark.parametrize(("yard", "seconds"), [(0.0, 0.0), (50.0, 12.0)])
def test_engine_drives_from_its_yard_to_the_road_at_15_kmh(in_force, yard, seconds):
    there = house(10, 10, 895, 5)
    place = translate(shapely.Point(0, -yard), EAST, NORTH)
    fire_station = {"code": "fs", "category": "fire_station", "name": "fs", "geom": place}
    city = snapshot_of(
        building=[there], road=[lane("r", (0, 0), (900, 0))], facility=[fire_station]
    )
    driving = station_response.driving_times(city, in_force)
    on_road = 895 / (30 / 3.6)
    assert driving.seconds[city.access.building[0]] == pytest.approx(on_road + seconds)


@pytest.mark.parametrize("x", [0.0, 450.0, 700.0])
def test_place_for_a_station_reaches_what_a_station_there_reaches(in_force, x):
    """Houses every 100 m beside a street of 4 km, some of them too far away."""
    houses = [house(10, 10, 100 * k, 5, code=f"b{k:02d}", households=1) for k in range(40)]
    roads = [lane("r", (0, 0), (4000, 0))]
    place = translate(shapely.Point(x, -30), EAST, NORTH)
    built = {"code": "fs", "category": "fire_station", "name": "fs", "geom": place}
    city = snapshot_of(building=houses, road=roads)
    [candidate] = station_response.rank_station_candidates(
        city, in_force, ["new"], shapely.points([place.coords[0]])
    )
    with_station = snapshot_of(building=houses, road=roads, facility=[built])
    late = station_response.check_response_times(with_station, in_force)
    assert 0 < len(late) < 40
    assert candidate.gained_buildings == 40 - len(late)
    assert candidate.remaining_households == len(late)


def test_crew_of_a_micro_station_walks_from_it_to_the_street(in_force):
    def seconds(y: float) -> float:
        building = {"code": "b", "geom": translate(shapely.box(100, 55, 110, 65), *SHIFT)}
        off_street = micro(6, 0) | {"geom": translate(shapely.Point(0, y), *SHIFT)}
        city = snapshot_of(building=[building], facility=[off_street], road=[street(1000)])
        return float(micro_stations.seconds_from_micro_stations(city, in_force)[0])

    assert seconds(75) - seconds(50) == pytest.approx(10.0)
