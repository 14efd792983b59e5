"""``/health``: whether the application can work."""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from api import problems
from api.requests import Connection

router = APIRouter(tags=["health"])

_STATE = text(
    "SELECT current_setting('server_version') AS postgresql, postgis_lib_version() AS postgis, "
    "(SELECT version_num FROM alembic_version) AS migration"
)


class Database(BaseModel):
    """The server's versions, and the migration its tables are at."""

    postgresql: str
    postgis: str
    migration: str


class Health(BaseModel):
    """The application's version and the state of its database."""

    status: str
    version: str
    database: Database


@router.get("/health", responses={503: problems.DOCUMENTED[503]})
def health(request: Request, connection: Connection) -> Health:
    """Tell whether the database answers, and with what; 503 when it does not."""
    state = connection.execute(_STATE).mappings().one()
    return Health(status="ok", version=request.app.version, database=Database(**state))
