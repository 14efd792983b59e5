"""``/health``, ``/ready`` and ``/metrics``: state of the application for monitoring."""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text
from starlette.responses import Response

from api.core.parameters import Connection
from api.middleware import request_log
from geo import db
from geo.errors import SetupError

router = APIRouter(tags=["health"])

_STATE = text(
    "SELECT current_setting('server_version') AS postgresql, postgis_lib_version() AS postgis, "
    "(SELECT version_num FROM alembic_version) AS migration"
)


class DatabaseResponse(BaseModel):
    """Versions of PostgreSQL and PostGIS, and the current migration."""

    postgresql: str
    postgis: str
    migration: str


class HealthResponse(BaseModel):
    """The application's version and the state of its database."""

    status: str
    version: str
    database: DatabaseResponse


@router.get("/health")
def health(request: Request, connection: Connection) -> HealthResponse:
    """Return the versions of the application and its database; 503 if the database is down."""
    state = connection.execute(_STATE).mappings().one()
    return HealthResponse(
        status="ok", version=request.app.version, database=DatabaseResponse(**state)
    )


class ReadyResponse(BaseModel):
    """Whether this server can answer requests."""

    ready: bool


@router.get("/ready")
def ready(connection: Connection) -> ReadyResponse:
    """Return whether a load balancer may send requests: the database is up and migrated.

    Raises
    ------
    SetupError
        If the tables are older than the code.
    """
    if not db.is_current_on(connection):
        raise SetupError("tables_behind")
    return ReadyResponse(ready=True)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics() -> Response:
    """Return the metrics of this server for Prometheus."""
    body, kind = request_log.render_metrics()
    return Response(body, media_type=kind)
