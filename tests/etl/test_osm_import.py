"""``gridatlas import osm`` as a person uses it: what it writes, and what it leaves alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from geo.model import Base, ImportRun, Quarantine
from tests.etl.pbf import Extract as Pbf

ROOT = Path(__file__).parents[2]
MONACO = ROOT / "data/samples/monaco.osm.pbf"


def import_osm(*words: str | Path, lang: str = "en") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT), "GRIDATLAS_LANG": lang}
    command = [sys.executable, "-m", "cli.main", "import", "osm", *map(os.fspath, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def rows(engine: Engine, *names: str) -> dict[str, int]:
    with engine.connect() as connection:
        counted = (select(func.count()).select_from(Base.metadata.tables[name]) for name in names)
        return dict(zip(names, map(connection.scalar, counted), strict=True))


LAYERS = ("region", "building", "road", "railway", "water", "facility", "pipe_node")


@pytest.fixture(scope="module")
def said(shared_database: Engine) -> str:
    done = import_osm(MONACO)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_monaco_is_published_with_its_run_and_its_quarantine(shared_database, said):
    assert rows(shared_database, *LAYERS) == {
        "region": 12,
        "building": 1207,
        "road": 2351,
        "railway": 13,
        "water": 22,
        "facility": 259,
        "pipe_node": 3,
    }
    with shared_database.connect() as connection:
        assert connection.scalars(select(ImportRun.source)).all() == ["osm:monaco.osm.pbf"]
        kept = connection.execute(select(Quarantine.layer, Quarantine.reason)).all()
    assert set(kept) == {("region", "rings_not_closed")}
    assert f"In quarantine: {len(kept)} features." in said


def test_report_says_where_communities_and_households_come_from(said):
    assert "9 communities, made around 9 place nodes from " in said
    assert "of them estimated from footprint and storeys." in said
    assert "buildings lie outside every community and get no grid." in said
    assert "gridatlas draw --all --region 997617000000" in said


@pytest.mark.parametrize(
    ("lang", "word"), [("en", "cut off. Fetch it again"), ("zh", "不完整。请重新获取")]
)
def test_failed_import_writes_nothing(shared_database, said, tmp_path, lang, word):
    before = rows(shared_database, *LAYERS, "import_run", "quarantine")
    cut_off = tmp_path / "monaco.osm.pbf"
    cut_off.write_bytes(MONACO.read_bytes()[:400_000])
    done = import_osm(cut_off, lang=lang)
    assert done.returncode == 2
    assert word in done.stderr
    assert os.fspath(cut_off) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert rows(shared_database, *LAYERS, "import_run", "quarantine") == before


def test_dry_run_reports_and_writes_nothing(shared_database, said, tmp_path):
    pbf = Pbf()
    pbf.rectangle(7.4, 43.7, 7.401, 43.701, building="apartments", building__flats="400")
    pbf.way([(7.402, 43.7), (7.403, 43.7), (7.403, 43.701)], building="yes")
    before = rows(shared_database, *LAYERS, "import_run", "quarantine")
    done = import_osm(pbf.write(tmp_path / "town.osm.pbf"), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "The file has no place node" in done.stdout
    assert "1 × The outline of the building is not closed." in done.stdout
    assert "About 400 households, 0 of them estimated" in done.stdout
    assert "Nothing was written (--dry-run)." in done.stdout
    assert rows(shared_database, *LAYERS, "import_run", "quarantine") == before


def test_extract_that_lost_much_of_the_town_waits_for_a_person(shared_database, said, tmp_path):
    town = tmp_path / "town.osm.pbf"
    for count in (40, 20):
        pbf = Pbf()
        for column in range(count):
            west = 7.4 + column * 0.001
            pbf.rectangle(west, 43.7, west + 0.0005, 43.7005, building="apartments")
        done = import_osm(pbf.write(town), "--report", tmp_path)
    assert done.returncode == 3, done.stderr
    assert "! building: 20 features would be removed, 50.0 % of what is live" in done.stdout
    assert "region" in next(tmp_path.glob("run-*.html")).read_text(encoding="utf-8")
    assert len(list(tmp_path.glob("run-*.html"))) == 2
