"""Bad features, each set aside with the one line that says why; the others are published."""

import numpy as np
import pytest
import shapely

from etl.runs.report import reason_text, write_report
from tests.etl.delivery import (
    ANYTHING,
    WEST,
    X,
    box,
    bring,
    divisions,
    frame,
    geojson,
    houses,
    made,
    mapping,
    point,
    rows,
    write,
)

pytestmark = pytest.mark.usefixtures("english")

LOOP = shapely.Polygon(
    [
        (WEST, 32.05),
        (WEST + 0.001, 32.05),
        (WEST + 0.001, 32.051),
        (WEST + 0.0003, 32.051),
        (WEST + 0.0003, 32.0495),
        (WEST + 0.0007, 32.0495),
        (WEST + 0.0007, 32.0515),
        (WEST, 32.0515),
    ]
)


def star(corners: int) -> shapely.Polygon:
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return shapely.Polygon(
        np.column_stack([WEST + 0.001 * np.cos(turn), 32.05 + 0.001 * np.sin(turn)])
    )


DOUBTFUL = (
    "The outline is ambiguous: it crosses itself, or its rings lie within or across each other, "
    "and can be read with two different areas. Draw it again."
)

FEATURES: dict[str, tuple[dict[str, object], object, str]] = {
    "no code": ({"code": None}, box(0, 0), "code is missing."),
    "no geometry": ({"code": "x"}, None, "geom is missing."),
    "point for a polygon": (
        {"code": "x"},
        point(0, 0),
        "The geometry is a Point; the layer holds MULTIPOLYGON.",
    ),
    "line for a polygon": (
        {"code": "x"},
        shapely.LineString([point(0, 0), point(10, 0)]),
        "The geometry is a LineString; the layer holds MULTIPOLYGON.",
    ),
    "no area": (
        {"code": "x"},
        shapely.Polygon([point(0, 0), point(9, 0), point(18, 0)]),
        "The outline encloses no area.",
    ),
    "self-crossing": (
        {"code": "x"},
        LOOP,
        DOUBTFUL,
    ),
    "holes within holes": (
        {"code": "x"},
        shapely.Polygon(
            shapely.get_coordinates(box(0, 0, 40, 40)),
            [
                shapely.get_coordinates(box(5, 5, 30, 30)),
                shapely.get_coordinates(box(10, 10, 15, 15)),
            ],
        ),
        DOUBTFUL,
    ),
    "a hole outside": (
        {"code": "x"},
        shapely.Polygon(
            shapely.get_coordinates(box(0, 0)), [shapely.get_coordinates(box(60, 60, 10, 10))]
        ),
        DOUBTFUL,
    ),
    "a corner too many": (
        {"code": "x"},
        star(500_000),
        "The geometry has 500001 vertices, more than 500000.",
    ),
    "far away point": (
        {"code": "x"},
        shapely.box(500, 32, 501, 33),
        "501 32 is not a valid longitude and latitude.",
    ),
    "negative households": (
        {"code": "x", "households": -3},
        box(0, 0),
        "households = -3 is not between 0 and 20000.",
    ),
    "half a household": (
        {"code": "x", "households": 2.5},
        box(0, 0),
        "households = 2.5 is not a whole number in range.",
    ),
    "text for a number": (
        {"code": "x", "storeys": "many"},
        box(0, 0),
        "storeys_above = many is not a whole number in range.",
    ),
    "year to come": (
        {"code": "x", "year": 2190},
        box(0, 0),
        "year_built = 2190 is after {year}.",
    ),
    "unknown use": (
        {"code": "x", "use": "castle"},
        box(0, 0),
        "use = castle is not known. Known words: residential 住宅, apartment 公寓, dormitory 宿舍, "
        "mixed 商住, commercial 商业, office 办公, industrial 工业, warehouse 仓储, "
        "education 教育, medical 医疗, culture 文化, public 公共, transport 交通, utility 市政, "
        "ancillary 附属, other 其他. Translate it under values in a mapping.",
    ),
    "unknown community": (
        {"code": "x", "region_code": "420602001999"},
        box(0, 0),
        "There is no community 420602001999.",
    ),
    "garbled text": (
        {"code": "x", "name": "楼\ufffd"},
        box(0, 0),
        "name = 楼� contains invalid characters; check the encoding.",
    ),
    "endless text": (
        {"code": "x", "name": "楼" * 3000},
        box(0, 0),
        "name is longer than 2000 characters.",
    ),
    "twice the same code": (
        {"code": "b001"},
        box(0, 0),
        "The code b001 occurs more than once, with different values. Give each feature its own, or "
        "build one with key or code_prefix in a mapping.",
    ),
    "twice the same shape": ({"code": "x"}, box(0, 0), "b000 has exactly the same shape."),
}


