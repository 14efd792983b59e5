"""The command line: import, draw and export Monaco; errors."""

import json
from pathlib import Path

import geopandas as gpd
import pytest
import typer
from sqlalchemy import select

from cli.draw import report_results
from etl.sample.street_plan import SAMPLES
from geo.model import Building, ImportRun
from geo.plans.batch import DrawResult
from tests.command import gridatlas
from tests.etl.delivery import houses, write

ROOT = SAMPLES.parents[1]
MONACO = SAMPLES / "monaco.osm.pbf"


@pytest.fixture(scope="module")
def place(shared_database, tmp_path_factory) -> Path:
    """Return a folder with Monaco imported into the database."""
    folder = tmp_path_factory.mktemp("monaco")
    done = gridatlas("import", "osm", MONACO, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_monaco_is_imported_drawn_and_exported(place):
    done = gridatlas(
        *("draw", "--all", "--publish", "--seconds", "900", "--json", "scores.json"), cwd=place
    )
    assert done.returncode == 0, done.stderr
    cards = json.loads((place / "scores.json").read_text())
    assert len(cards) == 9
    outside = 0
    for card in cards:
        score = card["score"]
        assert score["contiguous"], card["name"]
        assert score["gap_m2"] < 0.01
        assert score["overlap_m2"] < 0.01
        outside += round(score["grids"] * (1 - score["within_limits"]))
        assert len(score["reasons"]) == round(score["grids"] * (1 - score["within_limits"]))
        # Every exception is one that the buildings leave no way around.
        assert {reason[0] for reason in score["reasons"]} <= {
            "atom_over_limit",
            "only_way",
            "island",
        }
    assert outside <= 3  # two towers, and a house at the frontier on a piece of land of its own
    for name, crs in (("grids.gpkg", "EPSG:4546"), ("grids.geojson", "")):
        words = ["export", "grid", name, *(["--crs", crs] if crs else [])]
        assert gridatlas(*words, cwd=place).returncode == 0
    grids = gpd.read_file(place / "grids.gpkg")
    assert grids.crs == "EPSG:4546"
    assert len(grids) == sum(card["score"]["grids"] for card in cards)
    assert len(gpd.read_file(place / "grids.geojson")) == len(grids)


def test_second_import_changes_nothing(place):
    done = gridatlas("import", "osm", MONACO, cwd=place)
    assert done.returncode == 0
    counts = [line.split("│")[2:6] for line in done.stdout.splitlines() if line.startswith("│")]
    assert counts
    assert all(int(cell) == 0 for row in counts for cell in row[:3])


def test_community_is_drawn_for_planned_buildings(place):
    assert gridatlas("export", "building", "homes.geojson", cwd=place).returncode == 0
    homes = gpd.read_file(place / "homes.geojson")
    home = homes.loc[homes["households"].idxmax()]
    planned = gpd.GeoDataFrame({"户数": [250]}, geometry=[home.geometry], crs=homes.crs)
    planned.to_file(place / "planned.gpkg")
    done = gridatlas(
        *("draw", "--community", home["region_code"], "--planned", "planned.gpkg"),
        *("--growth", "2", "--seconds", "900", "--json", "forecast.json"),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    today, forecast = json.loads((place / "forecast.json").read_text())
    assert today["plan"] > 0
    assert forecast["plan"] is None
    growth = forecast["score"]["households"] - today["score"]["households"]
    assert growth == 250 + round(0.02 * today["score"]["households"])
    assert "(forecast, +1)" in forecast["name"]
    homes.head(1)[["geometry"]].to_file(place / "bare.gpkg")
    bare = gridatlas(
        "draw", "--community", home["region_code"], "--planned", "bare.gpkg", cwd=place
    )
    assert "bare.gpkg has no column of households" in bare.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["draw", "--all", "--growth", "3"], "--planned and --growth draw one community"),
        (["draw", "--community", "1", "--growth", "-101"], "a percentage from -100 to 1000"),
        (["draw"], "Choose what to draw: --community CODE, or --all."),
        (
            ["draw", "--community", "000000000000"],
            "There is no community with the code 000000000000.",
        ),
        (["draw", "--all", "--region", "11"], "No community with a border has a code beginning"),
        (["draw", "--all", "--lower", "500", "--upper", "300"], "The limits are out of order"),
        (["export", "castles", "a.gpkg"], "There is no layer castles."),
        (
            ["export", "building", "a.dwg"],
            "a.dwg: the file name extension is not a supported",
        ),
        (
            ["export", "building", "a.gpkg", "--crs", "EPSG:1"],
            "EPSG:1 is not a known coordinate system",
        ),
        (["export", "pipe_segment", "a.gpkg"], "Layer pipe_segment has nothing to export"),
        (["export", "building", "a.gpkg", "--region", "99"], "No region"),
        (["import", "osm", "none.osm.pbf"], "none.osm.pbf does not exist."),
        (["import", "osm", ".", "--code", "1"], "1 can't begin a division code."),
        (["sample", "--size", "L", "--out", "l.gpkg"], "size L is written as a folder"),
    ],
)
def test_mistake_gets_one_line_and_exit_code_two(place, words, message):
    if words[-1] == "99":
        words = ["export", "road", "a.gpkg", "--region", "88"]
    done = gridatlas(*words, cwd=place)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "a.gpkg").exists()


