"""The application: one router a resource, the public page, problem documents for errors."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.orm import configure_mappers
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import sign_in
from api.background import fire_refresh
from api.background.fire_refresh import FireRefresh
from api.background.job_worker import JobWorker
from api.background.periodic import PeriodicTasks
from api.background.warmup import rehearse, rehearse_tiles
from api.core import openapi_schema, problems, read_audit
from api.core.connection_pool import Pool, State
from api.fire import fire, fire_tiles, inspections
from api.imports import imports
from api.middleware import request_log
from api.middleware.concurrency import ConcurrencyLimitMiddleware
from api.middleware.cors import Origins
from api.networks import networks
from api.ogc.ogc import create_ogc
from api.plans import comparison, drawing, edits, jobs, plan_grids, plans
from api.public import (
    browse,
    exports,
    find,
    grid_cards,
    grids,
    health,
    pages,
    people,
    prints,
    regions,
)
from api.tiles import tile_archive, tiles
from api.tiles.colouring import Colourings
from geo import db
from geo.errors import InputError
from geo.fire.context import FireContextCache
from geo.messages import LANGUAGES, catalogue, speaking
from geo.model.job import IMPORT_KINDS, PLAN_KINDS
from geo.settings import settings

RESOURCES = (
    *(sign_in, health, regions, find, grid_cards, grids, people, plans, plan_grids),
    *(drawing, comparison, edits, jobs),
    *(imports, exports, browse, prints, tiles, tile_archive),
    *(fire_tiles, fire, inspections, networks, pages),
)
"""In this order: the first path that fits answers."""

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)
"""The page talks to its own server and to nobody else; browsers hold it to that."""

TIANDITU = "https://*.tianditu.gov.cn"

BREAKS = b"\r\n\0"
"""What no value of a header holds. None of ours does; the server would send it as it is."""

_GUARDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


def create_app(engine: Engine | None = None) -> FastAPI:
    """Return the application over a database, by default the installation's, signed in as the API.

    Swagger's pages are off because they fetch their scripts from elsewhere; the description
    itself is at ``/openapi.json``, made in a thread: it takes more than a second.
    """
    app = FastAPI(title="Gridatlas", version=_version(), openapi_url=None, lifespan=_life)
    app.state.engine = engine or db.api_engine()
    app.state.colourings = Colourings()
    app.state.fire_contexts = FireContextCache()
    app.state.workshop = JobWorker(app.state.engine, PLAN_KINDS, "api.background.worker_process")
    app.state.import_workshop = JobWorker(app.state.engine, IMPORT_KINDS, "api.imports.import_jobs")
    app.state.reads = read_audit.Reads(app.state.engine)
    app.state.rounds = tuple(_rounds(app))
    problems.install(app)
    app.state.pool = Pool(app.state.engine.url)
    app.state.state = State(app.state.engine.url)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=1)
    app.add_middleware(ConcurrencyLimitMiddleware)
    app.add_middleware(tiles.TileNotModifiedMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(Origins)
    app.add_middleware(HostMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(LanguageMiddleware)
    app.add_middleware(request_log.RequestLogMiddleware)
    for resource in RESOURCES:
        app.include_router(resource.router)
    app.state.ogc = create_ogc(app.state.pool, app.state.reads)
    app.mount("/ogc", app.state.ogc)
    pages.mount_assets(app)
    openapi_schema.describe(app)

    @app.get("/openapi.json", include_in_schema=False)
    def described() -> JSONResponse:
        return JSONResponse(app.openapi())

    return app


def create_served_app(engine: Engine | None = None) -> FastAPI:
    """Return the application as ``gridatlas serve`` runs it, with its log."""
    request_log.log_to(access=bool(os.environ.get("GRIDATLAS_LOG")))
    app = create_app(engine)
    warm(app)
    return app


def warm(app: FastAPI) -> None:
    """Make ready what the first who asks would wait for: the tables' mappers, texts and routes.

    FastAPI makes a route when the first request passes it, in the event loop: half a second in all.
    """
    configure_mappers()
    for lang in LANGUAGES:
        catalogue(lang)
    for route in (*app.routes, *app.state.ogc.routes):
        route.matches({"type": "http", "method": "GET", "path": "/-", "headers": []})


def _rounds(app: FastAPI) -> Iterator[PeriodicTasks]:
    """Yield what is done beside the requests."""
    engine, here = app.state.engine, app.state
    look = FireRefresh(engine, here.fire_contexts).look
    yield PeriodicTasks("firewatch", fire_refresh.POLL_INTERVAL_S, look, at_once=True)
    yield PeriodicTasks(
        "baker", tile_archive.POLL_INTERVAL_S, partial(tile_archive.keep_baked, engine)
    )
    yield PeriodicTasks(
        "reads", read_audit.POLL_INTERVAL_S, lambda _: here.reads.write(everything=False)
    )


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    at_work = (app.state.workshop, app.state.import_workshop, *app.state.rounds)
    for one in at_work:
        one.open()
    await run_in_threadpool(rehearse, app.state.engine)
    tiles = asyncio.create_task(rehearse_tiles(app.state))  # the page is served meanwhile
    yield
    tiles.cancel()
    await asyncio.wait([tiles])
    for one in (*reversed(at_work), app.state.reads):
        await run_in_threadpool(one.close)
    await app.state.state.close()
    await app.state.pool.close()


class HostMiddleware:
    """Refuse requests for foreign hosts, and write links to the public address, if one is set.

    Without ``GRIDATLAS_SITE`` a host is ours if it is the loopback's or the address at which the
    connection came in: links then lead where the caller reached the server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, if the host is ours."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("host")
        site = urlsplit(settings().site)
        if given is not None and _name_of(given) not in _own_names(scope, site.hostname):
            error = InputError("host_unknown", host=given[:100])
            await problems.of_gridatlas(Request(scope), error)(scope, receive, send)
            return
        if site.hostname:
            others = [line for line in scope["headers"] if line[0] != b"host"]
            # In place: the router adds the route to this scope, and the log reads it there.
            scope["headers"] = [(b"host", site.netloc.encode()), *others]
            scope["scheme"] = site.scheme
        await self.app(scope, receive, send)


