"""The cascade of a publication: healed slivers, moved buildings, stale plans, dependents."""

import pytest
import shapely
from sqlalchemy import text

from etl.checks.topology import find_breaches
from etl.export import write_layer
from etl.runs.approve import approve
from etl.runs.report import terminal_lines, write_report
from etl.runs.rollback import roll_back
from geo.db.layer_frames import read_layer
from geo.db.overrides import clear_override, set_override
from geo.errors import InputError
from geo.model import GridPlan
from tests.etl.delivery import (
    STREET,
    box,
    bring,
    divisions,
    frame,
    houses,
    mapping,
    point,
    rows,
    write,
)

A, B, C = "420602001001", "420602001002", "420602001003"
THREE = ((A, box(0, 0, 400, 400)), (B, box(400, 0, 400, 400)), (C, box(800, 0, 400, 400)))
FREE = mapping("region", source="file:region", guard={"area_percent": 100, "changed_percent": 100})


def town(database, folder, *communities):
    """Import three communities in a row, and buildings in the first two."""
    divisions(database, folder, *(communities or THREE))
    bring(database, "building", write(houses(16), folder / "houses.gpkg"))


def redrawn(database, folder, how=FREE, **borders):
    """Import the town again with other borders of some communities."""
    whole = box(-100, -100, 1300, 1300)
    shapes = dict(THREE) | {f"42060200100{key[-1]}": shape for key, shape in borders.items()}
    codes = ["420600000000", "420602000000", STREET, *shapes]
    names = ["襄阳市", "襄城区", "昭明街道", *(f"{code[-3:]}社区" for code in shapes)]
    data = frame([whole, whole, whole, *shapes.values()], code=codes, name=names)
    return bring(database, "region", write(data, folder / "redrawn.gpkg"), how)


def land(database, code):
    [(wkb,)] = rows(database, "SELECT ST_AsBinary(geom) FROM region WHERE code = :code", code=code)
    return shapely.from_wkb(bytes(wkb))


def test_sliver_is_healed_by_snapping_to_the_neighbour(database, tmp_path):
    town(database, tmp_path)
    outcome = redrawn(database, tmp_path, c1=box(0, 0, 399.6, 400), c3=box(799.7, 0, 400.3, 400))
    assert outcome.status == "published", outcome.report["concerns"]
    healed = [(one["kind"], set(one["codes"])) for one in outcome.report["topology"]["healed"]]
    assert ("overlap", {B, C}) in healed
    assert any(kind == "gap" and codes >= {A, B} for kind, codes in healed)
    together = shapely.union_all([land(database, code) for code in (A, B, C)])
    whole = shapely.union_all([shape for _, shape in THREE])
    assert shapely.area(shapely.symmetric_difference(together, whole)) < 1e-4 * whole.area
    assert shapely.intersection(land(database, B), land(database, C)).area < 1e-14


def test_large_gap_and_overlap_are_held_with_place_and_area(database, tmp_path):
    town(database, tmp_path)
    outcome = redrawn(database, tmp_path, c1=box(0, 0, 350, 400), c3=box(780, 0, 420, 400))
    assert outcome.status == "held"
    [concern] = outcome.report["concerns"]
    assert (concern["key"], concern["values"]["count"]) == ("topology", 2)
    found = {one["kind"]: one for one in outcome.report["topology"]["breaches"]}
    assert found["gap"]["area_m2"] == pytest.approx(50 * 400, rel=0.01)
    assert found["overlap"]["area_m2"] == pytest.approx(20 * 400, rel=0.01)
    assert found["overlap"]["codes"] == [B, C]
    assert land(database, A).equals_exact(
        shapely.multipolygons([dict(THREE)[A]]), 1e-9, normalize=True
    )


def test_land_outside_the_street_is_a_breach():
    street = frame([box(0, 0, 100, 100)], code=["s"], level=["street"], parent_code=["d"])
    community = frame([box(50, 0, 100, 100)], code=["c"], level=["community"], parent_code=["s"])
    both = frame(
        [*street.geometry, *community.geometry],
        code=["s", "c"],
        level=["street", "community"],
        parent_code=["d", "s"],
    ).to_crs("EPSG:4546")
    found = {breach.kind: round(breach.shape.area, -2) for breach in find_breaches(both, {"c"})}
    assert found == {"gap": 5000.0, "outside": 5000.0}