@pytest.mark.parametrize("case", FEATURES)
def test_feature_that_cannot_be_used_is_set_aside_with_its_reason(database, tmp_path, case):
    properties, shape, english = FEATURES[case]
    divisions(database, tmp_path, ("420602001001", box(0, 0, 1200, 1200)))
    wide = dict.fromkeys(("name", "households", "storeys", "year", "use", "region_code"))
    good = [({"code": f"b{i:03d}", **wide}, box(50 * i, 0)) for i in range(9)]
    file = geojson(tmp_path / "a.geojson", *good, (wide | properties, shape))
    outcome = bring(database, "building", file, mapping(guard={"rejected_percent": 50}))
    assert outcome.status == "published"
    found = rows(database, "SELECT reason, detail FROM quarantine ORDER BY id DESC LIMIT 1")
    year = rows(database, "SELECT extract(year FROM now())::int")[0][0]
    assert reason_text(*found[0]) == english.format(year=year)
    expected = 8 if case == "twice the same code" else 9
    assert rows(database, "SELECT count(*) FROM building") == [(expected,)]


def test_infinite_and_absent_numbers_are_set_aside(database, tmp_path):
    for number, bad in enumerate((np.nan, np.inf)):
        ring = shapely.get_coordinates(box(0, 0))
        ring[2, 1] = bad
        with np.errstate(invalid="ignore"):
            broken = shapely.Polygon(ring)
        data = frame(
            [*(box(50 * i, 0) for i in range(9)), broken], code=[f"b{i}" for i in range(10)]
        )
        data.to_parquet(tmp_path / f"{number}.parquet")
        bring(
            database,
            "building",
            tmp_path / f"{number}.parquet",
            mapping(guard={"rejected_percent": 50}),
        )
    said = [reason_text(*row) for row in rows(database, "SELECT reason, detail FROM quarantine")]
    assert said == [
        f"{WEST + 20 * X:.6g} {place} is not a valid longitude and latitude."
        for place in ("nan", "inf")
    ]


def test_divisions_without_parent_or_of_another_city_are_set_aside(database, tmp_path):
    divisions(database, tmp_path, ("420602001001", box(0, 0, 500, 500)))
    data = frame(
        [box(-100, -100, 1400, 1400)] * 3
        + [box(0, 0, 500, 500), box(600, 0), box(700, 0), box(800, 0)],
        code=[
            "420600000000",
            "420602000000",
            "420602001000",
            "420602001001",
            "420602077001",
            "110101001001",
            "420602001002",
        ],
        name=list("市区街甲乙丙丁"),
        parent=[
            None,
            "420600000000",
            "420602000000",
            "420602001000",
            "420602077000",
            "110101001000",
            "420602000000",
        ],
    )
    how = mapping("region", guard={"rejected_percent": 90, "area_percent": 90})
    bring(database, "region", write(data, tmp_path / "b.gpkg"), how)
    found = rows(database, "SELECT code, reason, detail FROM quarantine ORDER BY code")
    assert [(code, reason_text(reason, detail)) for code, reason, detail in found] == [
        (
            "110101001001",
            "The code 110101001001 belongs to another city; codes of this city begin with 4206.",
        ),
        (
            "420602001002",
            "The code does not begin with the digits of the parent division 420602000000.",
        ),
        (
            "420602077001",
            "parent_code refers to 420602077000, which does not exist in layer region.",
        ),
    ] or found


