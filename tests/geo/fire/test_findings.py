"""Findings that are kept: found anew only where the data changed, and then as if from nothing."""

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select, text

from geo.fire import findings
from geo.fire.context import FireContexts
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
def desks(town: Engine) -> FireContexts:
    held = FireContexts()
    findings.refresh(town, held, CITY)
    return held


def point(x: float, y: float) -> str:
    return "SRID=4490;POINT({} {})".format(*little_town.degrees(x, y))


def hydrant(code: str, x: float, y: float) -> dict[str, object]:
    row = {"code": code, "network": "water", "kind": "hydrant", "in_service": True}
    return row | {"geom": point(x, y)}


def kept(town: Engine) -> dict[tuple[object, ...], float | None]:
    names = ("overlay", "rule", "severity", "layer", "feature", "other", "region_code", "detail")
    columns = [getattr(FireFinding, name) for name in names]
    with town.connect() as connection:
        rows = connection.execute(select(*columns, FireFinding.measured)).all()
    return {(*map(str, row[:-1]),): row.measured for row in rows}


@pytest.mark.parametrize("edit", EDITS)
def test_findings_after_an_edit_in_plain_sql_are_those_found_from_nothing(town, desks, edit):
    with town.begin() as connection:
        own = "SELECT code FROM building WHERE code LIKE 'b001%' ORDER BY code"
        codes = connection.execute(text(own)).scalars().all()
        connection.execute(text(EDITS[edit]), {"code": codes[len(edit) * 7 % len(codes)]})
    assert "separation" in findings.refresh(town, desks, CITY)
    found = kept(town)
    with town.begin() as connection:
        connection.execute(text("TRUNCATE fire_finding, fire_overlay"))
    findings.refresh(town, FireContexts(), CITY)
    expected = kept(town)
    assert found.keys() == expected.keys()
    for key, measured in expected.items():
        assert found[key] == (None if measured is None else pytest.approx(measured)), key


def test_nothing_changed_is_nothing_done(town, desks):
    findings.refresh(town, desks, CITY)
    before = desks.grounds._held[CITY]
    assert findings.refresh(town, desks, CITY) == {}
    assert desks.grounds._held[CITY] is before


def test_change_of_hydrants_leaves_the_walls_alone(town, desks):
    findings.refresh(town, desks, CITY)
    with town.begin() as connection:
        connection.execute(text("UPDATE pipe_node SET in_service = false WHERE code = 'h1'"))
    written = findings.refresh(town, desks, CITY)
    assert set(written) == {"hydrant_coverage", "hydrant_spacing", "hydrant_standing"}
    assert np.sum([key[1] == "hydrant_out" for key in kept(town)]) == 1
