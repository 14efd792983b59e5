"""One file into one layer: read, mapped, mended, checked, compared, guarded, published."""

import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import shapely

from etl.runs.approve import approve, reject
from etl.runs.report import html_page, reason_text
from etl.runs.rollback import roll_back
from geo import crs
from geo.errors import ConflictError
from tests.etl.delivery import (
    STREET,
    box,
    bring,
    divisions,
    frame,
    geojson,
    houses,
    mapping,
    point,
    rows,
    write,
)

pytestmark = pytest.mark.usefixtures("english")

LIVE = "SELECT code, name, households FROM building ORDER BY code"


def counted(outcome, layer="building"):
    count = outcome.counts[layer]
    return count.added, count.changed, count.removed, count.unchanged


@pytest.mark.parametrize(
    "ending", ["gpkg", "geojson", "shp", "kml", "parquet", "gdb", "csv", "xlsx"]
)
def test_every_format_brings_the_same_buildings(database, tmp_path, ending):
    data = houses(6)
    file = tmp_path / f"a.{ending}"
    if ending == "parquet":
        data.to_parquet(file)
    elif ending in ("csv", "xlsx"):
        table = data.drop(columns="geometry").assign(wkt=shapely.to_wkt(data.geometry, 12))
        table.to_csv(file, index=False) if ending == "csv" else table.to_excel(file, index=False)
    else:
        drivers = {"gdb": "OpenFileGDB", "kml": "KML"}
        write(data, file, **({"driver": drivers[ending]} if ending in drivers else {}))
    outcome = bring(
        database,
        "building",
        file,
        mapping(coordinates={"crs": "EPSG:4490"}) if ending in ("csv", "xlsx") else None,
    )
    assert outcome.status == "published", outcome.report
    assert rows(database, LIVE) == [(f"b{i:03d}", f"{i}号楼", 20 + i % 5) for i in range(6)]
    area = rows(database, "SELECT sum(ST_Area(geom::geography)) FROM building")[0][0]
    assert area == pytest.approx(6 * 20 * 12, rel=0.01)


@pytest.mark.parametrize("encoding", ["GBK", "UTF-8", "BIG5"])
@pytest.mark.parametrize("said", ["none", "wrong"])
def test_shapefile_is_read_in_the_encoding_it_is_in(database, tmp_path, encoding, said):
    names = ["鳳凰山社區", "鐘鼓樓東大街"] if encoding == "BIG5" else ["凤凰山社区", "钟鼓楼东大街"]
    file = write(houses(2, name=names), tmp_path / "a.shp", encoding=encoding)
    label = file.with_suffix(".cpg")
    label.write_text("ISO-8859-1") if said == "wrong" else label.unlink()
    bring(database, "building", file)
    assert [name for _, name, _ in rows(database, LIVE)] == names


def test_chinese_headers_values_and_units_need_no_mapping(database, tmp_path):
    data = frame(
        [box(0, 0), box(50, 0)],
        楼栋编号=["1", "2"],
        名称=["一号楼", "二号楼"],
        结构=["钢混", "砖混"],
        建筑用途=["住宅", "商业"],
        层数=["6", "12"],
    )
    bring(database, "building", write(data, tmp_path / "a.geojson"))
    found = rows(database, "SELECT structure, use, storeys_above FROM building ORDER BY code")
    assert found == [
        ("reinforced_concrete", "residential", 6),
        ("brick_concrete", "commercial", 12),
    ]


