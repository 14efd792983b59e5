"""OpenStreetMap extracts: what becomes of their features, whole and broken, and of Monaco."""

import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
import pyarrow as pa
import pytest
import shapely

from etl.osm import Extract, read_osm
from etl.osm.reader import read_features
from geo import crs
from geo.errors import InputError
from geo.geometry.shared_borders import find_borders
from geo.model import LAYERS
from geo.settings import Settings
from tests.etl.pbf import Extract as Pbf

MONACO = Path(__file__).parents[3] / "data/samples/monaco.osm.pbf"
STEP = 0.001  # about 80 m from west to east, 111 m from south to north


@pytest.fixture(scope="module")
def monaco() -> Extract:
    return read_osm(MONACO, Settings())


def block(pbf: Pbf, column: float, row: float = 0, **tags: str) -> int:
    """Add a building of about 32 m by 44 m at a place of a raster."""
    west, south = 7.4 + column * STEP, 43.7 + row * STEP
    tags = {"building": "yes", **tags}
    return pbf.rectangle(west, south, west + 0.4 * STEP, south + 0.4 * STEP, **tags)


def read(pbf: Pbf, tmp_path: Path, **options) -> Extract:
    return read_osm(pbf.write(tmp_path / "town.osm.pbf"), Settings(), **options)


def one(frame: gpd.GeoDataFrame, code: str) -> dict:
    (row,) = frame[frame["code"] == code].to_dict("records")
    return row


def test_building_tags_become_columns(tmp_path):
    pbf = Pbf()
    block(
        pbf,
        0,
        building="apartments",
        building__levels="18",
        building__levels__underground="2",
        height="177 ft",
        start_date="1998-05",
        building__material="concrete",
        building__flats="72",
        name="Tower",
        name__zh="塔楼",
        addr__street="Rue Grimaldi",
        addr__housenumber="4",
    )
    block(pbf, 1, amenity="school")
    block(pbf, 2, building__levels="about six", height="0", start_date="C19", name="A\u2028B")
    frame = read(pbf, tmp_path).layers["building"]
    tower = one(frame, "osm:w1")
    assert (tower["use"], tower["structure"]) == ("residential", "reinforced_concrete")
    assert (tower["storeys_above"], tower["storeys_below"]) == (18, 2)
    assert tower["height_m"] == pytest.approx(53.95, abs=0.01)
    assert (tower["year_built"], tower["households"]) == (1998, 72)
    assert tower["households_source"] == "survey"
    assert (tower["name"], tower["address"]) == ("塔楼", "Rue Grimaldi 4")
    school = one(frame, "osm:w2")
    assert (school["use"], school["households"]) == ("education", 0)
    assert school["households_source"] == "estimated"
    odd = one(frame, "osm:w3")
    assert odd["name"] == "A B"
    assert np.isnan(odd["storeys_above"])
    assert np.isnan(odd["height_m"])
    assert np.isnan(odd["year_built"])


def test_parts_of_buildings_are_no_buildings(tmp_path):
    pbf = Pbf()
    block(pbf, 0)
    pbf.rectangle(7.4, 43.7, 7.4002, 43.7002, building__part="yes", building__levels="9")
    block(pbf, 2, building="no")
    assert len(read(pbf, tmp_path).layers["building"]) == 1


def test_road_tags_become_columns(tmp_path):
    pbf = Pbf()
    block(pbf, 0)
    street = [(7.39, 43.699), (7.41, 43.699)]
    pbf.way(
        street,
        highway="primary",
        width="12,5 m",
        lanes="4",
        maxheight="12'6\"",
        maxweight="7500 kg",
        oneway="-1",
        surface="sett",
        bridge="viaduct",
        incline="-6 %",
    )
    pbf.way(street, highway="service", service="alley", tunnel="yes", width="narrow", incline="9°")
    pbf.way(street, highway="footway")
    pbf.way(street, highway="proposed")
    pbf.way([street[0], street[0]], highway="residential")
    frame = read(pbf, tmp_path).layers["road"]
    assert frame["road_class"].tolist() == ["arterial", "alley", "path"]
    road, alley = frame.iloc[0], frame.iloc[1]
    assert (road["width_m"], road["lanes"], road["slope_percent"]) == (12.5, 4, -6)
    assert road["clear_height_m"] == pytest.approx(3.81)
    assert road["max_weight_t"] == 7.5
    assert (road["oneway"], road["surface"], road["bridge"]) == ("backward", "paving", True)
    assert (alley["oneway"], alley["tunnel"], alley["bridge"]) == ("no", True, False)
    assert np.isnan(alley["width_m"])
    assert np.isnan(alley["slope_percent"])


