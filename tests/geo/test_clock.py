"""The database keeps UTC whatever the machine says; people read the city's time."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import create_engine, insert, make_url, select, text
from typer.testing import CliRunner

from api.core.caller import PUBLIC_CALLER
from api.core.connection_pool import AsyncPool
from cli.main import app
from etl.runs.report import write_report
from geo import clock, db
from geo.db import local_server
from geo.errors import SetupError
from geo.fire import reviews
from geo.model import BuildingReview, ImportRun, LayerRevision
from geo.settings import settings
from maps.paper.notice import notice_boards
from tests import town as little_town
from tests.conftest import open_folder

pytestmark = pytest.mark.locale

SHANGHAI = "Asia/Shanghai"
EVENING = datetime(2026, 3, 1, 17, 30, tzinfo=UTC)
"""The next day in Shanghai."""

EAST, WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"
"""25 hours apart: their dates differ at every moment."""


@pytest.fixture
def in_zone(monkeypatch):
    """Set the city's zone."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("GRIDATLAS_TIME_ZONE", name)
        settings.cache_clear()

    yield set_zone
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def abroad(database):
    """Return the database of a server whose own zone is Shanghai's."""
    with database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(
            text(f"ALTER DATABASE \"{database.url.database}\" SET timezone = '{SHANGHAI}'")
        )
    database.dispose()
    return database


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"GRIDATLAS_LANG": "en"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def zone_of(engine) -> str:
    with engine.connect() as connection:
        zone = str(connection.execute(text("SHOW TimeZone")).scalar_one())
    engine.dispose()
    return zone


def test_every_session_is_in_utc_whatever_the_servers_zone(abroad):
    assert zone_of(db.get_engine()) == "UTC"
    assert zone_of(db.api_engine()) == "UTC"
    assert zone_of(create_engine(db.api_url())) == "UTC"

    async def ask() -> str:
        pool = AsyncPool(db.api_url())
        async with pool.transaction_as(PUBLIC_CALLER) as connection:
            zone = await connection.fetchval("SHOW TimeZone")
        await pool.close()
        return str(zone)

    assert asyncio.run(ask()) == "UTC"


def test_cluster_is_in_utc_where_the_machine_is_not(monkeypatch):
    monkeypatch.setenv("TZ", SHANGHAI)
    with open_folder() as home:
        url = make_url(local_server.ensure_running(home))
        where = {"host": str(url.query["host"]), "user": url.username, "dbname": url.database}
        try:
            with psycopg.connect(**where) as connection:
                for name in ("TimeZone", "log_timezone"):
                    assert connection.execute(f"SHOW {name}").fetchone() == ("UTC",)
        finally:
            local_server.stop(home)


def test_paper_is_printed_from_times_of_any_zone(database):
    little_town.build(database)
    local = database.url.update_query_dict({"options": f"-c TimeZone={SHANGHAI}"})
    engine = create_engine(local)
    with engine.connect() as connection:
        pdf = notice_boards(connection, little_town.NORTH_GATE, site="https://grid.example")
    engine.dispose()
    assert pdf.startswith(b"%PDF")


@pytest.mark.parametrize("zone", [EAST, WEST])
def test_today_is_the_citys(database, in_zone, zone):
    in_zone(zone)
    before = clock.today()
    with database.connect() as connection:
        in_sql = connection.execute(select(clock.today_in_sql())).scalar_one()
    assert before <= in_sql <= clock.today()


def test_zones_a_day_apart_have_different_dates(in_zone):
    in_zone(WEST)
    west = clock.today()
    in_zone(EAST)
    assert clock.today() > west


def test_review_is_due_by_the_citys_date(database, in_zone):
    little_town.build(database)
    in_zone(WEST)
    due_on = clock.today()  # yesterday in the east
    with database.begin() as connection:
        connection.execute(
            insert(BuildingReview),
            {"building_code": "b001-001", "state": "checked", "checker": "李四", "note": ""}
            | {"checked_on": due_on - timedelta(days=365), "due_on": due_on}
            | {"updated_at": datetime.now(UTC) + timedelta(days=1)},
        )
    for zone, state in ((WEST, "checked"), (EAST, "due")):
        in_zone(zone)
        with database.connect() as connection:
            assert reviews.read_review(connection, "b001-001")["state"] == state
            assert reviews.list_reviews(connection, state, "", 10, 0)[0] == 1


@pytest.mark.parametrize(
    ("zone", "shown"), [(SHANGHAI, "2026-03-02 01:30:00"), ("UTC", "2026-03-01 17:30:00")]
)
def test_runs_are_shown_in_the_citys_time(database, in_zone, tmp_path, zone, shown):
    in_zone(zone)
    with database.begin() as connection:
        values = {"layer": "building", "source": "s", "status": "published", "mode": "replace"}
        number = connection.execute(
            insert(ImportRun).returning(ImportRun.id), values | {"started_at": EVENING}
        ).scalar_one()
    assert shown in run("import-runs")
    page = write_report(database, number, tmp_path)
    assert shown in page.read_text(encoding="utf-8")
    assert "2026-03-01T17:30:00+00:00" in page.with_suffix(".json").read_text(encoding="utf-8")


def test_sheet_and_report_say_the_citys_day(database, in_zone, tmp_path):
    import pypdfium2

    little_town.build(database)
    with database.begin() as connection:
        connection.execute(
            insert(LayerRevision), {"layer": "building", "revision": 1, "published_at": EVENING}
        )
    for zone, day, minute in (
        (SHANGHAI, "2026-03-02", "2026-03-02 01:30"),
        ("UTC", "2026-03-01", "2026-03-01 17:30"),
    ):
        in_zone(zone)
        sheet = tmp_path / "sheet.pdf"
        run("fire", "sheet", "b001-030", "--out", str(sheet))
        words = pypdfium2.PdfDocument(sheet)[0].get_textpage().get_text_bounded()
        assert day in words
        run("fire", "check", "--region", little_town.NORTH_GATE, "--out", str(tmp_path))
        assert minute in (tmp_path / "fire.html").read_text(encoding="utf-8")


def test_time_without_a_zone_is_the_citys(in_zone):
    in_zone(SHANGHAI)
    assert clock.city_time_to_utc(datetime(2026, 3, 2, 1, 30)) == EVENING
    assert clock.city_time_to_utc(EVENING) == EVENING
    assert date.fromisoformat(clock.format_day(EVENING)) == date(2026, 3, 2)


def test_setting_that_can_not_be_is_one_line(in_zone):
    in_zone("Mars/Base")
    with pytest.raises(SetupError, match="GRIDATLAS_TIME_ZONE"):
        settings()