def with_plan(database, community):
    with database.begin() as connection:
        connection.execute(
            GridPlan.__table__.insert(),
            {
                "community_code": community,
                "version": 1,
                "status": "published",
                "published_at": "2026-01-01",
            },
        )


def test_moved_border_moves_buildings_and_marks_plans(database, tmp_path):
    town(database, tmp_path)
    for community in (A, B, C):
        with_plan(database, community)
    assert rows(database, "SELECT count(*) FROM building WHERE region_code = :a", a=A) == [(8,)]
    outcome = redrawn(database, tmp_path, c1=box(0, 0, 300, 400), c2=box(300, 0, 500, 400))
    assert outcome.status == "published", outcome.report["concerns"]
    assert [(one["code"], one["old"], one["new"]) for one in outcome.report["moved"]] == [
        ("b006", A, B),
        ("b007", A, B),
    ]
    assert rows(database, "SELECT count(*) FROM building WHERE region_code = :a", a=A) == [(6,)]
    stale = dict(rows(database, "SELECT community_code, stale FROM grid_plan"))
    assert stale[C] is None
    assert stale[A]["buildings_changed"] == 2
    assert stale[A]["lost_m2"] == pytest.approx(100 * 400, rel=0.01)
    assert outcome.report["proposals"] == [A, B]
    roll_back(database, outcome.run)
    assert rows(database, "SELECT count(*) FROM building WHERE region_code = :a", a=A) == [(8,)]


def test_new_households_mark_the_plan_of_their_community(database, tmp_path):
    town(database, tmp_path)
    with_plan(database, A)
    data = houses(16)
    data.loc[2, "households"] = 60
    outcome = bring(database, "building", write(data, tmp_path / "more.gpkg"))
    [plan] = outcome.report["stale"]
    assert (plan["community"], plan["households"], plan["buildings_changed"]) == (A, 38, 1)
    renamed = data.assign(name="改名")
    how = mapping(source="file:building", guard={"changed_percent": 100})
    assert (
        bring(database, "building", write(renamed, tmp_path / "names.gpkg"), how).report["stale"]
        == []
    )


@pytest.mark.parametrize(("name", "crs"), [("a.gpkg", "EPSG:4546"), ("a.geojson", None)])
def test_layer_that_is_exported_and_delivered_again_has_not_changed(database, tmp_path, name, crs):
    town(database, tmp_path)
    with_plan(database, A)
    for layer in ("region", "building"):
        with database.connect() as connection:
            data = read_layer(connection, layer)
        file = tmp_path / f"{layer}-{name}"
        write_layer(data, layer, file, crs)
        with pytest.raises(InputError, match=f'--source "file:{layer}"'):
            bring(database, layer, file, mapping(layer, source="again"))
        outcome = bring(database, layer, file, mapping(layer, source=f"file:{layer}"))
        assert outcome.status == "unchanged", (outcome.counts, outcome.report["differences"])
    assert rows(database, "SELECT stale FROM grid_plan") == [(None,)]


def test_building_moved_by_a_centimetre_has_changed(database, tmp_path):
    town(database, tmp_path)
    data = houses(16)
    data.loc[0, "geometry"] = box(0.01, 0)
    outcome = bring(database, "building", write(data, tmp_path / "moved.gpkg"))
    assert outcome.counts["building"].changed == 1