def test_only_railways_in_use_with_a_track_of_their_own_are_read(tmp_path):
    pbf = Pbf()
    block(pbf, 0)
    track = [(7.39, 43.699), (7.41, 43.699)]
    for kind in ("rail", "abandoned", "tram", "razed", "construction", "platform"):
        pbf.way(track, railway=kind)
    pbf.way(track, railway="subway", tunnel="yes")
    frame = read(pbf, tmp_path).layers["railway"]
    assert frame["code"].tolist() == ["osm:w2", "osm:w8"]
    assert frame["tunnel"].tolist() == [False, True]


def test_waters_facilities_and_hydrants(tmp_path):
    pbf = Pbf()
    block(pbf, 0)
    pbf.way([(7.39, 43.698), (7.41, 43.698)], waterway="river", width="30", name="Var")
    pbf.rectangle(7.42, 43.7, 7.43, 43.71, natural="water", water="pond")
    pbf.node(7.401, 43.701, amenity="police", phone="17")
    pbf.rectangle(7.402, 43.701, 7.403, 43.702, leisure="park", name="Jardin")
    pbf.node(7.4, 43.7, amenity="bench")
    pbf.node(
        7.4,
        43.7,
        emergency="fire_hydrant",
        fire_hydrant__flow_rate="1800 l/min",
        fire_hydrant__pressure="6 bar",
    )
    layers = read(pbf, tmp_path).layers
    water = layers["water"].set_index("kind")
    assert water.loc["river", ["name", "width_m"]].tolist() == ["Var", 30.0]
    assert water.loc["pond"].geom.area > 0
    facility = layers["facility"].set_index("category")
    assert facility.loc["police", "phone"] == "17"
    assert facility.loc["park"].geom.geom_type == "MultiPolygon"
    assert len(facility) == 2
    (hydrant,) = layers["pipe_node"].to_dict("records")
    assert (hydrant["network"], hydrant["kind"]) == ("water", "hydrant")
    assert (hydrant["flow_l_s"], hydrant["pressure_mpa"]) == (30.0, pytest.approx(0.6))


def test_figures_that_are_none_or_several_are_left_out_and_counted(tmp_path):
    pbf = Pbf()
    tags = [
        {"building__levels": "3;4", "building__flats": "20-24", "start_date": "~1985"},
        {"building__levels": "6层", "building__flats": "unknown", "start_date": "1985..1990"},
        {"building__levels": "-1", "height": "1200 cm", "start_date": "2190-01-01"},
        {"building": "construction", "building__flats": "60"},
    ]
    for column, values in enumerate(tags):
        block(pbf, column, **values)
    extract = read(pbf, tmp_path)
    frame = extract.layers["building"].set_index("code")
    known = frame[["storeys_above", "height_m", "year_built"]].astype(object)
    assert known.where(known.notna(), None).to_numpy().tolist() == [
        [None, None, None],
        [6, None, 1985],
        [None, 12, None],
        [None, None, None],
    ]
    assert set(frame["households_source"]) == {"estimated"}
    assert frame["households"]["osm:w4"] == 0
    assert extract.figures.unread == {"building:flats": 2, "building:levels": 2, "start_date": 2}


def test_what_lies_below_ground_or_is_there_twice_is_no_building(tmp_path):
    pbf = Pbf()
    tags = [
        {"location": "underground"},
        {"layer": "-1"},
        {"level": "-2;-1"},
        {"layer": "-1", "building__flats": "8"},
        {"level": "-1;0"},
        {"level": "0"},
    ]
    for column, values in enumerate(tags):
        block(pbf, column, **values)
    west, south, width = 7.4 + 5 * STEP, 43.7, 0.4 * STEP
    around = [(0, 0), (0, width), (width, width), (width, 0), (0, 0)]
    pbf.way([(west + x, south + y) for x, y in around], building="retail", level="1")
    pbf.rectangle(7.41, 43.7, 7.4101, 43.7001, building__part="yes")
    extract = read(pbf, tmp_path)
    assert extract.layers["building"]["code"].tolist() == ["osm:w4", "osm:w5", "osm:w6"]
    assert {one.code: one.reason for one in extract.rejected} == {
        "osm:w1": "below_ground",
        "osm:w2": "below_ground",
        "osm:w3": "below_ground",
        "osm:w7": "duplicate_shape",
        "osm:w8": "part_without_building",
    }
    assert extract.figures.rejected == 5


