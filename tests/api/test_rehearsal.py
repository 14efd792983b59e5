"""The edit that a worker makes when it starts, and takes back."""

from sqlalchemy import text

from api.rehearsal import rehearse
from geo import db

COUNTED = text(
    "SELECT (SELECT count(*) FROM grid_plan), (SELECT count(*) FROM grid_member), "
    "(SELECT count(*) FROM plan_edit), (SELECT count(*) FROM job), "
    "(SELECT count(*) FROM audit_event), (SELECT sum(changes) FROM layer_change)"
)


def counted(engine):
    with engine.connect() as connection:
        return tuple(connection.execute(COUNTED).one())


def rehearsed(engine):
    signed_in = db.api_engine(db.api_url(engine.url))
    try:
        return rehearse(signed_in)
    finally:
        signed_in.dispose()


def test_edit_that_was_rehearsed_leaves_nothing(town):
    before = counted(town)
    assert rehearsed(town)
    assert counted(town) == before


def test_nothing_is_rehearsed_where_there_is_no_plan(database):
    assert not rehearsed(database)


def test_rehearsal_waits_for_nobody(town):
    with town.begin() as connection:
        connection.execute(text("LOCK TABLE grid IN ACCESS EXCLUSIVE MODE"))
        assert not rehearsed(town)