def test_code_of_another_source_is_set_aside(database, tmp_path):
    bring(database, "building", write(houses(), tmp_path / "a.gpkg"), mapping(source="one"))
    how = mapping(source="other", guard={"rejected_percent": 100})
    file = write(houses(2, code=["b003", "x003"]), tmp_path / "b.gpkg")
    bring(database, "building", file, how)
    [(reason, detail)] = rows(database, "SELECT reason, detail FROM quarantine")
    assert reason_text(reason, detail) == (
        "The code belongs to the source one. To update that source, import with --source one; to "
        "add features of your own, set code_prefix in a mapping."
    )
    assert rows(database, "SELECT name FROM building WHERE code = 'b003'") == [("3号楼",)]


def test_formula_in_a_cell_stays_a_text(database, tmp_path):
    evil = '=HYPERLINK("http://127.0.0.1/","x")<script>alert(1)</script>'
    lines = "".join(
        f'b{i},"{evil.replace(chr(34), chr(34) * 2)}",{point(i * 40, 0).x},32.04\n'
        for i in range(3)
    )
    file = made(tmp_path / "a.csv", f"编号,名称,经度,纬度\n{lines}".encode("gb18030"))
    how = mapping("facility", constants={"category": "school"}, coordinates={"crs": "EPSG:4490"})
    outcome = bring(database, "facility", file, how)
    assert rows(database, "SELECT DISTINCT name FROM facility") == [(evil,)]
    page = write_report(database, outcome.run, tmp_path).read_text(encoding="utf-8")
    assert "<script>alert" not in page


def test_points_lines_and_collections_among_polygons_are_set_aside_one_by_one(database, tmp_path):
    others = {
        "p": point(0, 40),
        "l": shapely.LineString([point(0, 40), point(9, 40)]),
        "c": shapely.GeometryCollection([box(0, 40), point(30, 40)]),
    }
    good = [({"code": f"b{i}"}, box(50 * i, 0)) for i in range(9)]
    mixed = [({"code": code}, shape) for code, shape in others.items()]
    file = geojson(tmp_path / "a.geojson", *good, *mixed)
    bring(database, "building", file, mapping(guard={"rejected_percent": 50}))
    found = rows(database, "SELECT code, reason, detail FROM quarantine ORDER BY code")
    assert {code: reason_text(reason, detail) for code, reason, detail in found} == {
        "p": "The geometry is a Point; the layer holds MULTIPOLYGON.",
        "l": "The geometry is a LineString; the layer holds MULTIPOLYGON.",
        "c": "The geometry is a GeometryCollection; the layer holds MULTIPOLYGON.",
    }
    assert rows(database, "SELECT count(*) FROM building") == [(9,)]


def test_share_of_refused_features_counts_each_once(database, tmp_path):
    """All of them name a building that is not there, which only the whole delivery tells."""
    data = frame(
        [point(9000 + i, 0) for i in range(8)],
        code=[f"u{i}" for i in range(8)],
        building_code=["none"] * 8,
    )
    outcome = bring(database, "building_unit", write(data, tmp_path / "units.gpkg"))
    assert outcome.status == "held"
    [concern] = outcome.report["concerns"]
    assert (concern["key"], concern["values"]["percent"]) == ("too_many_rejected", 100.0)


@pytest.mark.parametrize("sign", ["\t", "\n", "\x1b", "\x7f", "\x85"])
def test_control_characters_in_a_name_go_to_quarantine(database, tmp_path, sign):
    data = houses(3, name=["a", f"b{sign}c", "d"], address=["1\n2", "3", "4"])
    file = write(data, tmp_path / "houses.gpkg")
    outcome = bring(database, "building", file, mapping())
    assert outcome.counts["building"].added == 2
    assert outcome.report["rejected"] == {"value_not_text": 1}