def test_hydrants_hang_on_the_main_and_other_waters_are_intakes(tmp_path):
    pbf = Pbf()
    block(pbf, 0)
    tags = {
        "main": {"fire_hydrant__pressure": "400 kPa", "fire_hydrant__flow_capacity": "60 m3/h"},
        "no unit": {"fire_hydrant__flow_capacity": "60"},
        "broken": {"operational_status": "broken"},
        "both": {"emergency": "fire_hydrant;defibrillator"},
        "suction": {"fire_hydrant__pressure": "suction"},
        "pond": {"fire_hydrant__type": "pond"},
        "river": {"water_source": "river"},
        "pumped": {"water_source": "river", "fire_hydrant__pressure": "5"},
        "point": {"emergency": "suction_point"},
        "tank": {"emergency": "water_tank"},
    }
    for name, values in tags.items():
        pbf.node(7.4, 43.7, **{"emergency": "fire_hydrant", "name": name, **values})
    pbf.node(7.4, 43.7, disused__emergency="fire_hydrant")
    pbf.rectangle(7.41, 43.7, 7.4101, 43.7001, emergency="fire_hydrant", name="area")
    layers = read(pbf, tmp_path).layers
    node = layers["pipe_node"].set_index("name")
    assert node.index.tolist() == ["main", "no unit", "broken", "both", "pumped", "area"]
    assert node.loc["main", "flow_l_s"] == pytest.approx(16.667, abs=0.001)
    assert node.loc["main", "pressure_mpa"] == pytest.approx(0.4)
    assert np.isnan(node.loc["no unit", "flow_l_s"])
    assert node["in_service"].tolist() == [None, None, False, None, None, None]
    assert (node.geom_type == "Point").all()
    intakes = layers["facility"].set_index("name")["category"]
    assert intakes.index.tolist() == ["suction", "pond", "river", "point", "tank"]
    assert set(intakes) == {"intake"}


def test_what_is_broken_is_set_aside_and_never_stops_the_import(tmp_path):
    pbf = Pbf()
    block(pbf, 0)
    open_way = pbf.way([(7.402, 43.7), (7.403, 43.7), (7.403, 43.701)], building="yes")
    bow = [(7.404, 43.7), (7.405, 43.701), (7.405, 43.7), (7.404, 43.701), (7.404, 43.7)]
    bowtie = pbf.way(bow, building="house")
    flat = pbf.way([(7.406, 43.7), (7.407, 43.7), (7.406, 43.7)], building="yes")
    ring = pbf.way([(7.407, 43.7), (7.408, 43.7), (7.408, 43.701)])
    unclosed = pbf.area([("outer", ring)], building="apartments")
    missing = pbf.area([("outer", ring), ("outer", 999)], building="school")
    pbf.area([("outer", 999)], landuse="forest")
    outer = pbf.rectangle(7.41, 43.7, 7.411, 43.701)
    inner = pbf.rectangle(7.4102, 43.7002, 7.4105, 43.7005)
    court = pbf.area([("outer", outer), ("inner", inner)], building="apartments")
    extract = read(pbf, tmp_path)
    assert {one.code: one.reason for one in extract.rejected} == {
        f"osm:w{open_way}": "outline_not_closed",
        f"osm:w{bowtie}": "outline_doubtful",
        f"osm:w{flat}": "no_area_left",
        f"osm:r{unclosed}": "rings_not_closed",
        f"osm:r{missing}": "rings_not_closed",
    }
    assert extract.figures.repaired == 0
    frame = extract.layers["building"].set_index("code")
    assert set(frame.index) == {"osm:w1", f"osm:r{court}"}
    assert frame.geometry.is_valid.all()
    assert len(frame.geometry[f"osm:r{court}"].geoms[0].interiors) == 1