def test_mistake_is_reported_in_chinese(place):
    done = gridatlas("import", "osm", "none.osm.pbf", cwd=place, GRIDATLAS_LANG="zh")
    assert done.returncode == 2
    assert "none.osm.pbf 不存在。请检查文件名和目录。" in done.stderr


def test_community_that_could_not_be_drawn_sets_the_exit_code(capsys):
    failed = DrawResult("420606007001", "n", None, {}, refused="a worker died", failed=True)
    with pytest.raises(typer.Exit) as exit_info:
        report_results([failed], None)
    assert exit_info.value.exit_code == 1
    assert "a worker died" in capsys.readouterr().out


def test_rejected_run_can_not_be_approved(database, tmp_path):
    write(houses(40), tmp_path / "a.gpkg")
    write(houses(10), tmp_path / "b.gpkg")
    assert gridatlas("import", "building", "a.gpkg", cwd=tmp_path).returncode == 0
    held = gridatlas("import", "building", "b.gpkg", cwd=tmp_path)
    assert held.returncode == 3, held.stderr
    rejected = gridatlas("import-runs", "reject", "2", cwd=tmp_path)
    assert rejected.returncode == 0, rejected.stderr
    assert gridatlas("import-runs", "approve", "2", cwd=tmp_path).returncode == 2


def test_unchanged_file_is_imported_again_when_forced(database, tmp_path):
    write(houses(12), tmp_path / "a.gpkg")
    words = ("import", "building", "a.gpkg")
    assert gridatlas(*words, cwd=tmp_path).returncode == 0
    gridatlas(*words, cwd=tmp_path)
    gridatlas(*words, "--force", cwd=tmp_path)
    with database.connect() as connection:
        runs = select(ImportRun.status, ImportRun.report).order_by(ImportRun.id)
        statuses = [run.status for run in connection.execute(runs)]
    assert statuses[1] == "unchanged"
    assert len(statuses) == 3


def test_override_is_set_and_cleared(database, tmp_path):
    write(houses(12), tmp_path / "a.gpkg")
    assert gridatlas("import", "building", "a.gpkg", cwd=tmp_path).returncode == 0
    feature = ("building", "b001")
    done = gridatlas("override", "set", *feature, "households=77", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with database.connect() as connection:
        households = select(Building.households).where(Building.code == "b001")
        assert connection.execute(households).scalar_one() == 77
    assert gridatlas("override", "clear", *feature, cwd=tmp_path).returncode == 0
    assert gridatlas("override", "clear", *feature, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("name", ["far[1].csv", "x[/b].csv", "[bold]a[/bold].csv"])
def test_names_in_square_brackets_are_printed_as_they_are(database, tmp_path, name):
    missing = gridatlas("import", "facility", name, cwd=tmp_path)
    assert missing.returncode == 2
    assert f"{name} does not exist" in missing.stderr
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("编号,类别,[red],经度,纬度\nC1,诊所,1,112.14,32.04\n", encoding="utf-8")
    words = ("--crs", "EPSG:4490", "--dry-run", "--source", "[s]")
    done = gridatlas("import", "facility", name, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[red]" in done.stdout


def test_rules_of_pipes_are_listed_as_a_table_and_as_json(tmp_path):
    table = gridatlas("network", "rules", cwd=tmp_path)
    assert table.returncode == 0, table.stderr
    assert "6.3.3" in table.stdout
    listed = json.loads(gridatlas("network", "rules", "--json", cwd=tmp_path).stdout)
    assert {rule["force"] for rule in listed} == {"shall"}
    assert any("under a building" in rule["text"] for rule in listed)