def _name_of(host: str) -> str | None:
    """Return the name in a Host header, without its port; None if it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _own_names(scope: Scope, site: str | None) -> set[str | None]:
    server = scope.get("server")
    return {"localhost", "127.0.0.1", "::1", *([site] if site else ()), *(server or ())[:1]}


class HeadMiddleware:
    """Answers HEAD as GET; the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; what takes long to say is not said to nobody."""
        if (
            scope["type"] == "http"
            and scope["method"] == "HEAD"
            and problems.has_head(scope["path"])
        ):
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


class SecurityHeadersMiddleware:
    """Add the headers that restrict browsers and caches, and let no header break into two."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._headers = ((b"content-security-policy", policy().encode()), *_GUARDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers that guard."""

        depends_on_caller = not scope.get("path", "").startswith("/static/")

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                lines = [
                    (name, value.translate(None, BREAKS)) for name, value in message["headers"]
                ]
                message["headers"] = [*lines, *self._headers]
                if depends_on_caller:
                    MutableHeaders(raw=message["headers"]).add_vary_header("Authorization")
            await send(message)

        await self.app(scope, receive, told if scope["type"] == "http" else send)


class LanguageMiddleware:
    """Lets whatever answers speak the language of who asks, unless it is told another."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the caller's language."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with speaking(problems.language(Request(scope))):
            await self.app(scope, receive, send)


def policy() -> str:
    """Return what browsers hold the pages to; with a key, Tianditu may be asked for pictures."""
    if not settings().tianditu_key:
        return CONTENT_POLICY
    allowed = CONTENT_POLICY.replace("img-src 'self'", f"img-src 'self' {TIANDITU}")
    return f"{allowed}; connect-src 'self' {TIANDITU}"


def _version() -> str:
    try:
        return version("gridatlas")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.1.0"
