"""Every read of a protected layer is in the audit trail, and a map is few entries."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from sqlalchemy import event, insert, text

from api.core import read_audit
from api.core.caller import Caller
from api.core.read_audit import ReadAudit
from geo import db
from geo.model import BuildingUnit, Facility, PipeNode, PipeSegment
from tests import town as t
from tests.api.conftest import bearer
from tests.api.fire.test_fire import point
from tests.api.networks.test_networks import main, nodes
from tests.api.test_permissions import PUBLIC_CALLER, may
from tests.api.tiles.test_tiles import tile_of
from tests.server import serving
from tests.waiting import TIMEOUT_S

COLUMN, ROW = tile_of(200, 380, 16)
LON, LAT = t.degrees(200, 380)
HERE = f"lon={LON}&lat={LAT}"
TILE = f"/tiles/16/{COLUMN}/{ROW}"

READS = {
    "/fire/tiles/{z}/{x}/{y}": f"/fire{TILE}",
    "/networks/tiles/{z}/{x}/{y}": f"/networks{TILE}",
    "/fire/buildings": f"/fire/buildings?{HERE}",
    "/fire/buildings/{code}": "/fire/buildings/b001-001",
    "/fire/key-units": "/fire/key-units",
    "/fire/buildings/{code}/items": "/fire/buildings/b001-001/items",
    "/fire/buildings/{code}/sheet.pdf": "/fire/buildings/b001-001/sheet.pdf",
    "/fire/incident": f"/fire/incident?{HERE}",
    "/fire/overlays": "/fire/overlays",
    "/fire/findings": "/fire/findings",
    "/fire/separation/blocks": "/fire/separation/blocks",
    "/fire/reach": "/fire/reach",
    "/fire/response": "/fire/response",
    "/fire/reviews": "/fire/reviews",
    "/fire/reviews/{code}": "/fire/reviews/b001-001",
    "/fire/inspections": "/fire/inspections",
    "/networks": "/networks",
    "/networks/burial": f"/networks/burial?{HERE}",
    "/networks/crossings": "/networks/crossings",
    "/networks/{network}/nearest": f"/networks/water/nearest?{HERE}",
    "/networks/{network}/segments/{code}/isolation": "/networks/water/segments/water0/isolation",
    "/networks/{network}/trace": "/networks/water/trace?segment=water0&direction=connected",
    "/networks/{network}/faults": "/networks/water/faults",
    "/layers/{layer}/features": "/layers/building/features",
    "/layers/{layer}/features/{code}/history": "/layers/building/features/b001-001/history",
    "/imports/quarantine": "/imports/quarantine",
    "/imports/corrections": "/imports/corrections",
    "/plans/{number}/atoms": "/plans/{plan}/atoms",
    "/plans/{number}/comparison": "/plans/{plan}/comparison",
    "/plans/{number}/comparison/layer": "/plans/{plan}/comparison/layer",
    "/plans/{plan}/sheet.pdf": "/plans/{plan}/sheet.pdf",
    "/plans/{number}/assignment.csv": "/plans/{plan}/assignment.csv",
    "/plans/{plan}/assignment.xlsx": "/plans/{plan}/assignment.xlsx",
    "/communities/{community}/cards.pdf": f"/communities/{t.NORTH_GATE}/cards.pdf",
    "/communities/{community}/notice.pdf": f"/communities/{t.NORTH_GATE}/notice.pdf",
    "/grids/{code}/manager": f"/grids/{t.NORTH_GATE}001/manager",
    "/grids/{code}/informants": f"/grids/{t.NORTH_GATE}001/informants",
    "/people/breaches": "/people/breaches",
    "/staff": "/staff",
    "/staff/workbook.xlsx": "/staff/workbook.xlsx",
    "/register/counts/{area}": "/register/counts/community",
    "/register/units": "/register/units?building=b001-001",
    "/register/buildings/{code}": "/register/buildings/b001-001",
    "/register/without-building": "/register/without-building",
    "/casework/cases": "/casework/cases",
    "/casework/summary": "/casework/summary",
    "/casework/visits": "/casework/visits",
    "/casework/duties": "/casework/duties",
    "/casework/map": "/casework/map",
    "/casework/export.csv": "/casework/export.csv",
    "/casework/export.xlsx": "/casework/export.xlsx",
}
"""An example of every route that reads a protected layer."""

NO_FEATURES = {
    "/accounts": "accounts, whose changes are in the trail",
    "/assessment/months": "which months there are",
    "/assessment/months/{month}": "counts by grid and division",
    "/assessment/months/{month}/map": "the same as a map",
    "/assessment/months/{month}/table.xlsx": "the same as a file, whose export is in the trail",
    "/assessment/months/{month}/table.pdf": "the same",
    "/assessment/trend": "the same by month",
    "/field/bundle": "audited, but for a grid manager only",
    "/field/map.pmtiles": "the public map",
    "/fire/buildings/{code}/plans": "audited; there is no plan here",
    "/fire/buildings/{code}/plans/{number}": "audited; there is no plan here",
    "/plans": "plans in short, without features",
    "/plans/{number}/barriers": "public roads, railways and waters",
    "/what-if/streets": "public roads, railways and waters",
    "/what-if/{number}": "audited, in the tests of what-ifs; there is no comparison here",
    "/what-if/{number}/export": "the same as a file",
    "/plans/{number}/comments": "words of planners at places",
    "/regions/{code}/outlook": "totals of communities",
    "/fire/rules": "the law",
    "/networks/rules": "the law",
    "/layers": "names of columns and how many there are",
    "/imports/runs": "what was imported when",
    "/imports/runs/{number}": "as the next, which the tests of the data page cause",
    "/imports/runs/{number}/report": "has features only where some were refused",
    "/imports/uploads/{upload}": "a file of the caller's own, read by nobody else",
    "/imports/uploads/{upload}/dry-run": "as the report of a run",
    "/imports/quarantine/export": "the same as a file; 404 while nothing waits",
    "/jobs": "who draws what",
    "/jobs/{number}": "the same",
    "/jobs/{number}/events": "the same",
    "/casework/kinds": "kinds of cases, which are public",
    "/casework/cases/{number}": "as the list; there is no case here",
    "/casework/cases/{number}/photos/{photo}": "as the list; there is no case here",
    "/casework/cases/{number}/contact": "audited by case, in the tests of casework",
    "/casework/events": "endless; changes that are sent count as reads of the list",
    "/plans/{number}/edits": "what was done to a draft, which is in the trail already",
}
"""Routes for some roles that read no protected layer, or can't be tried here; and why."""

