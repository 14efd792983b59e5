"""The guard counts what a person would count: the rejected of the delivered, the changed of the
live, each of the right layer and source."""

import pandas as pd
import pytest
import shapely

from etl.pipeline.delivery import Guard
from etl.pipeline.publish_frames import publish_frames
from etl.pipeline.staging import Rejected
from etl.runs import approve
from etl.runs.report import concern_text
from tests.etl.delivery import (
    ANYTHING,
    box,
    bring,
    divisions,
    frame,
    houses,
    made,
    mapping,
    point,
    rows,
    write,
)

pytestmark = pytest.mark.usefixtures("english")

COUNT, BAD = 20, 8

SHAPES = {
    "region": lambda i: box(60 * i, 0, 50, 50),
    "compound": lambda i: box(60 * i, 0, 50, 50),
    "building": lambda i: box(60 * i, 0),
    "building_unit": lambda i: point(60 * i + 5, 5),
    "facility": lambda i: point(60 * i, 200),
    "pipe_node": lambda i: point(60 * i, 300),
}
REQUIRED = {
    "region": {"level": "community"},
    "facility": {"category": "school"},
    "road": {"road_class": "local"},
    "water": {"kind": "river"},
    "pipe_node": {"network": "water", "kind": "valve"},
    "pipe_segment": {"network": "water"},
}
CHANGED = {
    "road": "width_m",
    "water": "width_m",
    "pipe_node": "burial_depth_m",
    "pipe_segment": "diameter_mm",
    "railway": "name",
}
LAYERS = [*SHAPES, "road", "railway", "water", "pipe_segment"]


def line(i):
    return shapely.LineString([point(60 * i, 400), point(60 * i + 40, 400)])


def delivery(layer, folder, codes, changed=0):
    column = CHANGED.get(layer, "name")
    values = [str(20 + (i < changed)) for i in range(len(codes))]
    shapes = [SHAPES.get(layer, line)(i) for i in range(len(codes))]
    columns = {column: values, **{k: [v] * len(codes) for k, v in REQUIRED.get(layer, {}).items()}}
    return write(frame(shapes, code=codes, **columns), folder / f"{layer}.gpkg")


def codes_of(layer):
    if layer == "region":
        return [f"420602001{i:03d}" for i in range(1, COUNT + 1)]
    return [f"{layer}{i:02d}" for i in range(COUNT)]


