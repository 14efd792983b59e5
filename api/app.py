"""The application: one router a resource, the public page, problem documents for errors."""

from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request, Response
from sqlalchemy import Engine
from starlette.middleware.gzip import GZipMiddleware

from api import grids, health, page, problems, regions, tiles
from api.colouring import Colourings
from geo.db import engine as installed_engine

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)
"""The page talks to its own server and to nobody else; browsers hold it to that."""


def create_app(engine: Engine | None = None) -> FastAPI:
    """Return the application over a database, the installation's own by default.

    Swagger's pages are off because they fetch their scripts from elsewhere; the description
    itself is at ``/openapi.json``.
    """
    app = FastAPI(title="Gridatlas", version=_version(), docs_url=None, redoc_url=None)
    app.state.engine = engine or installed_engine()
    app.state.colourings = Colourings()
    problems.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    app.middleware("http")(_guarded)
    for router in (health.router, regions.router, grids.router, tiles.router, page.router):
        app.include_router(router)
    page.mount_assets(app)
    return app


async def _guarded(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _version() -> str:
    try:
        return version("gridatlas")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.1.0"