def test_mapping_renames_translates_converts_and_places(database, tmp_path):
    data = houses(2).rename(columns={"code": "BM", "name": "MC"}).to_crs("EPSG:4546")
    data["GD"], data["JG"] = [1850.0, 2400.0], ["A", "B"]
    file = write(data, tmp_path / "a.shp")
    file.with_suffix(".prj").unlink()
    how = mapping(
        source="survey",
        code_prefix="xf-",
        columns={
            "code": "BM",
            "name": "MC",
            "height_m": {"from": "GD", "unit": "cm"},
            "structure": {"from": "JG", "values": {"A": "steel"}, "otherwise": "other"},
        },
        coordinates={"crs": "EPSG:4546"},
    )
    bring(database, "building", file, how)
    found = rows(
        database, "SELECT code, name, height_m, structure, source FROM building ORDER BY code"
    )
    assert found == [
        ("xf-b000", "0号楼", 18.5, "steel", "survey"),
        ("xf-b001", "1号楼", 24.0, "other", "survey"),
    ]
    corner = rows(database, "SELECT ST_XMin(geom) FROM building ORDER BY code LIMIT 1")[0][0]
    assert corner == pytest.approx(box(0, 0).bounds[0], abs=1e-8)


@pytest.mark.parametrize(
    ("shift", "move"), [("gcj02", crs.wgs84_to_gcj02), ("bd09", crs.wgs84_to_bd09)]
)
def test_shifted_map_is_suspected_then_brought_back(database, tmp_path, shift, move):
    bring(database, "building", write(houses(), tmp_path / "a.gpkg"))
    aside = houses()
    aside["geometry"] = crs.shift(aside.geometry.to_numpy(), move)
    file = write(aside, tmp_path / "b.gpkg")
    held = bring(database, "building", file)
    assert held.status == "held"
    found = {one["key"]: one["values"] for one in held.report["concerns"]}
    assert found["shift_suspected"]["shift"] == shift
    bring(database, "building", file, mapping(coordinates={"shift": shift}))
    aside_m = rows(
        database,
        "SELECT max(ST_Distance(ST_Centroid(b.geom)::geography, ST_Centroid(h.geom)::geography)) "
        "FROM building b LEFT JOIN building_history h USING (code)",
    )[0][0]
    assert aside_m is None or aside_m < 0.01


def test_same_file_again_is_not_even_read(database, tmp_path):
    file = write(houses(), tmp_path / "a.gpkg")
    first = bring(database, "building", file)
    before = rows(database, "SELECT xmin::text FROM building")
    again = bring(database, "building", file)
    read = bring(database, "building", file, again=True)
    assert (first.status, again.status, read.status) == ("published", "unchanged", "unchanged")
    assert again.report["same_as"] == first.run
    assert counted(again) == counted(read) == (0, 0, 0, 12)
    assert rows(database, "SELECT xmin::text FROM building") == before


def test_dry_run_tells_and_changes_nothing(database, tmp_path):
    outcome = bring(database, "building", write(houses(), tmp_path / "a.gpkg"), dry=True)
    assert counted(outcome) == (12, 0, 0, 0)
    assert rows(
        database, "SELECT (SELECT count(*) FROM building), (SELECT count(*) FROM import_run)"
    ) == [(0, 0)]
    assert rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'staging'") == []


def test_bad_feature_goes_to_quarantine_and_its_live_state_stays(database, tmp_path):
    bring(database, "building", write(houses(30), tmp_path / "a.gpkg"))
    data = houses(30)
    data.loc[3, "households"] = -1
    data.loc[4, "name"] = "改名"
    outcome = bring(database, "building", write(data, tmp_path / "b.gpkg"))
    assert counted(outcome) == (0, 1, 0, 28)
    assert rows(database, LIVE)[3] == ("b003", "3号楼", 23)
    kept = rows(
        database, "SELECT code, reason, properties->>'households', detail->>'row' FROM quarantine"
    )
    assert kept == [("b003", "value_out_of_range", "-1", "4")]