@pytest.mark.parametrize(
    ("layer", "column", "header", "words"),
    [
        (
            "pipe_node",
            "in_service",
            "完好状态",
            {"正常": True, "可用": True, "良好": True, "维修": False, "是": True, "0": False},
        ),
        ("pipe_node", "is_open", "开关", {"开": True, "常闭": False}),
        ("road", "surface", "路面", {"沥青混凝土": "asphalt", "水泥路面": "concrete"}),
        ("road", "road_class", "道路等级", {"步行街": "alley", "城市主干路": "arterial"}),
        ("building", "fire_class", "耐火等级", {"一级": 1, "Ⅱ": 2, "3": 3}),
        ("building", "high_rise", "是否高层", {"高层": True, "否": False}),
    ],
)
def test_words_of_brigades_and_bureaus_are_known_and_others_listed(
    shared_database, tmp_path, layer, column, header, words
):
    shape = {"road": lambda x: shapely.LineString([point(x, 0), point(x + 30, 0)])}.get(
        layer, point if layer == "pipe_node" else box
    )
    needed = {"pipe_node": {"管线类型": "给水", "附属物": "消火栓"}, "road": {"道路等级": "支路"}}
    values = [*words, "一般般"]
    codes = [f"{column}{i}" for i in range(len(values))]
    shapes = [shape(60 * i) if layer == "road" else shape(60 * i, 0) for i in range(len(values))]
    columns = needed.get(layer, {}) | {"编码": codes, header: values}
    constant = {name: v if isinstance(v, list) else [v] * len(codes) for name, v in columns.items()}
    how = mapping(layer, source=column, guard=ANYTHING)
    bring(shared_database, layer, write(frame(shapes, **constant), tmp_path / "a.gpkg"), how)
    live = rows(
        shared_database, f"SELECT {column} FROM {layer} WHERE source = :s ORDER BY code", s=column
    )
    assert [value for (value,) in live] == [*words.values()]
    [(reason, detail)] = rows(
        shared_database, "SELECT reason, detail FROM quarantine WHERE code = :code", code=codes[-1]
    )
    if column != "fire_class":  # a number
        said = reason_text(reason, detail)
        assert said.startswith(f"{column} = 一般般 is not known. Known words: ")
    assert detail["row"] == len(values)


def test_division_codes_of_six_and_nine_digits_get_twelve(database, tmp_path):
    data = frame(
        [box(-100, -100, 1300, 1300)] * 3 + [box(0, 0, 500, 500), box(600, 0, 90, 90)],
        code=["420600", "420602", "420602001", "420602001001", "4206020019"],
        name=list("市区街甲乙"),
    )
    how = mapping("region", guard=ANYTHING | {"area_percent": 100})
    bring(database, "region", write(data, tmp_path / "a.gpkg"), how)
    assert rows(database, "SELECT code, level, parent_code FROM region ORDER BY code") == [
        ("420600000000", "city", None),
        ("420602000000", "district", "420600000000"),
        ("420602001000", "street", "420602000000"),
        ("420602001001", "community", "420602001000"),
    ]
    [(reason, detail)] = rows(database, "SELECT reason, detail FROM quarantine")
    assert reason_text(reason, detail) == (
        "A division code has 12 digits; 4206020019 is 420602001900."
    )


def test_short_code_of_another_level_is_set_aside_with_the_whole_code(database, tmp_path):
    divisions(database, tmp_path, ("420602001001", box(0, 0, 500, 500)))
    data = frame([box(600, 0, 90, 90)], code=["420602007"], name=["甲"])
    how = mapping("community", source="b", guard=ANYTHING)
    bring(database, "community", write(data, tmp_path / "a.gpkg"), how)
    [(reason, detail)] = rows(database, "SELECT reason, detail FROM quarantine")
    assert reason_text(reason, detail) == (
        "A division code has 12 digits; 420602007 is 420602007000."
    )


def test_register_row_that_joins_nothing_is_shown_with_its_address(database, tmp_path):
    bring(database, "building", write(houses(3), tmp_path / "houses.gpkg"))
    file = made(tmp_path / "a.csv", "楼栋编码,地址,户数\n,友谊街99号,3\nx9,,2\n".encode())
    bring(database, "register", file, mapping("register", guard=ANYTHING))
    found = rows(database, "SELECT reason, detail FROM quarantine ORDER BY id")
    assert [reason_text(*one) for one in found] == [
        "Row 1: no building has the address 友谊街99号, and none has a similar one. Correct the "
        "address, or give the building's code.",
        "Row 2: no building matches x9.",
    ]