def test_the_same_file_gives_the_same_layers(monaco):
    again = read_osm(MONACO, Settings())
    for name, frame in monaco.layers.items():
        assert frame.drop(columns="geom").equals(again.layers[name].drop(columns="geom"))
        same = shapely.equals_exact(frame.geom.to_numpy(), again.layers[name].geom.to_numpy(), 0)
        assert same.all()


def test_monaco_fits_the_tables(monaco):
    for name, frame in monaco.layers.items():
        known = {column.name for column in LAYERS[name].__table__.columns}
        assert set(frame.columns) <= known
        assert frame.crs == crs.STORAGE
        assert frame["code"].is_unique
        assert frame.geometry.is_valid.all()
        assert not frame.geometry.is_empty.any()


def test_monaco_has_its_nine_quarters(monaco):
    region = monaco.layers["region"]
    communities = region[region["level"] == "community"]
    assert sorted(communities["name"]) == [
        "Fontvieille",
        "Jardin Exotique",
        "La Condamine",
        "La Rousse",
        "Larvotto",
        "Les Moneghetti",
        "Monaco-Ville",
        "Monte-Carlo",
        "Sainte-Dévote",
    ]
    assert region["level"].tolist()[:3] == ["city", "district", "street"]
    assert region["parent_code"].tolist()[1:4] == region["code"].tolist()[:3]
    # A house at the frontier, between others that lie mostly beyond it, is a piece by itself.
    largest = [max(part.area for part in shapely.get_parts(land)) for land in region.geometry]
    assert (largest > 0.99 * shapely.area(region.geometry.to_numpy())).all()
    # About 37,300 residents at the census of 2016.
    assert 15_000 < monaco.figures.households < 25_000
    by_community = monaco.layers["building"].groupby("region_code")["households"].sum()
    assert by_community.min() > 300


def test_monaco_is_divided_without_gap_overlap_or_cut(monaco):
    region = monaco.layers["region"]
    metric = crs.metric_crs_of(region)
    land = region[region["level"] == "community"].to_crs(metric)
    assert shapely.coverage_is_valid(land.geometry.to_numpy(), gap_width=0.01)
    buildings = monaco.layers["building"].to_crs(metric)
    inside = buildings[buildings["region_code"].notna()]
    own = land.set_index("code").geometry[inside["region_code"]].to_numpy()
    beyond = shapely.area(shapely.difference(inside.geometry.to_numpy(), own))
    assert beyond.max() < 0.01


def test_monaco_ends_at_its_border(monaco):
    """The stadium of Cap-d'Ail and the French end of the breakwater are in the file."""
    whole = monaco.layers["region"].geometry.iloc[0]
    assert whole.contains(shapely.Point(7.4155, 43.7277))
    assert not whole.contains(shapely.Point(7.4128, 43.7263))
    assert monaco.figures.outside > 30


def test_communities_of_monaco_follow_streets(monaco):
    """Nine tenths of the inner borders lie on a street, a railway, a path or a building's wall."""
    region = monaco.layers["region"]
    metric = crs.metric_crs_of(region)
    land = region[region["level"] == "community"].to_crs(metric).geometry.to_numpy()
    shared = find_borders(land)
    inner = shared.left >= 0
    lines = [monaco.layers[name].to_crs(metric).geometry for name in ("road", "railway")]
    walls = monaco.layers["building"].to_crs(metric).geometry.boundary
    streets = shapely.STRtree(np.concatenate([*lines, walls]))
    middles = shapely.points(shared.midpoints()[inner])
    on_street = np.unique(streets.query(middles, predicate="dwithin", distance=0.5)[0])
    length = shared.length[inner]
    assert length[on_street].sum() > 0.9 * length.sum()


def parts(pbf: Pbf, outer: list, *inner: list, **tags: str) -> int:
    """Add a multipolygon with rings given in hundredths of a degree around 7.4, 43.7."""
    rings = [("outer", outer), *(("inner", ring) for ring in inner)]
    ways = [(role, pbf.way([(7.4 + x / 1e4, 43.7 + y / 1e4) for x, y in r])) for role, r in rings]
    return pbf.area(ways, building="apartments", **tags)