def test_run_that_removes_much_is_held_until_approved(database, tmp_path):
    bring(database, "building", write(houses(40), tmp_path / "a.gpkg"))
    held = bring(database, "building", write(houses(20), tmp_path / "b.gpkg"))
    assert held.status == "held"
    assert held.report["concerns"][0]["values"] == {
        "layer": "building",
        "count": 20,
        "total": 40,
        "percent": 50.0,
        "limit": 5.0,
    }
    assert len(rows(database, LIVE)) == 40
    done = approve(database, held.run, actor="王工")
    assert (done.status, counted(done)) == ("published", (0, 0, 20, 20))
    [(until, after)] = rows(
        database,
        "SELECT report->'timings_until_held', timings FROM import_run WHERE id = :run",
        run=held.run,
    )
    assert {"open", "stage", "check", "diff"} <= set(until)
    assert {"diff", "publish"} <= set(after)
    assert "stage" not in after
    assert len(rows(database, LIVE)) == 20
    with pytest.raises(ConflictError, match="only a held run"):
        approve(database, held.run)


def test_held_run_can_be_given_up(database, tmp_path):
    bring(database, "building", write(houses(40), tmp_path / "a.gpkg"))
    data = houses(20)
    data.loc[3, "households"] = -1
    held = bring(database, "building", write(data, tmp_path / "b.gpkg"))
    waiting = "SELECT code FROM quarantine WHERE resolved_at IS NULL"
    assert rows(database, waiting) == [("b003",)]
    reject(database, held.run)
    assert rows(database, waiting) == []
    assert rows(database, "SELECT status FROM import_run ORDER BY id") == [
        ("published",),
        ("rejected",),
    ]
    assert rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'staging'") == []


def test_limits_of_a_source_are_in_its_mapping(database, tmp_path):
    bring(database, "building", write(houses(40), tmp_path / "a.gpkg"))
    how = mapping(guard={"removed_percent": 60})
    assert (
        bring(database, "building", write(houses(20), tmp_path / "b.gpkg"), how).status
        == "published"
    )


def test_partial_delivery_removes_nothing(database, tmp_path):
    bring(database, "building", write(houses(40), tmp_path / "a.gpkg"))
    outcome = bring(
        database,
        "building",
        write(houses(3, name=["x", "y", "z"]), tmp_path / "b.gpkg"),
        mapping(partial=True),
    )
    assert counted(outcome) == (0, 3, 0, 0)
    assert len(rows(database, LIVE)) == 40


def everything(engine):
    return rows(
        engine, "SELECT code, name, households, ST_AsText(geom) FROM building ORDER BY code"
    )


def test_any_run_can_be_rolled_back_and_the_roll_back_too(database, tmp_path):
    first = bring(database, "building", write(houses(40), tmp_path / "a.gpkg"))
    one = everything(database)
    data = houses(41).drop(index=7)
    data.loc[3, "name"] = "改名"
    second = bring(database, "building", write(data, tmp_path / "b.gpkg"))
    two = everything(database)
    back = roll_back(database, second.run)
    assert everything(database) == one
    assert rows(database, "SELECT status FROM import_run WHERE id = :id", id=second.run) == [
        ("rolled_back",)
    ]
    roll_back(database, back.run)
    assert everything(database) == two
    with pytest.raises(ConflictError, match="has already been rolled back"):
        roll_back(database, second.run)
    with pytest.raises(ConflictError, match="Later runs"):
        roll_back(database, first.run)
    roll_back(database, first.run, with_later=True)
    assert everything(database) == []


def test_parts_of_a_city_are_published_together(database):
    sample = Path(__file__).parents[3] / "data/samples/sample_s.gpkg"
    outcome = bring(database, "city", sample)
    assert outcome.status == "published"
    assert outcome.counts["pipe_segment"].added == 4701
    assert bring(database, "city", sample, again=True).status == "unchanged"


def test_archive_with_chinese_names_is_read(database, tmp_path):
    shp = write(houses(3), tmp_path / "楼栋.shp", encoding="GBK")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in tmp_path.glob("楼栋.*"):
            archive.write(file, f"数据/{file.name}")
    assert shp.exists()
    assert counted(bring(database, "building", tmp_path / "a.zip")) == (3, 0, 0, 0)


