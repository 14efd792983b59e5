"""``/health``: whether the application can work."""

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
    """The server's versions, and the migration its tables are at."""

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
    """Tell whether the database answers, and with what; 503 when it does not."""
    state = connection.execute(_STATE).mappings().one()
    return HealthResponse(
        status="ok", version=request.app.version, database=DatabaseResponse(**state)
    )


class ReadyResponse(BaseModel):
    """Whether requests can be answered now."""

    ready: bool


@router.get("/ready")
def ready(connection: Connection) -> ReadyResponse:
    """Tell a balancer whether to send requests here: the database answers and is up to date."""
    if not db.is_current_on(connection):
        raise SetupError("tables_behind")
    return ReadyResponse(ready=True)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics() -> Response:
    """Return the figures of this server for Prometheus."""
    body, kind = request_log.figures()
    return Response(body, media_type=kind)