def test_corrected_field_is_kept_and_the_difference_told(database, tmp_path):
    town(database, tmp_path)
    with database.begin() as connection:
        set_override(connection, "building", "b003", {"households": "99"}, "王工")
    data = houses(16)
    data.loc[3, "name"] = "改名"
    outcome = bring(database, "building", write(data, tmp_path / "b.gpkg"))
    assert rows(database, "SELECT name, households FROM building WHERE code = 'b003'") == [
        ("改名", 99)
    ]
    [kept] = outcome.report["corrections_kept"]
    assert (kept["code"], kept["field"], kept["delivered"], kept["value"]) == (
        "b003",
        "households",
        "23",
        "99",
    )
    with database.begin() as connection:
        assert clear_override(connection, "building", "b003", "王工") == ["households"]
    bring(database, "building", write(data, tmp_path / "b.gpkg"))
    assert rows(database, "SELECT households FROM building WHERE code = 'b003'") == [(23,)]
    actions = rows(database, "SELECT action, actor FROM audit_event ORDER BY id")
    assert actions == [("correct", "王工"), ("release", "王工")]


def test_removed_and_added_communities_are_compared_by_area(database, tmp_path):
    town(database, tmp_path)
    how = mapping("region", source="file:region")
    outcome = redrawn(database, tmp_path, how, c1=box(0, 0, 300, 400), c2=box(300, 0, 500, 400))
    assert [one["key"] for one in outcome.report["concerns"]] == [
        "too_many_changed",
        "too_much_area",
    ]
    assert approve(database, outcome.run).status == "published"
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM run_change")).scalar_one() >= 3


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


def test_units_of_a_removed_building_are_removed_and_listed(database, tmp_path):
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


def test_removed_building_that_the_register_still_names_is_reported(database, tmp_path):
    bring(database, "building", write(houses(12), tmp_path / "a.gpkg"), BUILDINGS)
    with database.begin() as connection:
        for code in ("d1", "d2"):
            connection.execute(
                text(
                    "INSERT INTO dwelling (code, building_code, source, geom) SELECT :c, code, "
                    "'office', ST_PointOnSurface(geom) FROM building WHERE code = 'b000'"
                ),
                {"c": code},
            )
    rest = write(houses(12).iloc[1:], tmp_path / "b.gpkg")
    done = bring(database, "building", rest, BUILDINGS)
    expected = {"building": "b000", "dwellings": 2, "entities": 0}
    assert done.report["register_left"] == [expected]
    assert [line for line in terminal_lines(done) if "b000" in line]
    assert rows(database, "SELECT code FROM dwelling ORDER BY 1") == [("d1",), ("d2",)]
    assert "b000" in write_report(database, done.run, tmp_path).read_text(encoding="utf-8")


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


def test_buildings_of_another_source_change_their_community_only_after_approval(database, tmp_path):
    town(database, tmp_path)
    by_community = "SELECT region_code, count(*) FROM building GROUP BY 1 ORDER BY 1"
    before = rows(database, by_community)
    assert before == [(A, 8), (B, 8)]
    outcome = redrawn(database, tmp_path, c1=box(0, 0, 40, 400), c2=box(40, 0, 760, 400))
    assert outcome.status == "held"
    [concern] = outcome.report["concerns"]
    assert concern["key"] == "foreign_building"
    assert (concern["values"]["source"], concern["values"]["count"]) == ("file:building", 7)
    assert rows(database, by_community) == before
    assert approve(database, outcome.run).status == "published"
    assert rows(database, by_community) == [(A, 1), (B, 15)]


def test_units_of_another_source_leave_with_many_buildings_only_after_approval(database, tmp_path):
    bring(database, "building", write(houses(40), tmp_path / "a.gpkg"), BUILDINGS)
    codes = {"code": [f"u{i}" for i in range(10)], "building_code": ["b000"] * 10}
    data = frame([point(5, 5)] * 10, **codes)
    bring(database, "building_unit", write(data, tmp_path / "units.gpkg"), UNITS)
    rest = write(houses(40).iloc[1:], tmp_path / "b.gpkg")
    done = bring(database, "building", rest, BUILDINGS)
    assert [one["key"] for one in done.report["concerns"]] == ["foreign_building_unit"]
    assert rows(database, "SELECT count(*) FROM building_unit") == [(10,)]
    assert approve(database, done.run).status == "published"
    assert rows(database, "SELECT count(*) FROM building_unit") == [(0,)]