def test_drawing_of_closed_lines_becomes_polygons(database, tmp_path):
    ring = shapely.LineString(shapely.get_coordinates(box(0, 0)))
    file = write(frame([ring]).to_crs("EPSG:4546"), tmp_path / "a.dxf", driver="DXF")
    how = mapping(key="EntityHandle", coordinates={"crs": "EPSG:4546"})
    outcome = bring(database, "building", file, how)
    assert outcome.report["repairs"] == {"building": {"closed_line": 1}}
    assert rows(database, "SELECT GeometryType(geom) FROM building") == [("MULTIPOLYGON",)]


def test_buildings_without_community_get_the_one_they_lie_in(database, tmp_path):
    divisions(
        database,
        tmp_path,
        ("420602001001", box(0, 0, 500, 500)),
        ("420602001002", box(500, 0, 500, 500)),
    )
    bring(database, "building", write(houses(14), tmp_path / "a.gpkg"))
    found = rows(database, "SELECT region_code, count(*) FROM building GROUP BY 1 ORDER BY 1")
    assert found == [("420602001001", 10), ("420602001002", 4)]


NEIGHBOUR = "429900000000", "429901000000", "429901001000", "429901001001"


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize(
    ("named", "published", "reason"),
    [
        (None, 3, None),
        ([NEIGHBOUR[-1], None, None], 3, None),
        ([NEIGHBOUR[-1]] * 3, 3, None),
        (["420602001001", *[NEIGHBOUR[-1]] * 2], 2, "region_unknown"),
    ],
)
def test_buildings_find_the_communities_of_their_own_file(
    database, tmp_path, is_live, named, published, reason
):
    if is_live:
        divisions(database, tmp_path, ("420602001001", box(0, 0, 400, 400)))
        bring(database, "building", write(houses(4), tmp_path / "houses.gpkg"))
    land = [box(20_000, 0, 500, 500)] * 4
    names = ["邻市", "邻区", "邻街道", "邻社区"]
    file = tmp_path / "city.gpkg"
    write(frame(land, code=list(NEIGHBOUR), name=names), file, layer="region")
    columns = {} if named is None else {"region_code": named}
    shapes = [box(20_000 + 50 * k, 10) for k in range(3)]
    new = frame(shapes, code=["n0", "n1", "n2"], households=[3, 4, 5], **columns)
    write(new, file, layer="building", append=True)
    outcome = bring(database, "city", file, mapping("city", source="neighbour"))
    assert outcome.status == "published"
    held = rows(database, "SELECT DISTINCT region_code FROM building WHERE source = 'neighbour'")
    assert held == [(NEIGHBOUR[-1],)]
    assert outcome.counts["building"].added == published
    expected = "region_elsewhere" if is_live and reason else reason
    assert outcome.report["rejected"] == ({expected: 1} if expected else {})
    assert outcome.report["moved"] == []


def test_divisions_follow_from_their_codes(database):
    file = Path(__file__).parents[3] / "data/samples/xiangyang_divisions.csv"
    outcome = bring(database, "region", file)
    assert (outcome.status, counted(outcome, "region")[0]) == ("published", 939)
    assert rows(database, "SELECT parent_code FROM region WHERE code = '420602001008'") == [
        (STREET,)
    ]


def units(**columns):
    return frame(
        [point(5, -3), point(60, 6), point(900, 900)],
        code=["u1", "u2", "u3"],
        households=[10, 12, 3],
        **columns,
    )


def test_units_find_their_building_by_place_or_are_set_aside(database, tmp_path):
    bring(database, "building", write(houses(), tmp_path / "a.gpkg"))
    outcome = bring(
        database,
        "building_unit",
        write(units(), tmp_path / "u.gpkg"),
        mapping("building_unit", guard={"rejected_percent": 50}),
    )
    assert rows(database, "SELECT code, building_code FROM building_unit ORDER BY 1") == [
        ("u1", "b000"),
        ("u2", "b001"),
    ]
    assert outcome.report["rejected"] == {"building_not_found": 1}