def squares_of(shape: shapely.Geometry) -> float:
    """Return the area of a shape in the squares of :func:`parts`."""
    return shape.area * 1e8


INNER_RINGS = {
    # osm-testdata 757: the hole lies against the outer ring, both with the same nodes
    "along a wall": (
        [(7, 1), (1, 1), (1, 7), (7, 7), (7, 5), (7, 3), (7, 1)],
        [[(5, 5), (7, 5), (7, 3), (5, 3), (5, 5)]],
        32,
        0,
    ),
    # 784: three holes that touch along their edges are one
    "side by side": (
        [(1, 1), (1, 6), (6, 6), (6, 1), (1, 1)],
        [
            [(2, 2), (2, 5), (4, 5), (4, 4), (3, 4), (3, 3), (4, 3), (4, 2), (2, 2)],
            [(4, 3), (4, 4), (3, 4), (3, 3), (4, 3)],
            [(4, 5), (5, 5), (5, 2), (4, 2), (4, 3), (4, 4), (4, 5)],
        ],
        16,
        1,
    ),
}


@pytest.mark.parametrize("case", INNER_RINGS)
def test_holes_that_touch_are_cut_out_as_drawn(tmp_path, case):
    outer, inner, squares, holes = INNER_RINGS[case]
    pbf = Pbf()
    number = parts(pbf, outer, *inner)
    shape = one(read(pbf, tmp_path).layers["building"], f"osm:r{number}")["geom"]
    assert squares_of(shape) == pytest.approx(squares)
    assert [len(part.interiors) for part in shape.geoms] == [holes]
    assert shape.is_valid


def test_hole_against_a_wall_without_a_node_there_is_set_aside(tmp_path):
    """osm-testdata 756: no multipolygon, as rings may touch at nodes only."""
    pbf = Pbf()
    block(pbf, 9)
    outer = [(7, 1), (1, 1), (1, 7), (7, 7), (7, 1)]
    number = parts(pbf, outer, [(5, 5), (7, 5), (7, 3), (5, 3), (5, 5)])
    (rejected,) = read(pbf, tmp_path).rejected
    assert (rejected.code, rejected.reason) == (f"osm:r{number}", "rings_not_closed")


SQUARE = [(0, 0), (6, 0), (6, 6), (0, 6), (0, 0)]
HOLE = [(2, 2), (4, 2), (4, 4), (2, 4), (2, 2)]


def test_outer_way_tagged_like_its_relation_is_the_same_building(tmp_path):
    pbf = Pbf()
    number = parts(pbf, SQUARE, HOLE, building__flats="20")
    pbf.ways[0].tags = {"building": "apartments", "building:flats": "20", "name": "Court"}
    pbf.ways[1].tags = {"building": "kiosk"}
    frame = read(pbf, tmp_path).layers["building"]
    assert frame["code"].tolist() == ["osm:w2", f"osm:r{number}"]
    court = one(frame, f"osm:r{number}")
    assert (court["households"], court["name"]) == (20, "Court")
    assert squares_of(court["geom"]) == pytest.approx(32)


def test_relation_without_tags_gives_its_hole_to_its_outer_way(tmp_path):
    pbf = Pbf()
    number = parts(pbf, SQUARE, HOLE)
    pbf.ways[0].tags = pbf.relations[0].tags
    pbf.relations[0].tags = {"type": "multipolygon"}
    (building,) = read(pbf, tmp_path).layers["building"].to_dict("records")
    assert building["code"] == f"osm:r{number}"
    assert building["use"] == "residential"
    assert squares_of(building["geom"]) == pytest.approx(32)


def renumber(pbf: Pbf, change: Callable[[int], int]) -> None:
    for way in pbf.ways:
        way.nodes = [change(ref) for ref in way.nodes]
    for relation in pbf.relations:
        relation.members = [(kind, change(ref), role) for kind, ref, role in relation.members]
    for element in (*pbf.nodes, *pbf.ways, *pbf.relations):
        element.id = change(element.id)


