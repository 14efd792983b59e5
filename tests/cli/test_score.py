"""``gridatlas draw`` and ``gridatlas score``: a plan keeps its card through any file and system."""

import json
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from sqlalchemy import select, text
from typer.testing import CliRunner

from cli.main import app
from etl.pipeline.publish_frames import publish
from etl.sample.city import SAMPLE_FILE, read_sample
from geo import messages
from geo.db.layer_frames import read_layer
from geo.errors import GridatlasError
from geo.model import GridPlan

COMMUNITY = "420606007004"
OTHER = "420606007001"
QUICK = ("--seconds", "5")


@pytest.fixture(scope="module")
def city(shared_database):
    publish(shared_database, read_sample(SAMPLE_FILE), "sample:S:1")
    return shared_database


def gridatlas(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, GridatlasError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def cards(file: Path) -> dict[str, dict[str, object]]:
    return {card["community"]: card["score"] for card in json.loads(file.read_text())}


@pytest.fixture(scope="module")
def drawn(city, tmp_path_factory) -> tuple[dict[str, dict[str, object]], gpd.GeoDataFrame]:
    """Return the cards of two communities as they were drawn, and their grids."""
    folder = tmp_path_factory.mktemp("drawn")
    scores = {}
    for code in (COMMUNITY, OTHER):
        gridatlas("draw", "--community", code, *QUICK, "--json", folder / "s.json", "--publish")
        scores |= cards(folder / "s.json")
    gridatlas("export", "grid", folder / "grids.gpkg")
    return scores, gpd.read_file(folder / "grids.gpkg")


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("grids.gpkg", "EPSG:4546"),
        ("grids.geojson", "EPSG:4326"),
        ("grids.shp", "EPSG:32649"),
    ],
)
def test_plan_scored_from_a_file_gets_the_card_it_was_drawn_with(drawn, tmp_path, name, crs):
    expected, grids = drawn
    selected = grids[grids["community_code"].isin(expected)]
    selected = selected[["code", "name", "kind", "geometry"]]
    selected.to_crs(crs).to_file(tmp_path / name)
    output = gridatlas("score", tmp_path / name, "--json", tmp_path / "cards.json")
    assert COMMUNITY[-6:] in output
    scored = cards(tmp_path / "cards.json")
    assert scored.keys() == expected.keys()
    for code, card in expected.items():
        for figure in ("gap_m2", "overlap_m2"):  # GeoJSON has its coordinates to a centimetre
            assert scored[code].pop(figure) < 1.0
        for figure, value in card.items():
            if figure in ("seconds", "gap_m2", "overlap_m2", "moved"):
                continue
            if figure == "reasons":
                kinds = {reason[0] for reason in value}
                reasons = [one for one in scored[code]["reasons"] if one[0] in kinds]
                assert reasons == value
                continue
            same = pytest.approx(value, rel=1e-3) if isinstance(value, float) else value
            assert scored[code][figure] == same, figure


def test_code_that_several_grids_share_is_reported(city, tmp_path):
    gridatlas("export", "region", tmp_path / "region.gpkg")
    regions = gpd.read_file(tmp_path / "region.gpkg")
    land = regions[regions["code"] == COMMUNITY].geometry.iloc[0]
    shapes = {"code": ["G-1", "G-1", "G-2"]}
    grids = gpd.GeoDataFrame(shapes, geometry=[land] * 3, crs=regions.crs)
    grids.to_file(tmp_path / "grids.geojson")

    lines = gridatlas("score", tmp_path / "grids.geojson").splitlines()

    assert [line for line in lines if line.startswith("文件中有 2 个面使用编码")] == [
        next(line for line in lines if "G-1" in line)
    ]


def test_limits_change_the_card(drawn, tmp_path):
    drawn[1].to_file(tmp_path / "g.gpkg")
    words = ("score", tmp_path / "g.gpkg", "--community", OTHER, "--json", tmp_path / "s.json")
    gridatlas(*words, "--target", "900", "--lower", "900", "--upper", "1000")
    assert cards(tmp_path / "s.json")[OTHER]["within_limits"] == 0.0


def test_hand_edited_file_is_repaired_with_little_change(drawn, tmp_path):
    grids = drawn[1][drawn[1]["community_code"] == OTHER].copy()
    hole = grids.geometry.iloc[0].centroid.buffer(0.0003)
    grids.geometry = grids.geometry.difference(hole)
    grids.to_file(tmp_path / "edited.gpkg")
    words = ("draw", "--from", tmp_path / "edited.gpkg", "--repair", *QUICK)
    gridatlas(*words, "--json", tmp_path / "s.json")
    card = cards(tmp_path / "s.json")[OTHER]
    assert card["gap_m2"] < 0.01
    assert card["contiguous"]
    assert card["within_limits"] == 1.0
    assert card["moved"] < 0.1 * card["households"]


def test_alternatives_are_shown_side_by_side_and_kept(drawn, tmp_path):
    words = (
        "draw",
        "--community",
        OTHER,
        "--from-scratch",
        "--alternatives",
        "2",
        "--seconds",
        "1",
    )
    output = gridatlas(*words, "--alternatives", "2", "--json", tmp_path / "s.json")
    plans = [one["plan"] for one in json.loads((tmp_path / "s.json").read_text())]
    assert all(f"{plan}" in output for plan in plans)