def test_register_counts_households_by_code_address_and_place(database, tmp_path):
    addresses = [f"胜利街{i}号" for i in range(12)]
    bring(database, "building", write(houses(address=addresses), tmp_path / "a.gpkg"))
    book = openpyxl.Workbook()
    for row in (
        ("楼栋编码", "地址", "人口", "经度", "纬度"),
        ("b001", None, 3, None, None),
        ("b001", None, 2, None, None),
        (None, "胜利街 ２号", 4, None, None),
        (None, None, 1, point(155, 5).x, point(155, 5).y),
        ("nowhere", None, 5, None, None),
    ):
        book.active.append(row)
    book.save(tmp_path / "r.xlsx")
    how = mapping("register", coordinates={"crs": "EPSG:4490"}, guard={"rejected_percent": 50})
    outcome = bring(database, "register", tmp_path / "r.xlsx", how)
    found = rows(
        database,
        "SELECT code, households, population FROM building "
        "WHERE households_source = 'register' ORDER BY 1",
    )
    assert found == [("b001", 2, 5), ("b002", 1, 4), ("b003", 1, 1)]
    assert outcome.report["joined"] == {"by_address": 1, "by_location": 1}
    again = bring(
        database,
        "building",
        write(houses(name=["x"] * 12), tmp_path / "b.gpkg"),
        mapping(guard={"changed_percent": 100}),
    )
    assert again.report["register_kept"] == 3
    assert rows(database, "SELECT households FROM building WHERE code = 'b001'") == [(2,)]


def test_register_is_joined_by_the_parts_of_its_addresses(database, tmp_path):
    addresses = [f"中原路81号{n}号楼" for n in range(6)] + [f"中原路8{n}号" for n in range(1, 7)]
    addresses[0] = "中原路8-1号"
    bring(database, "building", write(houses(address=addresses), tmp_path / "a.gpkg"))
    stairs = frame(
        [point(65, 5), point(68, 5)],
        code=["u1", "u2"],
        building_code=["b004", "b004"],
        name=["1单元", "二单元"],
        households=[1, 1],
    )
    how = mapping("building_unit", guard={"rejected_percent": 50})
    bring(database, "building_unit", write(stairs, tmp_path / "u.gpkg"), how)
    book = openpyxl.Workbook()
    for row in (
        ("地址", "户数"),
        ("湖北省襄阳市樊城区米公街道中原路81号4号楼1单元101室", 1),
        ("中原路８１号四号楼２单元２０２", 2),
        ("中原路81号4栋1-102", 1),
        ("襄阳市中原路81号3幢", 7),
        ("中原路81号", 3),
        ("中原路81号9号楼", 4),
        ("中原路81号2-302", 5),
        ("长虹路1号", 6),
    ):
        book.active.append(row)
    book.save(tmp_path / "r.xlsx")
    how = mapping("register", guard={"rejected_percent": 80})
    outcome = bring(database, "register", tmp_path / "r.xlsx", how)
    found = rows(
        database,
        "SELECT code, households FROM building WHERE households_source = 'register' ORDER BY 1",
    )
    assert found == [("b003", 7), ("b004", 4), ("b006", 3)]
    assert rows(database, "SELECT code, households FROM building_unit ORDER BY 1") == [
        ("u1", 2),
        ("u2", 2),
    ]
    assert outcome.report["joined"] == {"by_address": 5, "units": 3}
    refused = rows(
        database,
        "SELECT detail->>'row', detail->>'value', detail->>'nearest' FROM quarantine "
        "WHERE reason LIKE 'address_%' ORDER BY (detail->>'row')::int",
    )
    assert [value for _, value, _ in refused] == [
        "中原路81号9号楼",
        "中原路81号2-302",
        "长虹路1号",
    ]
    assert refused[0][2].startswith("中原路81号5号楼 (b005); ")
    assert refused[2][2] is None
    lines = {reason_text(*row) for row in rows(database, "SELECT reason, detail FROM quarantine")}
    assert "Row 8: no building has the address 长虹路1号, and none has a similar one." in "".join(
        lines
    )
    assert "Nearest: -" not in "".join(lines)