def town_with_court() -> Pbf:
    pbf = Pbf()
    block(pbf, 3, building__flats="30")
    parts(pbf, SQUARE, HOLE, building__flats="20")
    pbf.node(7.4, 43.7, place="quarter", name="Old Town")
    pbf.way([(7.39, 43.699), (7.41, 43.699)], highway="residential")
    return pbf


@pytest.mark.parametrize("kind", ["negative", "negative and positive", "descending"])
def test_ids_may_be_negative_and_in_any_order(tmp_path, kind):
    usual = read(town_with_court(), tmp_path).layers
    pbf = town_with_court()
    if kind == "descending":
        for elements in (pbf.nodes, pbf.ways, pbf.relations):
            elements.reverse()
    else:
        change = {
            "negative": lambda number: -number,
            "negative and positive": lambda number: number if number % 2 else -number,
        }
        renumber(pbf, change[kind])
    layers = read(pbf, tmp_path).layers
    for name in ("building", "road"):
        codes = layers[name]["code"].str.replace("-", "").tolist()
        assert sorted(codes) == sorted(usual[name]["code"])
        area = (
            layers[name].geometry.union_all().symmetric_difference(usual[name].geometry.union_all())
        )
        assert area.is_empty
    negative = {"negative": {"osm:w-1", "osm:r-1"}, "descending": {"osm:w1", "osm:r1"}}
    assert set(layers["building"]["code"]) == negative.get(kind, {"osm:w1", "osm:r1"})
    assert "Old Town" in set(layers["region"]["name"])


@pytest.mark.parametrize("compression", ["none", "zlib", "lz4"])
def test_compression_makes_no_difference(tmp_path, compression):
    path = town_with_court().write(tmp_path / "town.osm.pbf", compression)
    assert len(read_osm(path, Settings()).layers["building"]) == 2


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "is compressed with zstd, which is not supported"), ("zh", "采用 zstd 压缩，无法读取")],
)
def test_compression_that_is_not_read_is_named(tmp_path, monkeypatch, lang, words):
    monkeypatch.setenv("GRIDATLAS_LANG", lang)
    header = pa.compress(b"\x22\x0eOsmSchema-V0.6", "zstd", asbytes=True)
    blob = b"\x10\x10" + b"\x3a" + bytes([len(header)]) + header  # raw_size, zstd_data
    blob_header = b"\x0a\x09OSMHeader\x18" + bytes([len(blob)])
    path = tmp_path / "town.osm.pbf"
    path.write_bytes(struct.pack(">I", len(blob_header)) + blob_header + blob)
    with pytest.raises(InputError, match=words):
        read_osm(path, Settings())


def test_what_the_extract_cuts_off_is_never_made_up(tmp_path):
    pbf = Pbf()
    block(pbf, 0)
    house = block(pbf, 2)
    pbf.ways[house - 1].nodes[2] = 999
    corner = [pbf.node(7.39 + x * STEP, 43.699) for x in range(6)]
    inside = pbf.way_of([*corner[:3], 999], highway="residential")
    across = pbf.way_of([*corner[:2], 999, *corner[3:]], highway="residential")
    outside = pbf.way_of([998, 999], highway="residential")
    extract = read(pbf, tmp_path)
    assert {one.code: one.reason for one in extract.rejected} == {
        f"osm:w{house}": "nodes_missing",
        f"osm:w{across}": "nodes_missing",
    }
    roads = extract.layers["road"].set_index("code").geometry
    assert roads[f"osm:w{inside}"].length == pytest.approx(2 * STEP)
    assert f"osm:w{outside}" not in roads.index


def test_areas_of_all_kinds_are_read(tmp_path):
    """A closed way is an area whatever its key, a roundabout is a line."""
    pbf = Pbf()
    block(pbf, 0)
    corners = (7.42, 43.70, 7.43, 43.71)
    pbf.rectangle(*corners, waterway="riverbank")
    pbf.rectangle(*corners, railway="station", name="Gare")
    pbf.rectangle(*corners, highway="residential")
    pbf.rectangle(*corners, highway="pedestrian", area="yes")
    layers = read(pbf, tmp_path).layers
    assert layers["water"]["code"].tolist() == ["osm:w2"]
    assert layers["water"].geometry[0].area > 0
    assert layers["facility"]["category"].tolist() == ["transport"]
    assert layers["road"]["code"].tolist() == ["osm:w4"]