@pytest.fixture(scope="module")
def town(shared_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    data = frame(
        [box(-100, -100, 1300, 1300)] * 3,
        code=["420600000000", "420602000000", "420602001000"],
        name=list("市区街"),
    )
    how = mapping("region", source="above")
    bring(shared_database, "region", write(data, folder / "above.gpkg"), how)
    return shared_database


@pytest.mark.parametrize("layer", LAYERS)
def test_shares_of_every_layer_are_of_its_own_features(town, tmp_path, layer):
    codes = codes_of(layer)
    how = mapping(layer, source=layer)
    faulty = [None if i < BAD else code for i, code in enumerate(codes)]
    outcome = bring(town, layer, delivery(layer, tmp_path, faulty), how)
    assert outcome.status == "held"
    [concern] = outcome.report["concerns"]
    expected = {"layer": layer, "count": BAD, "total": COUNT, "percent": 40.0, "limit": 5.0}
    assert concern == {"key": "too_many_rejected", "values": expected}

    generous = mapping(layer, source=layer, guard=ANYTHING | {"area_percent": 100})
    assert bring(town, layer, delivery(layer, tmp_path, codes), generous).status == "published"
    outcome = bring(town, layer, delivery(layer, tmp_path, codes, changed=BAD), how)
    assert outcome.status == "held"
    expected |= {"limit": 30.0}
    assert outcome.report["concerns"] == [{"key": "too_many_changed", "values": expected}]

    outcome = bring(town, layer, delivery(layer, tmp_path, codes[:-BAD]), how)
    assert outcome.status == "held"
    expected |= {"limit": 5.0}
    assert {"key": "too_many_removed", "values": expected} in outcome.report["concerns"]


def register(folder, name, *counts):
    lines = "".join(f"{code},{households}\n" for code, households in counts)
    return made(folder / name, f"楼栋编码,户数\n{lines}".encode())


def test_register_is_measured_by_its_rows_and_by_all_buildings(database, tmp_path):
    bring(database, "building", write(houses(40), tmp_path / "houses.gpkg"), mapping(source="a"))
    known = [(f"b{i:03d}", 7) for i in range(40)]
    unknown = [(f"x{i}", "12户" if i % 2 else 5) for i in range(960)]
    outcome = bring(database, "register", register(tmp_path, "a.csv", *known[:4], *unknown))
    assert outcome.status == "held"
    [concern] = outcome.report["concerns"]
    assert concern_text(concern) == (
        "register: 960 of the 964 delivered rows were quarantined (99.6 %); the limit is 5.0 %."
    )

    outcome = bring(database, "register", register(tmp_path, "b.csv", *known))
    assert outcome.status == "held"
    assert [concern_text(one) for one in outcome.report["concerns"]] == [
        "building: 40 of the layer's 40 buildings would change (100.0 %); the limit is 30.0 %."
    ]
    assert concern_text(outcome.report["concerns"][0], "zh") == (
        "building：该图层 40 栋中的 40 栋将变更（100.0%），上限 30.0%。"
    )
    assert approve.approve(database, outcome.run).status == "published"

    changed = [(code, count + (i < 6)) for i, (code, count) in enumerate(known)]
    outcome = bring(database, "register", register(tmp_path, "c.csv", *changed))
    assert (outcome.status, outcome.counts["building"].changed) == ("published", 6)


def test_register_of_which_nothing_is_known_is_held(database, tmp_path):
    bring(database, "building", write(houses(3), tmp_path / "houses.gpkg"), mapping(source="a"))
    file = register(tmp_path, "a.csv", *((f"x{i}", 3) for i in range(9)))
    outcome = bring(database, "register", file)
    assert outcome.status == "held"
    [concern] = outcome.report["concerns"]
    assert concern["values"]["count"] == concern["values"]["total"] == 9


def test_extract_is_measured_by_its_own_features(database):
    """As OpenStreetMap is published: from data frames, with what was rejected beside them."""
    guard = Guard(5.0, 30.0, 5.0, 5.0, 5)
    data = frame(
        [point(i, 0) for i in range(12)],
        code=[f"a{i}" for i in range(12)],
        name="a",
        category="school",
    )
    bad = [Rejected("facility", f"x{i}", "geometry_empty", {}, None) for i in range(8)]
    layers = {"facility": data.rename_geometry("geom")}
    outcome = publish_frames(database, layers, "osm:a", rejected=bad, guard=guard)
    [concern] = outcome.report["concerns"]
    assert (concern["values"]["count"], concern["values"]["total"]) == (8, 20)
    publish_frames(database, layers, "osm:a")
    layers["facility"] = layers["facility"].assign(
        name=pd.Series(["b"] * 6 + ["a"] * 6, dtype=object)
    )
    outcome = publish_frames(database, layers, "osm:a", guard=guard)
    [concern] = outcome.report["concerns"]
    assert (concern["values"]["count"], concern["values"]["total"]) == (6, 12)


def test_area_is_measured_by_the_land_of_the_source(database, tmp_path):
    divisions(database, tmp_path, ("420602001001", box(0, 0, 1200, 1200)))
    other = frame(
        [box(5000 + 70 * i, 0, 60, 60) for i in range(20)], code=[f"c{i}" for i in range(20)]
    )
    bring(database, "compound", write(other, tmp_path / "a.gpkg"), mapping("compound", source="a"))
    own = frame([box(0, 0, 20, 20), box(100, 0, 60, 60)], code=["x", "y"])
    how = mapping("compound", source="b")
    bring(database, "compound", write(own, tmp_path / "b.gpkg"), how)
    own.geometry = [box(0, 0, 20, 20), box(100, 0, 60, 50)]
    outcome = bring(database, "compound", write(own, tmp_path / "b.gpkg"), how)
    [concern] = outcome.report["concerns"]
    assert concern["key"] == "too_much_area"
    assert concern["values"]["percent"] == pytest.approx(15.0, abs=0.5)


def test_approval_leaves_each_rejected_feature_in_quarantine_once(database, tmp_path):
    data = houses(20, code=[None if i < 8 else f"b{i}" for i in range(20)])
    outcome = bring(database, "building", write(data, tmp_path / "a.gpkg"), mapping())
    assert outcome.status == "held"
    waiting = "SELECT count(*) FROM quarantine WHERE resolved_at IS NULL"
    assert rows(database, waiting) == [(8,)]
    approved = approve.approve(database, outcome.run)
    assert (approved.status, approved.report["rejected"]) == ("published", {"value_missing": 8})
    assert rows(database, waiting) == [(8,)]


def test_few_features_do_not_all_go_because_each_new_one_is_rejected(database, tmp_path):
    bring(database, "building", write(houses(3), tmp_path / "a.gpkg"))
    codes = ["x", "y", "z"]
    refused = write(houses(3, code=codes, use=["?"] * 3), tmp_path / "b.gpkg")
    assert bring(database, "building", refused).status == "held"
    assert rows(database, "SELECT count(*) FROM building") == [(3,)]
    fewer = write(houses(1), tmp_path / "c.gpkg")
    assert bring(database, "building", fewer).status == "published"


def test_layer_of_few_features_that_are_no_longer_there_empties_unheld(database):
    guard = Guard(5.0, 30.0, 10.0, 5.0, few=5)
    stops = frame([point(0, 0)], code=["a"], category=["park"])
    publish_frames(database, {"facility": stops}, "s", guard=guard)
    outcome = publish_frames(database, {"facility": stops[:0]}, "s", guard=guard)
    assert outcome.status == "published"
    assert rows(database, "SELECT count(*) FROM facility") == [(0,)]
