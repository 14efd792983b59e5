"""The command line as a person uses it: on Monaco and on the sample city, and with bad files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import pytest
import typer

from cli.draw import report_results
from etl.sample.street_plan import SAMPLES
from geo.plans.batch import DrawResult

ROOT = SAMPLES.parents[1]
MONACO = SAMPLES / "monaco.osm.pbf"


def gridatlas(*words: str | Path, cwd: Path, lang: str = "en") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT), "GRIDATLAS_LANG": lang}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *map(os.fspath, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


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
        assert {reason[0] for reason in score["reasons"]} <= {"atom_over_limit", "only_way"}
    assert outside <= 2
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
    counted = [line.split("│")[2:6] for line in done.stdout.splitlines() if line.startswith("│")]
    assert counted
    assert all(int(cell) == 0 for row in counted for cell in row[:3])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["draw"], "Say which community to draw: --community CODE, or --all."),
        (
            ["draw", "--community", "000000000000"],
            "There is no community with the code 000000000000.",
        ),
        (["draw", "--all", "--region", "11"], "No community with a border has a code beginning"),
        (["draw", "--all", "--lower", "500", "--upper", "300"], "The limits are out of order"),
        (["export", "castles", "a.gpkg"], "There is no layer castles."),
        (["export", "building", "a.dwg"], "a.dwg: the ending says no format"),
        (["export", "building", "a.gpkg", "--crs", "EPSG:1"], "EPSG:1 is no coordinate system"),
        (["export", "pipe_segment", "a.gpkg"], "Layer pipe_segment holds nothing to write"),
        (["export", "building", "a.gpkg", "--region", "99"], "No region"),
        (["import", "osm", "none.osm.pbf"], "none.osm.pbf is not there."),
        (["import", "osm", ".", "--code", "1"], "1 is no start of a division code."),
        (["sample", "--size", "L", "--out", "l.gpkg"], "size L is written as a folder"),
    ],
)
def test_mistake_gets_one_line_and_exit_code_two(place, words, said):
    if words[-1] == "99":
        words = ["export", "road", "a.gpkg", "--region", "88"]
    done = gridatlas(*words, cwd=place)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "a.gpkg").exists()


def test_mistake_is_told_in_chinese(place):
    done = gridatlas("import", "osm", "none.osm.pbf", cwd=place, lang="zh")
    assert done.returncode == 2
    assert "none.osm.pbf 不存在。请检查文件名和目录。" in done.stderr


def test_community_that_could_not_be_drawn_is_told_by_the_exit_code(capsys):
    lost = DrawResult("420606007001", "n", None, {}, refused="a worker died", failed=True)
    with pytest.raises(typer.Exit) as ended:
        report_results([lost], None)
    assert ended.value.exit_code == 1
    assert "a worker died" in capsys.readouterr().out