def test_ways_to_micro_stations_are_shown_and_weighed(city, tmp_path):
    add = (
        "INSERT INTO facility (code, category, name, geom) "
        "SELECT 'micro' || code, 'micro_station', '', ST_PointOnSurface(geom) FROM building "
        "WHERE region_code = :community AND households > 0 ORDER BY ST_X(ST_Centroid(geom)) LIMIT 2"
    )
    words = ("draw", "--community", OTHER, "--from-scratch", *QUICK, "--json", tmp_path / "s.json")
    with city.begin() as connection:
        connection.execute(text(add), {"community": OTHER})
    try:
        output = gridatlas(*words, "--weight", "station=50")
    finally:
        with city.begin() as connection:
            connection.execute(text("DELETE FROM facility WHERE category = 'micro_station'"))
    card = cards(tmp_path / "s.json")[OTHER]
    figures = {"metres": card["station_m"], "share": card["station_other"]}
    assert messages.text("score.stations", **figures) in output


def polygons(tmp_path: Path, *shapes: shapely.Geometry) -> Path:
    file = tmp_path / "shapes.geojson"
    gpd.GeoDataFrame(geometry=list(shapes), crs="EPSG:4326").to_file(file)
    return file


@pytest.mark.usefixtures("english")
def test_invalid_plan_file_is_refused(drawn, tmp_path):
    sea = polygons(tmp_path, shapely.box(0, 0, 1, 1))
    with pytest.raises(GridatlasError, match="touch no community") as refused:
        gridatlas("score", sea)
    assert refused.value.key == "plan_nowhere"
    line = polygons(tmp_path, shapely.LineString([(0, 0), (1, 1)]))
    with pytest.raises(GridatlasError, match="contains no polygons"):
        gridatlas("draw", "--from", line)
    drawn[1].to_file(tmp_path / "two.gpkg")
    with pytest.raises(GridatlasError, match="several communities"):
        gridatlas("draw", "--from", tmp_path / "two.gpkg")


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("--community", OTHER, "--weight", "border"), "not_as_wanted"),
        (("--community", OTHER, "--weight", "bordr=1"), "constraints_unknown_name"),
        (("--community", OTHER, "--together", "A"), "not_as_wanted"),
        (("--community", OTHER, "--together", "A,B"), "constraint_unknown_code"),
        (("--community", OTHER, "--apart", "A,B,C"), "not_as_wanted"),
        (("--community", OTHER, "--dedicated", "castle"), "constraints_wrong_value"),
        (("--community", OTHER, "--from-scratch", "--only-touched"), "fresh_excludes"),
        (("--community", OTHER, "--from-scratch", "--from", "2"), "fresh_excludes"),
        (("--community", OTHER, "--from", "999"), "no_such_plan"),
        (("--community", OTHER, "--area", "none.gpkg"), "file_missing"),
        (("--community", OTHER, "--constraints", "none.toml"), "file_missing"),
        (("--community", OTHER, "--lock", "X"), "lock_unknown_code"),
        (("--community", "420606007002", "--repair"), "constraint_without_plan"),
        (("--all", "--together", "A,B"), "constraint_of_one_community"),
        (("--all", "--alternatives", "3"), "of_one_community"),
        (("--all", "--community", OTHER), "community_or_all"),
        (("--all", "--resume"), "resume_alone"),
        (("--resume",), "nothing_to_resume"),
    ],
)
def test_invalid_request_is_refused_before_anything_is_drawn(drawn, words, key):
    with pytest.raises(GridatlasError) as refused:
        gridatlas("draw", *words)
    assert refused.value.key == key
    assert str(refused.value)


def test_constraints_file_applies_to_all_and_to_single_communities(drawn, city, tmp_path):
    with city.connect() as connection:
        land = read_layer(connection, "community", region="420606007011").geometry.iloc[0]
    park = gpd.GeoDataFrame({"name": ["park"]}, geometry=[land.centroid.buffer(4e-4)], crs=4490)
    park.to_file(tmp_path / "parks.geojson")
    (tmp_path / "w.toml").write_text(
        'areas = ["parks.geojson"]\nseconds = 5\ntarget = 380\n'
        "[community.420606007010]\ntarget = 450\nlower = 400\nupper = 600\n"
    )
    words = ("draw", "--all", "--region", "42060600701", "--constraints", tmp_path / "w.toml")
    gridatlas(*words, "--json", tmp_path / "s.json")
    plans = {
        card["community"]: card["plan"] for card in json.loads((tmp_path / "s.json").read_text())
    }
    assert len(plans) == 3
    with city.connect() as connection:
        parameters = dict(connection.execute(select(GridPlan.id, GridPlan.parameters)).all())
    assert parameters[plans["420606007010"]]["limits"] == {
        "target": 450,
        "lower": 400,
        "upper": 600,
        "balance": "households",
    }
    assert parameters[plans["420606007012"]]["limits"] == {
        "target": 380,
        "lower": 300,
        "upper": 500,
        "balance": "households",
    }
    gridatlas("export", "grid", tmp_path / "g.gpkg", "--region", "42060600701")
    grids = gpd.read_file(tmp_path / "g.gpkg")
    dedicated = grids[grids["kind"] == "dedicated"]
    assert list(dedicated["name"]) == ["park"]
    assert list(dedicated["code"]) == ["420606007011901"]