def test_pipes_are_joined_into_a_network(database, tmp_path):
    nodes = frame(
        [point(0, 0), point(100, 0), point(200, 0)],
        code=["n1", "n2", "n3"],
        network=["给水"] * 3,
        kind=["阀门", "三通", "消火栓"],
    )
    line = shapely.LineString
    pipes = frame(
        [
            line([point(0, 0), point(100, 0)]),
            line([point(200, 0), point(100, 0)]),
            line([point(200, 0), point(300, 0)]),
        ],
        code=["p1", "p2", "p3"],
        network=["给水"] * 3,
        from_node=[None, "n2", None],
        to_node=[None, "n3", None],
    )
    file = write(nodes, tmp_path / "a.gpkg", layer="pipe_node")
    write(pipes, file, layer="pipe_segment", append=True)
    outcome = bring(database, "pipe", file, mapping("pipe", source="water works"))
    assert rows(database, "SELECT DISTINCT source FROM pipe_segment") == [("water works",)]
    assert rows(database, "SELECT code, from_node, to_node FROM pipe_segment ORDER BY 1") == [
        ("p1", "n1", "n2"),
        ("p2", "n2", "n3"),
        ("p3", "n3", None),
    ]
    assert [one["code"] for one in outcome.report["network"]["loose_ends"]] == ["p3"]
    assert [one["code"] for one in outcome.report["network"]["reversed"]] == ["p2"]
    start = rows(database, "SELECT ST_X(ST_StartPoint(geom)) FROM pipe_segment WHERE code = 'p2'")[
        0
    ][0]
    assert start == pytest.approx(point(100, 0).x)
    assert rows(database, "SELECT kind FROM pipe_node ORDER BY code") == [
        ("valve",),
        ("junction",),
        ("hydrant",),
    ]


def test_many_differences_are_told_as_a_density(database, tmp_path):
    first = bring(database, "building", write(houses(300), tmp_path / "a.gpkg"))
    found = first.report["density"]["building"]
    assert len(first.report["differences"]["building"]) == 200
    assert sum(one["count"] for one in found["cells"]) == 300
    assert {one["fate"] for one in found["cells"]} == {"added"}
    later = bring(database, "building", write(houses(40), tmp_path / "b.gpkg"))
    fates = [(one["fate"], one["count"]) for one in later.report["density"]["building"]["cells"]]
    assert (later.status, {fate for fate, _ in fates}) == ("held", {"removed"})
    assert sum(count for _, count in fates) == 260
    with database.connect() as connection:
        page = html_page(connection, later.run)
    assert "200 of 260 outlined" in page
    assert page.count('class="cell removed"') == len(fates)


def test_geometry_is_mended_and_told(database, tmp_path):
    corners = shapely.get_coordinates(box(0, 0))
    spike = np.vstack(
        [
            corners[:2],
            corners[1] + [0.001, 0.0],
            corners[1:],
        ]
    )
    eight = shapely.MultiPolygon([box(100, 0, 10), box(108, 0, 10)])
    turned = shapely.Polygon(shapely.get_coordinates(box(200, 0))[::-1])
    file = geojson(
        tmp_path / "a.geojson",
        ({"code": "spike"}, shapely.Polygon(spike)),
        ({"code": "eight"}, eight),
        ({"code": "turned"}, turned),
        ({"code": "twice"}, box(300, 0)),
        ({"code": "twice"}, box(300, 0)),
    )
    outcome = bring(database, "building", file)
    assert outcome.report["repairs"]["building"].keys() >= {
        "spike",
        "made_valid",
        "ring_order",
        "duplicate",
    }
    area = dict(rows(database, "SELECT code, ST_Area(geom::geography) FROM building"))
    assert area["spike"] == pytest.approx(240, rel=0.01)
    assert area["eight"] == pytest.approx(216, rel=0.01)
    assert rows(database, "SELECT count(*) FROM building WHERE NOT ST_IsValid(geom)") == [(0,)]
