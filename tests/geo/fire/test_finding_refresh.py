"""Stored findings: recomputed only where data changed, with the result of a full check."""

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select, text

from geo.fire import finding_refresh
from geo.fire.context import FireContextCache
from geo.model import Facility, FireFinding, PipeNode
from tests import town as little_town

CITY = "4206"

EDITS = {
    "a building grows": "UPDATE building SET height_m = 80, storeys_above = 26 WHERE code = :code",
    "a building moves": "UPDATE building SET geom = ST_Translate(geom, 0.0002, 0.0001) "
    "WHERE code = :code",
    "a class is entered": "UPDATE building SET fire_class = 4 WHERE code = :code",
    "a building goes": "DELETE FROM building WHERE code = :code",
    "a building comes": "INSERT INTO building (code, geom) SELECT code || 'x', "
    "ST_Translate(geom, 0.0001, 0) FROM building WHERE code = :code",
}


@pytest.fixture(scope="module")
def town(shared_database: Engine) -> Engine:
    little_town.build(shared_database)
    with shared_database.begin() as connection:
        connection.execute(insert(PipeNode), [hydrant("h1", 30, 394), hydrant("h2", 250, 394)])
        connection.execute(
            insert(Facility), {"code": "fs", "category": "fire_station", "geom": point(400, 396)}
        )
        connection.execute(text("UPDATE building SET fire_class = 3 WHERE code LIKE '%5'"))
    return shared_database


@pytest.fixture(scope="module")
def contexts(town: Engine) -> FireContextCache:
    cache = FireContextCache()
    finding_refresh.refresh_findings(town, cache, CITY)
    return cache


def point(x: float, y: float) -> str:
    return "SRID=4490;POINT({} {})".format(*little_town.degrees(x, y))


def hydrant(code: str, x: float, y: float) -> dict[str, object]:
    row = {"code": code, "network": "water", "kind": "hydrant", "in_service": True}
    return row | {"geom": point(x, y)}


def stored_findings(town: Engine) -> dict[tuple[object, ...], float | None]:
    names = ("overlay", "rule", "severity", "layer", "feature", "other", "region_code", "detail")
    columns = [getattr(FireFinding, name) for name in names]
    with town.connect() as connection:
        rows = connection.execute(select(*columns, FireFinding.measured)).all()
    return {(*map(str, row[:-1]),): row.measured for row in rows}


@pytest.mark.parametrize("edit", EDITS)
def test_findings_after_an_edit_in_plain_sql_equal_those_of_a_full_check(town, contexts, edit):
    with town.begin() as connection:
        statement = "SELECT code FROM building WHERE code LIKE 'b001%' ORDER BY code"
        codes = connection.execute(text(statement)).scalars().all()
        connection.execute(text(EDITS[edit]), {"code": codes[len(edit) * 7 % len(codes)]})
    assert "separation" in finding_refresh.refresh_findings(town, contexts, CITY)
    incremental = stored_findings(town)
    with town.begin() as connection:
        connection.execute(text("TRUNCATE fire_finding, fire_overlay"))
    finding_refresh.refresh_findings(town, FireContextCache(), CITY)
    expected = stored_findings(town)
    assert incremental.keys() == expected.keys()
    for key, measured in expected.items():
        assert incremental[key] == (None if measured is None else pytest.approx(measured)), key


def test_unchanged_data_is_neither_read_nor_checked_again(town, contexts):
    finding_refresh.refresh_findings(town, contexts, CITY)
    with town.connect() as connection:
        before = contexts.context_of(connection, CITY)
    assert finding_refresh.refresh_findings(town, contexts, CITY) == {}
    with town.connect() as connection:
        assert contexts.context_of(connection, CITY) is before


def test_change_of_hydrants_refreshes_only_the_overlays_about_hydrants(town, contexts):
    finding_refresh.refresh_findings(town, contexts, CITY)
    with town.begin() as connection:
        connection.execute(text("UPDATE pipe_node SET in_service = false WHERE code = 'h1'"))
    written = finding_refresh.refresh_findings(town, contexts, CITY)
    hydrants = "coverage", "spacing", "standing", "supply"
    assert set(written) == {f"hydrant_{subject}" for subject in hydrants}
    assert np.sum([key[1] == "hydrant_out" for key in stored_findings(town)]) == 1