OGC = [
    f"/ogc/collections/{layer}/{what}"
    for layer in ("building_detail", "building_unit", "pipe_node", "pipe_segment")
    for what in ("items", "items/{one}", f"tiles/WebMercatorQuad/16/{COLUMN}/{ROW}")
]
ONE = {
    "building_detail": "b001-001",
    "building_unit": "u1",
    "pipe_node": "water-h",
    "pipe_segment": "water0",
}


@pytest.fixture(scope="module")
def town(shared_database):
    t.build(shared_database)
    with shared_database.begin() as connection:
        connection.execute(insert(PipeNode), nodes("water"))
        connection.execute(insert(PipeSegment), main("water", 380))
        station = {"code": "fs", "category": "fire_station", "geom": point(400, 396)}
        connection.execute(insert(Facility), station)
        unit = {"code": "u1", "building_code": "b001-001", "geom": point(20, 30)}
        connection.execute(insert(BuildingUnit), unit)
        manager = "INSERT INTO grid_manager (grid_code, name) VALUES (:grid, '王秀兰')"
        connection.execute(text(manager), {"grid": f"{t.NORTH_GATE}001"})
    return shared_database


@pytest.fixture
def trail(town):
    """Return a function that takes the new entries of an account out of the audit trail."""

    def new(actor="admin"):
        with town.begin() as connection:
            taken = connection.execute(
                text(
                    "DELETE FROM audit_event WHERE actor = :actor AND action <> 'sign_in' "
                    "RETURNING object_type AS layer, detail"
                ),
                {"actor": actor},
            )
            return taken.mappings().all()

    return new


@pytest.fixture
def noted(address, monkeypatch):
    """Return the layers whose reads were counted, in order."""
    layers_read = []
    monkeypatch.setattr(
        ReadAudit, "note", lambda _, caller, layers, box=None: layers_read.extend(layers)
    )
    return layers_read


def test_every_route_for_some_roles_is_audited_or_listed_as_an_exception(client):
    paths = client.get("/openapi.json").json()["paths"]
    guarded = {
        p for p, found in paths.items() if "get" in found and may(f"GET {p}") != PUBLIC_CALLER
    }
    assert guarded == set(READS) | set(NO_FEATURES)
    assert not set(READS) & set(NO_FEATURES)


