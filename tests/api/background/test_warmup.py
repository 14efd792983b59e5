"""What a server worker prepares when it starts, and what the first requests cost."""

import asyncio
import time
from types import SimpleNamespace

import httpx

from api.app import create_app
from api.app import warm_up as warm_up_app
from api.background.warmup import warm_up_tiles
from api.core.caller import PUBLIC_CALLER
from api.core.connection_pool import WARM_CONNECTIONS, AsyncPool, LayerState
from api.tiles.area_colours import ColourCache
from api.tiles.tile_layers import prepared_tile_query
from geo import db

COUNT_TILE_STATEMENTS = (
    "SELECT count(*) FROM pg_prepared_statements "
    "WHERE statement LIKE '%ST_AsMVT(%' AND statement NOT LIKE '%pg_prepared%'"
)


def warm_up(engine, url=None):
    """Return whether a tile was made, and each connection's number of prepared tile statements."""

    async def run():
        pool, layer_state = AsyncPool(url or signed_in.url), LayerState(url or signed_in.url)
        app_state = SimpleNamespace(
            engine=signed_in, colourings=ColourCache(), pool=pool, layer_state=layer_state
        )
        counts = []

        async def count(connection):
            counts.append(await connection.fetchval(COUNT_TILE_STATEMENTS))

        try:
            is_warm = await warm_up_tiles(app_state)
            if is_warm:
                await pool.warm(count)
            return is_warm, counts
        finally:
            await pool.close()
            await layer_state.close()

    signed_in = db.api_engine(db.api_url(engine.url))
    try:
        return asyncio.run(run())
    finally:
        signed_in.dispose()


def test_every_warm_connection_has_made_a_tile(town):
    assert warm_up(town) == (True, [1] * WARM_CONNECTIONS)


def test_start_without_a_city_or_a_database_makes_no_tile(database):
    nowhere = database.url.set(drivername="postgresql", database="nowhere")
    assert warm_up(database) == (False, [])
    assert warm_up(database, nowhere) == (False, [])


def test_no_tile_asks_for_a_transformation(town):
    """A session's first ``ST_Transform`` takes 0.15 s of a processor."""

    async def plan():
        pool = AsyncPool(db.api_url(town.url))
        query = prepared_tile_query(15, frozenset())
        sides = dict.fromkeys(("west", "south", "east", "north"), 0.0)
        async with pool.transaction_as(PUBLIC_CALLER) as connection:
            explain = f"EXPLAIN (VERBOSE) {query.sql}"
            rows = await connection.fetch(explain, *query.arguments(x=0, y=0, **sides))
        await pool.close()
        return "\n".join(line for (line,) in rows).lower()

    explained = asyncio.run(plan())
    assert "st_asmvt" in explained
    assert "st_transform" not in explained


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
    warm_up_app(ready)
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
    warm_up_app(app)
    count = asyncio.run(turns(app))
    signed_in.dispose()
    assert count > 20  # in the loop itself it would be two or three
