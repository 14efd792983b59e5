"""The application: state, middleware and routers of the HTTP interface."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.orm import configure_mappers
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import JSONResponse

from api.auth import account_admin, sign_in
from api.background import case_deadlines, fire_refresh
from api.background.fire_refresh import FireRefresh
from api.background.job_worker import JobWorker
from api.background.periodic import PeriodicTask
from api.background.warmup import warm_up_tiles
from api.casework import assessment, casework, field, ledger, open311, reports
from api.casework.case_feed import CaseFeed
from api.core import openapi_schema, problems, read_audit
from api.core.connection_pool import AsyncPool, LayerState
from api.fire import fire, fire_tiles, inspections
from api.imports import corrections, import_runs, quarantine, upload_files, uploads
from api.middleware import request_log
from api.middleware.compression import CompressionMiddleware
from api.middleware.concurrency import ConcurrencyLimitMiddleware
from api.middleware.cors import CorsMiddleware
from api.middleware.head import HeadMiddleware
from api.middleware.host import HostMiddleware
from api.middleware.language import LanguageMiddleware
from api.middleware.request_log import RequestLogMiddleware
from api.middleware.security_headers import SecurityHeadersMiddleware
from api.middleware.tile_not_modified import TileNotModifiedMiddleware
from api.networks import networks
from api.ogc.ogc import create_ogc
from api.plans import (
    comparison,
    drawing,
    edits,
    jobs,
    micro_grids,
    plan_barriers,
    plan_comments,
    plan_files,
    plan_grids,
    plan_summaries,
    plans,
    what_if,
)
from api.public import (
    exports,
    grid_detail,
    grid_staff,
    grids,
    health,
    layer_features,
    legal,
    pages,
    prints,
    regions,
    search,
    share,
    staff,
)
from api.register import outlook, register
from api.tiles import tile_archive, tiles
from api.tiles.area_colours import ColourCache
from geo import db
from geo.fire.context import FireContextCache
from geo.messages import LANGUAGES, catalogue
from geo.model.job import IMPORT_KINDS, PLAN_KINDS

RESOURCES = (
    *(sign_in, account_admin),
    *(health, regions, search, grid_detail, grids, grid_staff, staff, plans, plan_grids),
    *(micro_grids, plan_summaries, plan_barriers, plan_comments, what_if),
    *(drawing, comparison, edits, plan_files, jobs, import_runs, uploads, quarantine, corrections),
    *(exports, layer_features, prints, tiles, tile_archive),
    *(fire_tiles, fire, inspections, networks),
    *(casework, ledger, field, assessment, reports, open311, register, outlook),
    *(pages, legal, share),
)
"""In this order: the first route whose path matches answers."""

MIDDLEWARE = (
    Middleware(RequestLogMiddleware),
    Middleware(LanguageMiddleware),
    Middleware(SecurityHeadersMiddleware),
    Middleware(HostMiddleware),
    Middleware(CorsMiddleware),
    Middleware(HeadMiddleware),
    Middleware(TileNotModifiedMiddleware),
    Middleware(ConcurrencyLimitMiddleware),
    Middleware(CompressionMiddleware, minimum_size=1024, compresslevel=1),
)
"""All middleware, in the order in which requests pass it."""


def create_app(engine: Engine | None = None) -> FastAPI:
    """Return the application over a database, by default the installation's, signed in as the API.

    Swagger's pages are off because they load scripts from other servers. ``/openapi.json`` is made
    in a thread: that takes more than a second.
    """
    app = FastAPI(
        title="Gridatlas",
        version=_version(),
        openapi_url=None,
        lifespan=_run_background,
        middleware=MIDDLEWARE,
    )
    _create_state(app, engine or db.api_engine())
    problems.install_handlers(app)
    for resource in RESOURCES:
        app.include_router(resource.router)
    app.state.ogc = create_ogc(app.state)
    app.mount("/ogc", app.state.ogc)
    pages.mount_assets(app)
    openapi_schema.extend_openapi(app)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())

    return app


def _create_state(app: FastAPI, engine: Engine) -> None:
    """Create what all requests share: connections, caches, workers and the read audit."""
    state = app.state
    state.engine = engine
    state.pool = AsyncPool(engine.url)
    state.layer_state = LayerState(engine.url)
    state.case_feed = CaseFeed(engine.url)
    state.colourings = ColourCache()
    state.tile_cache = tiles.TileCache()
    state.fire_contexts = FireContextCache()
    state.read_audit = read_audit.ReadAudit(engine)
    state.plan_worker = JobWorker(engine, PLAN_KINDS, "api.background.worker_process")
    state.import_worker = JobWorker(engine, IMPORT_KINDS, "api.imports.import_jobs")
    refresh_fire = FireRefresh(engine, state.fire_contexts).refresh
    bake = partial(tile_archive.bake_if_stale, engine)
    state.periodic_tasks = (
        PeriodicTask("fire refresh", fire_refresh.POLL_INTERVAL_S, refresh_fire, at_once=True),
        PeriodicTask(
            "uploads",
            upload_files.POLL_INTERVAL_S,
            lambda _: upload_files.delete_expired_uploads(),
            at_once=True,
        ),
        PeriodicTask(
            "case deadlines",
            case_deadlines.POLL_INTERVAL_S,
            partial(case_deadlines.process_deadlines, engine),
            at_once=True,
        ),
        PeriodicTask("tile archive", tile_archive.POLL_INTERVAL_S, bake),
        PeriodicTask(
            "read audit",
            read_audit.POLL_INTERVAL_S,
            lambda _: state.read_audit.write(everything=False),
        ),
    )


def create_served_app(engine: Engine | None = None) -> FastAPI:
    """Return the application as ``gridatlas serve`` runs it, with its log."""
    request_log.configure_logging(access=bool(os.environ.get("GRIDATLAS_LOG")))
    app = create_app(engine)
    warm_up(app)
    return app


def warm_up(app: FastAPI) -> None:
    """Prepare what the first request would wait for: mappers, catalogues and routes.

    FastAPI builds a route when the first request passes it, in the event loop: half a second in
    all.
    """
    configure_mappers()
    for lang in LANGUAGES:
        catalogue(lang)
    for route in (*app.routes, *app.state.ogc.routes):
        route.matches({"type": "http", "method": "GET", "path": "/-", "headers": []})


@asynccontextmanager
async def _run_background(app: FastAPI) -> AsyncIterator[None]:
    """Run workers and periodic tasks as long as the application serves."""
    state = app.state
    workers = (state.plan_worker, state.import_worker, *state.periodic_tasks)
    for worker in workers:
        worker.open()
    tile_warmup = asyncio.create_task(warm_up_tiles(state))  # pages are served meanwhile
    yield
    tile_warmup.cancel()
    await asyncio.wait([tile_warmup])
    for worker in (*reversed(workers), state.read_audit):
        await run_in_threadpool(worker.close)
    await state.layer_state.close()
    await state.case_feed.close()
    await state.pool.close()


def _version() -> str:
    try:
        return version("gridatlas")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.2.0"