def test_every_read_of_a_protected_layer_is_audited(signed_in, noted, trail, town, public_site):
    admin = signed_in("admin")
    admin.post("/fire/findings/refresh").raise_for_status()
    with town.connect() as connection:
        own = {"code": t.NORTH_GATE}
        plan = text("SELECT id FROM grid_plan WHERE community_code = :code")
        number = connection.execute(plan, own).scalar_one()
    unaudited = []
    ogc = [address.replace("{one}", ONE[address.split("/")[3]]) for address in OGC]
    for address in (TILE, *(one.replace("{plan}", str(number)) for one in READS.values()), *ogc):
        trail()
        noted.clear()
        answer = admin.get(address)
        assert answer.status_code in (200, 204), (address, answer.text[:300])
        if not (noted or trail()):
            unaudited.append(address)
    assert unaudited == []


def test_refused_requests_are_not_audited(signed_in, client, noted):
    assert client.get(f"/networks{TILE}").status_code == 401
    assert signed_in("planner").get(f"/networks{TILE}").status_code == 403
    assert signed_in("admin").get("/networks/water/nearest?lon=0&lat=0").status_code >= 400
    assert noted == []


def entries(engine, layer):
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT actor, detail FROM audit_event WHERE object_type = :layer ORDER BY id"),
            {"layer": layer},
        )
        return found.mappings().all()


@pytest.fixture
def engine(town):
    engine = db.api_engine(db.api_url(town.url))
    yield engine
    engine.dispose()


@pytest.fixture
def counted(engine):
    """Return reads that nobody records but the test."""
    return ReadAudit(engine)


@contextmanager
def unreachable(engine):
    """Refuse every connection of an engine, as a server that is away does."""

    def connect_nowhere(dialect, record, arguments, options):
        return psycopg.connect("host=127.0.0.1 port=1")

    engine.dispose()
    event.listen(engine, "do_connect", connect_nowhere)
    try:
        yield
    finally:
        event.remove(engine, "do_connect", connect_nowhere)


FIRE = Caller("fire", name="fire1")


def test_thousand_reads_of_a_minute_are_two_entries(counted, town, monkeypatch):
    clock = Clock(monkeypatch)
    for number in range(1000):
        counted.note(FIRE, ["layer_a"], (110.0 + number, 30.0, 110.5 + number, 31.0))
        if number % 100 == 0:
            counted.write(everything=False)
    clock.now += timedelta(minutes=1)
    for _ in range(2):
        counted.write(everything=False)
    counted.write()
    found = entries(town, "layer_a")
    assert [entry["detail"]["reads"] for entry in found] == [1, 999]
    assert found[1]["detail"]["box"] == [111.0, 30.0, 1109.5, 31.0]
    assert found[1]["detail"]["minute"] == Clock.BEGAN.isoformat()
    assert {entry["actor"] for entry in found} == {"fire1"}


class Clock:
    """A clock that the test sets."""

    BEGAN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

    def __init__(self, monkeypatch):
        self.now = self.BEGAN + timedelta(seconds=7)
        clock = self

        class FixedTime(datetime):
            @classmethod
            def now(cls, tz=None):
                return clock.now

        monkeypatch.setattr(read_audit, "datetime", FixedTime)


def test_each_caller_and_layer_is_counted_apart(counted, town):
    counted.note(FIRE, ["layer_b", "layer_c"])
    counted.note(Caller("admin", name="boss"), ["layer_b"])
    counted.note(FIRE, ["layer_b"])
    counted.write()
    found = {(one["actor"], one["detail"]["reads"]) for one in entries(town, "layer_b")}
    assert found == {("fire1", 2), ("boss", 1)}
    assert len(entries(town, "layer_c")) == 1


def test_reads_while_the_database_is_away_are_written_when_it_is_back(counted, engine, town):
    with unreachable(engine):
        counted.note(FIRE, ["layer_d"])
        for _ in range(2):
            with pytest.raises(Exception, match="refused"):
                counted.write(everything=False)
        counted.note(FIRE, ["layer_d"])
    counted.write()
    assert [one["detail"]["reads"] for one in entries(town, "layer_d")] == [2]


def test_reads_that_can_be_written_nowhere_are_in_the_log(counted, engine, caplog):
    with unreachable(engine):
        counted.note(FIRE, ["layer_e"])
        counted.close()
    assert "'object_type': 'layer_e'" in caplog.text
    assert "fire1" in caplog.text


def test_server_that_stops_writes_what_it_has_counted(town, address):
    with serving(town) as other:
        fire = bearer(other, "fire")
        for _ in range(25):
            assert httpx.get(f"{other}/networks{TILE}", headers=fire, timeout=TIMEOUT_S).is_success
    of_fire = [one for one in entries(town, "pipe_segment") if one["actor"] == "fire"]
    assert sum(one["detail"]["reads"] for one in of_fire) == 25
    assert 1 <= len(of_fire) < 25
