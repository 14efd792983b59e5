"""What a worker does when it starts: an edit that it takes back, tiles that nobody asked for."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
from sqlalchemy import text

from api.app import create_app, warm
from api.background.warmup import rehearse, rehearse_tiles
from api.core.caller import ANYONE
from api.core.connection_pool import WARM, Pool, State
from api.tiles.area_colours import ColourCache
from api.tiles.tile_layers import prepared_tile_query
from geo import db

COUNTED = text(
    "SELECT (SELECT count(*) FROM grid_plan), (SELECT count(*) FROM grid_member), "
    "(SELECT count(*) FROM plan_edit), (SELECT count(*) FROM job), "
    "(SELECT count(*) FROM audit_event), (SELECT sum(changes) FROM layer_change)"
)

TILES_KNOWN = (
    "SELECT count(*) FROM pg_prepared_statements "
    "WHERE statement LIKE '%ST_AsMVT(%' AND statement NOT LIKE '%pg_prepared%'"
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


def tiles_rehearsed(engine, url=None):
    """Return whether tiles were made, and how many statements for tiles each connection knows."""

    async def made():
        pool, state = Pool(url or signed_in.url), State(url or signed_in.url)
        here = SimpleNamespace(engine=signed_in, colourings=ColourCache(), pool=pool, state=state)
        known = []

        async def count(connection):
            known.append(await connection.fetchval(TILES_KNOWN))

        try:
            done = await rehearse_tiles(here)
            if done:
                await pool.warm(count)
            return done, known
        finally:
            await pool.close()
            await state.close()

    signed_in = db.api_engine(db.api_url(engine.url))
    try:
        return asyncio.run(made())
    finally:
        signed_in.dispose()


def test_every_connection_that_is_kept_has_made_a_tile(town):
    assert tiles_rehearsed(town) == (True, [1] * WARM)


def test_no_tile_is_rehearsed_without_a_city_or_a_database(database):
    nowhere = database.url.set(drivername="postgresql", database="nowhere")
    assert tiles_rehearsed(database) == (False, [])
    assert tiles_rehearsed(database, nowhere) == (False, [])


def test_first_tile_of_a_connection_costs_little_more_than_the_next(town):
    """A session's first ``ST_Transform`` takes 0.15 s of a processor: no tile asks for one."""

    async def spent():
        pool = Pool(db.api_url(town.url))
        query = prepared_tile_query(15, frozenset())
        sides = dict.fromkeys(("west", "south", "east", "north"), 0.0)
        async with pool.acting(ANYONE) as connection:
            await connection.fetchrow(query.sql, *query.arguments(x=0, y=0, **sides))
            ran = Path(f"/proc/{connection.get_server_pid()}/schedstat").read_text(encoding="ascii")
        await pool.close()
        return int(ran.split()[0]) / 1e6  # the session's life, in ms of a processor

    assert asyncio.run(spent()) < 100


def test_first_request_does_not_make_the_routes(town):
    """FastAPI makes them when the first request passes: 0.5 s in which nobody is answered."""

    async def spent(app):
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://here"
        ) as client:
            began = time.process_time()
            for path in ("/nowhere", "/ogc/conformance"):
                await client.get(path)
            return time.process_time() - began

    signed_in = db.api_engine(db.api_url(town.url))
    cold, ready = create_app(signed_in), create_app(signed_in)
    warm(ready)
    assert asyncio.run(spent(ready)) < asyncio.run(spent(cold)) / 5
    signed_in.dispose()


def test_others_are_answered_while_the_api_is_described(town):
    async def turns(app):
        """Return how often somebody else could have been answered meanwhile."""
        transport, count = httpx.ASGITransport(app), 0
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            described = asyncio.create_task(client.get("/openapi.json"))
            while not described.done():
                await asyncio.sleep(0.001)
                count += 1
            assert described.result().json()["paths"]
            return count

    signed_in = db.api_engine(db.api_url(town.url))
    app = create_app(signed_in)
    warm(app)
    count = asyncio.run(turns(app))
    signed_in.dispose()
    assert count > 20  # in the loop itself it would be two or three