def test_file_without_places_is_one_community_of_its_name(tmp_path):
    pbf = Pbf()
    for column in range(4):
        block(pbf, column, building__flats="100")
    extract = read(pbf, tmp_path, code="420602")
    region = extract.layers["region"]
    assert region["code"].tolist() == [
        "420600000000",
        "420602000000",
        "420602001000",
        "420602001001",
    ]
    assert set(region["name"]) == {"Town"}
    assert extract.figures.places == 0


def test_households_beyond_inner_borders_and_in_lone_houses_belong_to_a_community(tmp_path):
    """A country's villages each lie within a border of their own, and not each has a place."""
    pbf = Pbf()
    for column in (0, 1, 2, 12, 13, 30):
        block(pbf, column, building__flats="200" if column < 30 else "1")
    pbf.node(7.4, 43.7, place="village", name="First")
    tags = {"boundary": "administrative"}
    ring = [(-1, -2), (45, -2), (45, 3), (-1, 3), (-1, -2)]
    pbf.way([(7.4 + x * STEP, 43.7 + y * STEP) for x, y in ring], admin_level="2", **tags)
    inner = [(7.4 + 1.7 * STEP, y) for y in (43.69, 43.71)]
    pbf.way(inner, admin_level="8", **tags)
    extract = read(pbf, tmp_path)
    assert extract.layers["building"]["region_code"].nunique(dropna=False) == 1
    assert (extract.figures.outside, extract.figures.households) == (0, 1001)


def test_borders_in_the_file_are_taken_as_they_are(tmp_path):
    pbf = Pbf()
    for column in range(6):
        block(pbf, column, building__flats="200")
    for west, east, name in ((-1, 2.9, "West"), (2.9, 6, "East")):
        ring = pbf.rectangle(7.4 + west * STEP, 43.69, 7.4 + east * STEP, 43.71)
        tags = {"boundary": "administrative", "admin_level": "10", "name": name}
        pbf.area([("outer", ring)], **tags)
    pbf.node(7.4, 43.7, place="suburb", name="Elsewhere")
    extract = read(pbf, tmp_path)
    region = extract.layers["region"]
    assert set(region[region["level"] == "community"]["name"]) == {"West", "East"}
    held = Counter(extract.layers["building"]["region_code"])
    assert sorted(held.values()) == [3, 3]


def test_place_with_too_few_households_joins_its_neighbour(tmp_path):
    pbf = Pbf()
    for column in range(6):
        block(pbf, column, building__flats="200" if column < 3 else "20")
    pbf.way([(7.39, 43.699), (7.41, 43.699)], highway="residential")
    pbf.way([(7.4027, 43.69), (7.4027, 43.71)], highway="primary")
    pbf.node(7.4002, 43.7002, place="suburb", name="Large")
    pbf.node(7.4052, 43.7002, place="quarter", name="Small")
    extract = read(pbf, tmp_path)
    region = extract.layers["region"]
    assert region[region["level"] == "community"]["name"].tolist() == ["Large"]
    assert extract.merged == ["Small"]


@pytest.mark.parametrize("count", [999, 1000])
def test_a_street_holds_999_communities(count):
    from etl.osm.region_codes import build_regions

    squares = [shapely.box(i, 0, i + 1, 1) for i in range(count)]
    frame = gpd.GeoDataFrame({"name": "", "code": "", "geom": squares}, geometry="geom", crs=32632)
    made = build_regions(frame, "990001", Path("town.osm.pbf"))
    streets = made[made["level"] == "street"]["code"].tolist()
    assert streets == ["990001001000", "990001002000"][: 1 + count // 1000]
    assert made["code"].is_unique
    assert made["code"].str.fullmatch(r"\d{12}").all()


def test_file_with_deleted_objects_is_refused(tmp_path):
    history = tmp_path / "city.osh.pbf"
    with osmium.SimpleWriter(history) as writer:
        tags = {"place": "quarter"}
        for version, visible in ((1, True), (2, False)):
            node = osmium.osm.mutable.Node(
                id=1, location=(112.1, 32.0), tags=tags, version=version, visible=visible
            )
            writer.add_node(node)
    with pytest.raises(InputError) as refused:
        read_features(history)
    assert refused.value.key == "osm_history"
