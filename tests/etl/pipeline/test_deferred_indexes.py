"""Indexes that an empty layer is without while its first delivery comes in."""

import pytest
from sqlalchemy import text

from etl.pipeline import reading
from etl.pipeline.run import Request, import_file
from geo.settings import Settings
from tests.etl.delivery import houses, mapping, rows, write

HOW = mapping(guard={"changed_percent": 100})


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(reading, "MIN_ROWS", 0)


def indexes(engine) -> set[str]:
    return {
        one
        for (one,) in rows(engine, "SELECT indexdef FROM pg_indexes WHERE tablename = 'building'")
    }


def brought(engine, data, folder) -> tuple[str, list[set[str]]]:
    """Return how a delivery ended, and which indexes there were while it was read."""
    seen = []

    def look(step: str, done: int, total: int) -> None:
        if step == "stage":
            with engine.connect() as connection:  # nobody waits for the import
                connection.execute(text("SET statement_timeout = '60s'"))
                connection.execute(text("SELECT count(*) FROM building"))
            seen.append(indexes(engine))

    file = write(data, folder / "houses.gpkg")
    outcome = import_file(engine, Request("building", file, HOW), Settings(), look)
    return str(outcome.status), seen


def test_indexes_are_left_off_and_put_up_with_the_rows(database, tmp_path):
    before = indexes(database)
    status, seen = brought(database, houses(30), tmp_path)
    assert status == "published"
    assert {len(one) for one in seen} == {1}  # of the codes
    assert indexes(database) == before
    assert rows(database, "SELECT count(*) FROM index_left_off") == [(0,)]


def test_what_is_not_empty_keeps_them(database, tmp_path):
    brought(database, houses(30), tmp_path)
    before = indexes(database)
    status, seen = brought(database, houses(31), tmp_path)
    assert (status, set(map(frozenset, seen))) == ("published", {frozenset(before)})


def test_who_reads_on_keeps_them(database, tmp_path):
    before = indexes(database)
    with database.connect() as reader:
        reader.execute(text("SELECT count(*) FROM building"))
        status, seen = brought(database, houses(30), tmp_path)
    assert (status, set(map(frozenset, seen))) == ("published", {frozenset(before)})


def test_faulty_first_delivery_finds_them_again(database, tmp_path):
    before = indexes(database)
    data = houses(30)
    data.loc[1, "code"] = data.loc[0, "code"]
    status, seen = brought(database, data, tmp_path)
    assert status in ("published", "held")
    assert {len(one) for one in seen} == {1}
    assert indexes(database) == before
