"""``gridatlas import osm`` as a person uses it: what it writes, and what it leaves alone."""

import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from etl.runs.approve import approve
from geo.model import Base, ImportRun, Quarantine
from tests.command import gridatlas
from tests.etl.delivery import box, bring, divisions, houses, write
from tests.etl.delivery import rows as rows_of
from tests.etl.pbf import Extract as Pbf

ROOT = Path(__file__).parents[3]
MONACO = ROOT / "data/samples/monaco.osm.pbf"


def import_osm(*words: str | Path, lang: str = "en") -> subprocess.CompletedProcess[str]:
    return gridatlas("import", "osm", *words, GRIDATLAS_LANG=lang)


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
        "building": 1205,
        "road": 2351,
        "railway": 13,
        "water": 22,
        "facility": 259,
        "pipe_node": 3,
    }
    with shared_database.connect() as connection:
        assert connection.scalars(select(ImportRun.source)).all() == ["osm:monaco.osm.pbf"]
        kept = connection.execute(select(Quarantine.layer, Quarantine.reason)).all()
    assert set(kept) == {("region", "rings_not_closed"), ("building", "below_ground")}
    assert f"In quarantine: {len(kept)} features." in said


def test_report_says_where_communities_and_households_come_from(said):
    assert "9 communities, made around 9 place nodes from " in said
    assert "of them estimated from footprint and storeys." in said
    assert "households lie outside every community and get no grid." in said
    assert "gridatlas draw --all --region 997617000000" in said


@pytest.mark.parametrize(
    ("lang", "word"), [("en", "is incomplete. Download it again"), ("zh", "不完整。请重新下载")]
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


def apartments(pbf: Pbf, count: int, west: float) -> Pbf:
    for column in range(count):
        start = west + column * 0.001
        pbf.rectangle(start, 43.7, start + 0.0005, 43.7005, building="apartments")
    return pbf


def test_two_cities_whose_names_give_the_same_codes_both_come_in(shared_database, said, tmp_path):
    """town1 and town35 have the same checksum in the digits of a city; they share a coast."""
    for number, (name, west) in enumerate((("town1", 8.0), ("town35", 9.0))):
        pbf = apartments(Pbf(first=10**12 + 1000 * number), 3, west)
        pbf.way([(west - 0.1, 43.699), (west + 0.1, 43.699)], natural="coastline")
        done = import_osm(pbf.write(tmp_path / f"{name}.osm.pbf"))
        assert done.returncode == 0, done.stdout + done.stderr
        again = import_osm(tmp_path / f"{name}.osm.pbf")
        assert again.returncode == 0, again.stderr
    with shared_database.connect() as connection:
        codes = connection.execute(
            text("SELECT source, code FROM region WHERE level = 'city' AND source LIKE 'osm:town%'")
        ).all()
        seas = connection.scalar(text("SELECT count(*) FROM water WHERE kind = 'sea'"))
    assert len({code for _, code in codes}) == len(codes) == 2
    assert seas == 3


def test_what_two_extracts_have_in_common_stays_with_the_first(shared_database, said, tmp_path):
    with shared_database.connect() as connection:
        oldest = text(
            "SELECT min(code) FROM building WHERE source = 'osm:monaco.osm.pbf' "
            "AND code LIKE 'osm:w%'"
        )
        code = connection.scalar(oldest)
    number = int(code.removeprefix("osm:w"))
    pbf = apartments(Pbf(first=number), 3, 10.0)
    done = import_osm(pbf.write(tmp_path / "neighbour.osm.pbf"))
    assert done.returncode == 0, done.stderr
    with shared_database.connect() as connection:
        owner = connection.scalar(text("SELECT source FROM building WHERE code = :c"), {"c": code})
        reason = connection.scalar(
            text("SELECT reason FROM quarantine WHERE code = :c"), {"c": code}
        )
    assert owner == "osm:monaco.osm.pbf"
    assert reason == "code_of_other_source"


def test_extract_over_a_live_city_is_held_and_takes_no_building(database, tmp_path):
    official = "420602001001"
    divisions(database, tmp_path, (official, box(0, 0, 400, 400)))
    bring(database, "building", write(houses(8), tmp_path / "houses.gpkg"))
    before = held_by(database)
    assert before == {official: 8}
    pbf = Pbf()
    for x in range(3):
        west, south, east, north = box(60 * x, 100, 30, 30).bounds
        pbf.rectangle(west, south, east, north, building="apartments", building__flats="200")
    for shape in (box(0, 0, 30, 30), box(300, 0, 30, 30)):
        pbf.rectangle(*shape.bounds, building="apartments", building__flats="200")
    done = import_osm(pbf.write(tmp_path / "over.osm.pbf"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "overlap 1 community of the source file:region" in done.stdout
    assert held_by(database) == before
    (run,) = rows_of(database, "SELECT id FROM import_run WHERE status = 'held'")
    assert approve(database, run[0]).status == "published"
    after = held_by(database)
    assert after[official] == 8
    assert sum(after.values()) == 13


def test_extract_of_another_district_comes_beside_the_others_of_its_city(database, tmp_path):
    divisions(database, tmp_path, ("420602001001", box(0, 0, 400, 400)))
    pbf = apartments(Pbf(), 3, 112.2)
    done = import_osm(pbf.write(tmp_path / "other.osm.pbf"), "--code", "420607")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gridatlas draw --all --region 420607000000" in done.stdout
    owners = dict(rows_of(database, "SELECT code, source FROM region WHERE level <> 'community'"))
    assert owners["420600000000"] == "file:region"
    assert owners["420607000000"] == "osm:other.osm.pbf"
    again = import_osm(tmp_path / "other.osm.pbf", "--code", "420607")
    assert again.returncode == 0, again.stdout + again.stderr
    assert set(owners.items()) <= set(rows_of(database, "SELECT code, source FROM region"))


def held_by(engine: Engine) -> dict[str, int]:
    """Return how many buildings each community has."""
    counted = "SELECT region_code, count(*) FROM building GROUP BY region_code"
    return dict(rows_of(engine, counted))


def test_extract_that_lost_much_of_the_town_waits_for_a_person(shared_database, said, tmp_path):
    town = tmp_path / "town.osm.pbf"
    for count in (40, 20):
        pbf = Pbf()
        for column in range(count):
            west = 7.4 + column * 0.001
            pbf.rectangle(west, 43.7, west + 0.0005, 43.7005, building="apartments")
        done = import_osm(pbf.write(town), "--report", tmp_path)
    assert done.returncode == 3, done.stderr
    assert "! building: 20 of the source's 40 buildings would be removed (50.0 %)" in done.stdout
    assert "region" in next(tmp_path.glob("run-*.html")).read_text(encoding="utf-8")
    assert len(list(tmp_path.glob("run-*.html"))) == 2


def test_a_feature_with_a_broken_name_does_not_keep_an_extract_out(database, tmp_path):
    extract = Pbf()
    extract.node(113.005, 31.006, place="neighbourhood", name="东社区")
    extract.rectangle(113.002, 31.005, 113.0022, 31.0051, building="yes", name="一号楼")
    extract.rectangle(113.003, 31.005, 113.0032, 31.0051, building="yes", name="a\x07b")
    done = import_osm(extract.write(tmp_path / "a.osm.pbf"))
    assert done.returncode == 0, done.stderr
    assert rows_of(database, "SELECT name FROM building") == [("一号楼",)]
    waiting = rows_of(database, "SELECT code, reason FROM quarantine")
    assert waiting == [("osm:w2", "value_not_text")]
