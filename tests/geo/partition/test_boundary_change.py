"""Communities merged, divided along a line or a street, and with a border moved."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from geo import crs
from geo.errors import InputError, NotFoundError
from geo.partition.boundary_change import divide_community, merge_communities, move_border
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.search.strategy import Effort
from geo.partition.street_line import find_street_line, find_street_lines
from tests.geo.partition.places import CRS, community, layer, rows_of_houses

ONE, OTHER = "420606007001", "420606007002"
QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100))


def street(code: str, name: str, *places: tuple[float, float], kind: str = "local") -> dict:
    line = shapely.LineString(places)
    return {"code": code, "name": name, "road_class": kind, "tunnel": False, "geom": line}


def place(
    west: float,
    east: float,
    *,
    south: float = 0.0,
    north: float = 200.0,
    code: str = ONE,
    households: int = 10,
    streets: tuple[dict, ...] = (),
    land: shapely.Geometry | None = None,
) -> Community:
    """Return a community full of houses 25 m apart."""
    area = shapely.box(west, south, east, north) if land is None else land
    houses = [
        house | {"code": f"{code}B{number:04d}"}
        for number, house in enumerate(rows_of_houses(40, 40, households))
        if shapely.contains(area, house["geom"])
    ]
    whole = community(area, houses)
    return replace(
        whole,
        code=code,
        name=f"社区{code[-1]}",
        roads=layer(list(streets), "code", "name", "road_class", "tunnel"),
        railways=layer([], "code", "name", "tunnel"),
        waters=layer([], "code", "name", "kind", "covered"),
        facilities=layer([], "code", "name", "category"),
        compounds=layer([], "code", "name", "gated"),
    )


def households(*communities: Community) -> int:
    return sum(int(one.buildings["households"].sum()) for one in communities)


def codes(*communities: Community) -> list[str]:
    return sorted(code for one in communities for code in one.buildings["code"])


def vertical(x: float, south: float = -10.0, north: float = 210.0) -> shapely.Geometry:
    return shapely.LineString([(x, south), (x, north)])


def test_merged_community_has_the_land_and_the_layers_of_both_once():
    shared = street("r1", "中街", (200, 0), (200, 200))
    one, other = place(0, 200, streets=(shared,)), place(200, 500, code=OTHER, streets=(shared,))
    merged = merge_communities([one, other])
    assert (merged.code, merged.name) == (ONE, "社区1 + 社区2")
    assert merged.polygon.equals(shapely.box(0, 0, 500, 200))
    assert codes(merged) == codes(one, other)
    assert households(merged) == households(one, other)
    assert merged.roads["code"].tolist() == ["r1"]


@pytest.mark.parametrize("gap", [0.4, -0.4])
def test_narrow_gaps_and_overlaps_between_neighbours_are_closed(gap):
    one, other = place(0, 200), place(200 + gap, 500, code=OTHER)
    merged = merge_communities([one, other])
    assert merged.polygon.geom_type == "Polygon"
    assert merged.polygon.area == pytest.approx(500 * 200, abs=2.0)
    assert draw(merged, QUICK).score.contiguous


def test_communities_in_two_metric_systems_are_merged_in_the_first():
    one, other = place(0, 200), place(200, 500, code=OTHER)
    frames = ("buildings", "units", "compounds", "roads", "railways", "waters", "facilities")
    far = replace(
        other,
        polygon=crs.transform(other.polygon, CRS, "EPSG:4547"),
        **{name: getattr(other, name).to_crs("EPSG:4547") for name in frames},
    )
    merged = merge_communities([one, far])
    assert merged.buildings.crs == one.buildings.crs
    assert merged.polygon.area == pytest.approx(500 * 200, rel=1e-6)
    assert households(merged) == households(one, other)


@pytest.mark.parametrize(
    "other",
    [
        place(200, 400, south=200, north=400, code=OTHER),  # meets at a corner
        place(300, 500, code=OTHER),  # 100 m away
    ],
    ids=["corner", "apart"],
)
def test_communities_that_are_no_neighbours_are_refused(other):
    with pytest.raises(InputError) as refused:
        merge_communities([place(0, 200), other])
    assert refused.value.key == "communities_not_adjacent"
    assert OTHER in refused.value.message("zh")
    assert ONE in refused.value.message("en")


def test_neighbours_of_neighbours_are_merged_in_any_order():
    places = [place(x, x + 200, code=f"42060600700{n}") for n, x in enumerate((0, 400, 200))]
    merged = merge_communities(places)
    assert merged.polygon.equals(shapely.box(0, 0, 600, 200))
    assert households(merged) == households(*places)


@pytest.mark.parametrize("given", [[ONE], [ONE, ONE]])
def test_one_community_alone_is_no_merger(given):
    with pytest.raises(InputError) as refused:
        merge_communities([place(0, 200, code=code) for code in given])
    assert refused.value.key == "boundary_needs_two"


def test_every_household_is_on_one_side_of_the_line():
    whole = place(0, 500)
    first, second = divide_community(whole, vertical(200))
    assert codes(first, second) == codes(whole)
    assert households(first, second) == households(whole)
    assert (first.code, second.code) == (ONE, f"{ONE}-2")
    assert (first.name, second.name) == ("社区1（东）", "社区1（西）")
    assert first.polygon.area + second.polygon.area == pytest.approx(whole.polygon.area)
    assert first.polygon.bounds == pytest.approx((200, 0, 500, 200))
    assert first.buildings.within(first.polygon).all()


def test_buildings_go_with_most_of_their_land_or_the_nearest_side():
    whole = place(0, 400)
    across = [
        {"code": "mostly west", "geom": shapely.box(180, 90, 204, 110)},
        {"code": "outside", "geom": shapely.box(402, 90, 410, 110)},
    ]
    rows = [{"name": "", "households": 7, "compound_code": None} | row for row in across]
    buildings = layer(rows, "code", "name", "households", "compound_code")
    units = [
        {"code": f"{row['code']} u", "building_code": row["code"], "households": 7}
        | {"geom": row["geom"].centroid}
        for row in across
    ]
    whole = replace(
        whole, buildings=buildings, units=layer(units, "code", "building_code", "households")
    )
    parts = divide_community(whole, vertical(200))
    west, east = sorted(parts, key=lambda part: part.polygon.bounds[0])
    assert (codes(west), codes(east)) == (["mostly west"], ["outside"])
    assert west.units["code"].tolist() == ["mostly west u"]
    assert east.units["code"].tolist() == ["outside u"]


def test_layers_around_a_side_are_those_near_it():
    streets = (street("near", "近", (90, 0), (90, 200)), street("far", "远", (390, 0), (390, 200)))
    west, east = sorted(
        divide_community(place(0, 400, streets=streets), vertical(200)),
        key=lambda part: part.polygon.bounds[0],
    )
    assert west.roads["code"].tolist() == ["near"]
    assert east.roads["code"].tolist() == ["far"]


def test_line_that_ends_a_little_short_of_the_border_divides():
    first, second = divide_community(place(0, 500), vertical(200, 3, 198))
    assert min(households(first), households(second)) > 0


@pytest.mark.parametrize("line", [vertical(0), vertical(200, 50, 150), vertical(900)])
def test_line_that_leaves_all_on_one_side_is_refused(line):
    with pytest.raises(InputError) as refused:
        divide_community(place(0, 500), line)
    assert refused.value.key == "line_leaves_one_side"


def test_line_that_makes_three_parts_is_refused():
    horseshoe = shapely.box(0, 0, 500, 400) - shapely.box(200, 100, 300, 400)
    with pytest.raises(InputError) as refused:
        divide_community(place(0, 0, land=horseshoe), shapely.LineString([(-10, 300), (510, 300)]))
    assert refused.value.key == "line_makes_parts"
    assert refused.value.values["parts"] == 3


def test_an_island_goes_with_the_nearest_side():
    land = shapely.union(shapely.box(0, 0, 500, 200), shapely.box(520, 0, 620, 200))
    whole = place(0, 0, land=land)
    west, east = sorted(
        divide_community(whole, vertical(200)), key=lambda part: part.polygon.bounds[0]
    )
    assert east.polygon.bounds[2] == 620
    assert west.polygon.geom_type == "Polygon"
    assert households(west, east) == households(whole)


def test_moved_border_leaves_each_community_its_code_and_all_households():
    one, other = place(0, 200), place(200, 500, code=OTHER)
    first, second = move_border(one, other, vertical(300))
    assert [(part.code, part.name) for part in (first, second)] == [
        (ONE, "社区1"),
        (OTHER, "社区2"),
    ]
    assert first.polygon.bounds[2] == pytest.approx(300)
    assert codes(first, second) == codes(one, other)
    assert households(first, second) == households(one, other)
    back = move_border(first, second, vertical(200))
    assert [codes(part) for part in back] == [codes(one), codes(other)]


@pytest.mark.parametrize("seed", range(5))
def test_no_line_loses_or_doubles_a_household(seed):
    random = np.random.default_rng(seed)
    one, other = place(0, 250), place(250, 500, code=OTHER)
    ys = np.linspace(-5, 205, 7)
    line = shapely.LineString(np.column_stack([random.uniform(120, 380, 7), ys]))
    parts = move_border(one, other, line)
    assert codes(*parts) == codes(one, other)
    assert households(*parts) == households(one, other)
    assert not shapely.overlaps(parts[0].polygon, parts[1].polygon)


def test_street_through_the_community_is_the_line():
    whole = place(0, 500, streets=(street("r1", "中山路", (200, -30), (210, 100), (200, 230)),))
    found = find_street_line(whole, "中山路")
    assert (found.street, found.line.geom_type) == ("中山路", "LineString")
    assert found.along_m == pytest.approx(found.line.length, abs=0.1)
    parts = divide_community(whole, found.line)
    assert households(*parts) == households(whole)


def test_street_that_ends_at_another_goes_on_along_it():
    streets = (
        street("r1", "中山路", (200, -30), (200, 120)),
        street("r2", "横街", (200, 120), (600, 120)),
        street("r3", "次街", (225, 120), (225, 230)),
    )
    whole = place(0, 500, streets=streets)
    found = find_street_line(whole, "r1")
    assert found.line.length == pytest.approx(120 + 25 + 80, abs=0.1)
    assert found.along_m == pytest.approx(120, abs=0.1)


def test_dead_end_of_the_street_is_left_out():
    streets = (
        street("r1", "中山路", (200, -30), (200, 150), (200, 170)),
        street("r2", "", (200, 150), (260, 230)),
    )
    found = find_street_line(place(0, 500, streets=streets), "中山路")
    assert found.along_m == pytest.approx(150, abs=0.1)
    assert found.line.bounds[3] == pytest.approx(200, abs=0.1)


def test_street_that_ends_just_short_of_the_border_reaches_it():
    whole = place(0, 500, streets=(street("r1", "中山路", (200, -30), (200, 195)),))
    found = find_street_line(whole, "中山路")
    assert found.line.length == pytest.approx(200, abs=0.1)
    assert list(find_street_lines(whole, ["r1", "unknown"])) == ["r1"]


def test_dual_carriageway_with_a_roundabout_divides_in_two():
    ring = shapely.Point(205, 100).buffer(15).exterior
    streets = (
        street("a1", "大道", (200, -30), (200, 86)),
        street("a2", "大道", (210, -30), (210, 86)),
        street("b1", "大道", (200, 114), (200, 230)),
        street("b2", "大道", (210, 114), (210, 230)),
        street("ring", "环岛", *ring.coords),
        street("side", "横街", (220, 100), (600, 100)),
    )
    whole = place(0, 500, streets=streets)
    parts = divide_community(whole, find_street_line(whole, "大道").line)
    assert households(*parts) == households(whole)
    west = min(parts, key=lambda part: part.polygon.bounds[0])
    assert 190 <= west.polygon.bounds[2] <= 221


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("外滩", "street_unknown"),
        (" ", "street_unknown"),
        ("人民", "street_names"),
        ("幸福路", "street_ambiguous"),
        ("边街", "street_not_crossing"),
        ("断路", "street_not_crossing"),
        ("短巷", "street_not_crossing"),
        ("连巷", "street_too_short"),
    ],
)
def test_street_that_cannot_be_the_border_is_refused_in_one_line(name, key):
    streets = (
        street("r1", "人民路", (200, -30), (200, 230)),
        street("r2", "人民东路", (300, -30), (300, 230)),
        street("r3", "幸福路", (50, -30), (50, 230)),
        street("r4", "幸福路", (450, -30), (450, 230)),
        street("r5", "边街", (0, -30), (0, 230)),
        street("r6", "断路", (350, 50), (350, 150)),
        street("r7", "短巷", (200, 100), (220, 100)),
        street("r8", "连巷", (200, 80), (300, 80)),
    )
    with pytest.raises((InputError, NotFoundError)) as refused:
        find_street_line(place(0, 500, streets=streets), name)
    assert refused.value.key == key
    for lang in ("en", "zh"):
        assert "\n" not in refused.value.message(lang)


def test_code_tells_streets_of_one_name_apart():
    streets = (
        street("r3", "幸福路", (50, -30), (50, 230)),
        street("r4", "幸福路", (450, -30), (450, 100)),
        street("r5", "幸福路", (450, 100), (450, 230)),
    )
    found = find_street_line(place(0, 500, streets=streets), "r5")
    assert found.line.bounds == pytest.approx((450, 0, 450, 200), abs=0.1)


def test_part_of_a_name_and_full_width_letters_name_a_street():
    whole = place(0, 500, streets=(street("r1", "Ring Road 2", (200, -30), (200, 230)),))
    assert find_street_line(whole, "ｒｉｎｇ ｒｏａｄ").street == "Ring Road 2"


def test_railway_and_river_can_be_the_border():
    water = {"code": "w", "name": "护城河", "kind": "canal", "covered": False}
    surface = {"geom": shapely.box(240, -20, 250, 220)}
    rail = {"code": "t", "name": "汉丹线", "tunnel": False, "geom": vertical(350)}
    whole = replace(
        place(0, 500),
        waters=layer([water | surface], "code", "name", "kind", "covered"),
        railways=layer([rail], "code", "name", "tunnel"),
    )
    for name in ("护城河", "汉丹线"):
        parts = divide_community(whole, find_street_line(whole, name).line)
        assert households(*parts) == households(whole)
