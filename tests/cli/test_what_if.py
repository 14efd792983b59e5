"""``gridatlas what-if``: changes of communities on paper, compared with what is in force."""

import json
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
import shapely
from sqlalchemy import text as sql
from typer.testing import CliRunner

from cli.main import app
from geo.errors import GridatlasError
from tests import town as t

pytestmark = pytest.mark.usefixtures("english")
QUICK = ("--seconds", "0.5")
TABLES = ("region", "building", "road", "grid_plan", "grid", "grid_member", "layer_revision")


def what_if(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["what-if", *map(str, words)])
    if isinstance(done.exception, GridatlasError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def contents(town) -> dict[str, str]:
    """Return a digest of each table that a drawing could change."""
    with town.connect() as connection:
        return {
            table: connection.execute(
                sql(f"SELECT md5(string_agg(one::text, ',' ORDER BY one::text)) FROM {table} one")
            ).scalar_one()
            for table in TABLES
        }


def test_merger_keeps_all_households_and_stores_nothing(town, tmp_path):
    before, out = contents(town), tmp_path / "figures.json"
    said = what_if("merge", t.NORTH_GATE, t.DRUM_TOWER, *QUICK, "--json", out)
    figures = json.loads(out.read_text(encoding="utf-8"))
    expected = sum(
        building["households"]
        for code in (t.NORTH_GATE, t.DRUM_TOWER)
        for building in t.buildings(code)
    )
    assert figures["total_before"]["households"] == figures["total_after"]["households"] == expected
    assert [one["code"] for one in figures["after"]] == [t.NORTH_GATE]
    assert [one["in_force"] for one in figures["before"]] == [True, True]
    assert figures["total_before"]["grids"] == 12
    assert figures["changed_community_households"] == sum(
        building["households"] for building in t.buildings(t.DRUM_TOWER)
    )
    assert str(expected) in said
    assert "北门社区 + 钟鼓楼社区" in said
    assert "Nothing was stored" in said
    assert contents(town) == before


def test_divided_community_is_written_with_its_grids_buildings_and_border(town, tmp_path):
    out, file = tmp_path / "figures.json", tmp_path / "half.gpkg"
    said = what_if("divide", t.NORTH_GATE, "--along", "200路", *QUICK, "--json", out, "--out", file)
    assert "along 200路" in said
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["total_before"]["households"] == figures["total_after"]["households"]
    assert figures["border"]["along_m"] == pytest.approx(400, abs=5)
    layers = {name: gpd.read_file(file, layer=name) for name, _ in pyogrio.list_layers(file)}
    assert set(layers) == {"grid", "community", "building", "border"}
    sums = layers["building"].groupby("community_after")["households"].sum()
    assert sums.to_dict() == {one["code"]: one["score"]["households"] for one in figures["after"]}
    assert sorted(layers["building"]["code"]) == sorted(
        building["code"] for building in t.buildings(t.NORTH_GATE)
    )
    assert set(layers["grid"]["code"]) == set(layers["building"]["grid_after"])
    changed = layers["building"]["community_before"] != layers["building"]["community_after"]
    households = layers["building"].loc[changed, "households"].sum()
    assert households == figures["changed_community_households"] == sums.min()
    single = tmp_path / "half.geojson"
    what_if("divide", t.NORTH_GATE, "--along", "r2", *QUICK, "--out", single)
    assert set(gpd.read_file(single)["community_code"]) == set(sums.index)


def test_border_is_moved_to_a_street_or_to_the_line_of_a_file(town, tmp_path):
    street, line = tmp_path / "street.json", tmp_path / "line.json"
    what_if("move", t.NORTH_GATE, t.DRUM_TOWER, "--along", "800路", *QUICK, "--json", street)
    drawn = gpd.GeoDataFrame(
        geometry=[shapely.LineString([t.degrees(800, -20), t.degrees(800, 420)])], crs="EPSG:4490"
    )
    drawn.to_file(tmp_path / "border.geojson")
    words = ("--line", tmp_path / "border.geojson", *QUICK, "--json", line)
    said = what_if("move", t.NORTH_GATE, t.DRUM_TOWER, *words)
    by_street, by_line = (json.loads(file.read_text(encoding="utf-8")) for file in (street, line))
    names = ("changed_community_households", "changed_community_buildings")
    assert [by_street[name] for name in names] == [by_line[name] for name in names]
    assert by_street["total_after"] == pytest.approx(by_line["total_after"])
    assert [one["code"] for one in by_street["after"]] == [t.NORTH_GATE, t.DRUM_TOWER]
    assert by_street["changed_community_buildings"] > 0
    assert by_street["total_before"]["households"] == by_street["total_after"]["households"]
    assert "The new border is 400 m long." in said


def test_border_that_stays_where_it_is_changes_no_community(town, tmp_path):
    out = tmp_path / "figures.json"
    words = ("--along", "鼓楼巷", *QUICK, "--from-scratch", "--json", out)
    said = what_if("move", t.NORTH_GATE, t.DRUM_TOWER, *words)
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["changed_community_households"] == figures["changed_grid_households"] == 0
    assert figures["total_before"] == pytest.approx(figures["total_after"], rel=1e-3)
    assert "from scratch" in said
    assert "no plan in force" not in said


def test_community_without_a_plan_in_force_is_drawn_for_the_comparison(town):
    said = what_if("merge", t.RIVERSIDE, t.DRUM_TOWER, *QUICK)
    assert "江滨<社区> has no plan in force; it was drawn for the comparison." in said


def test_workload_is_balanced_and_said_to_be(town):
    said = what_if("merge", t.NORTH_GATE, t.DRUM_TOWER, *QUICK, "--balance", "workload")
    assert "in units of workload" in said


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("merge", t.NORTH_GATE), "boundary_needs_two"),
        (("merge", t.NORTH_GATE, "420602001099"), "no_such_community"),
        (("divide", t.NORTH_GATE), "along_or_line"),
        (("divide", t.NORTH_GATE, "--along", "x", "--line", "y.geojson"), "along_or_line"),
        (("divide", t.NORTH_GATE, "--along", "外滩"), "street_unknown"),
        (("divide", t.NORTH_GATE, "--along", "路"), "street_names"),
        (("divide", t.NORTH_GATE, "--along", "鼓楼巷"), "street_not_crossing"),
        (("divide", t.NORTH_GATE, "--along", "200路", "--out", "a.shp"), "export_format"),
        (("divide", t.NORTH_GATE, "--along", "200路", "--page", "a.pdf"), "export_format"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(town, words, key):
    with pytest.raises(GridatlasError) as refused:
        what_if(*words)
    assert refused.value.key == key
    for lang in ("en", "zh"):
        assert "\n" not in refused.value.message(lang)


def test_file_without_a_line_is_refused(town, tmp_path):
    area = gpd.GeoDataFrame(geometry=[shapely.box(*t.degrees(0, 0), *t.degrees(9, 9))], crs=4490)
    area.to_file(tmp_path / "area.geojson")
    with pytest.raises(GridatlasError) as refused:
        what_if("divide", t.NORTH_GATE, "--line", tmp_path / "area.geojson")
    assert refused.value.key == "line_file_without_lines"
