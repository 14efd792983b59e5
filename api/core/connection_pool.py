"""Connections for what is asked most often, lent without a thread, each under the caller's role."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from sqlalchemy import URL, Select
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from api.core.caller import ANYONE, Caller
from geo.db.security import database_role
from geo.model import Role
from geo.settings import settings

TIMEOUT_S = 5.0
"""For a connection."""

WARM_CONNECTIONS = 4
"""Connections opened before anybody asks: a few more than two cores serve at once."""

IDLE_S = 3600.0
"""How long a connection that nobody uses is kept: a new one costs as much as four tiles."""

UNREACHABLE_ERRORS = (
    *(OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError),
    asyncpg.InternalClientError,  # the server's farewell came while nothing was asked
    *(asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError),
)
"""What is raised where a database is away; the time a statement may take is among it."""

_ACT_AS = (
    "SELECT set_config('role', $1, true), set_config('gridatlas.scope', $2, true), "
    "set_config('gridatlas.networks', $3, true), set_config('gridatlas.actor', $4, true), "
    "set_config('statement_timeout', $5, true)"
)
_STATE = "SELECT coalesce(sum(changes), 0)::bigint FROM layer_change"


class UnreachableError(Exception):
    """The database is away, or has no connection to spare."""


class AsyncPool:
    """A pool of connections, each used in a transaction under the role of who asks."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            self._pool.terminate()  # whoever still waits for an answer has been told already
            self._pool = None

    async def _opened(self) -> asyncpg.Pool:
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                **_where(self._url),
                min_size=0,
                max_size=_most(),
                max_inactive_connection_lifetime=IDLE_S,
                max_cached_statement_lifetime=0,
                init=_read_json,
                reset=_leave,
            )
        return self._pool

    async def warm(self, use: Callable[[asyncpg.Connection], Awaitable[object]]) -> None:
        """Open some connections, and use one after another: who asks meanwhile is served."""
        async with AsyncExitStack() as held:
            for _ in range(min(WARM_CONNECTIONS, _most())):
                connection = await held.enter_async_context(self.acting(ANYONE))
                held.push_async_callback(use, connection)  # and then it is given back

    @asynccontextmanager
    async def acting(
        self, caller: Caller, *, most_ms: int | None = None
    ) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection in a transaction under a caller's role and scope.

        Parameters
        ----------
        most_ms
            Milliseconds that a statement may take; by default what the settings say.
        """
        limit = str(most_ms or settings().statement_timeout_s * 1000)
        # Only reads of the public leave no trace: those of others are recorded in the trail.
        readonly = caller.role == Role.PUBLIC
        with _translate_connection_errors():
            pool = await self._opened()
            async with pool.acquire(timeout=TIMEOUT_S) as connection:
                try:
                    async with connection.transaction(readonly=readonly):
                        await connection.fetchrow(_ACT_AS, *caller.settings().values(), limit)
                        yield connection
                except asyncpg.InternalClientError:
                    connection.terminate()  # nobody else is to find it so
                    raise


class LayerState:
    """Which state of the layers is in force, read anew for whoever asks.

    One read serves all who asked before it began: nobody is told a state older than the question,
    and a thousand questions a second are a few reads.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._reading: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def now(self) -> int:
        """Return the number of changes there have been to the layers."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._reading))
        return await asyncio.shield(self._next)

    async def _after(self, before: asyncio.Task[int] | None) -> int:
        if before is not None:
            await asyncio.wait([before])
        self._reading, self._next = self._next, None
        return await self._read()

    async def _read(self) -> int:
        with _translate_connection_errors():
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(**_where(self._url))
                await self._connection.execute(f"SET ROLE {database_role(Role.PUBLIC)}")
            try:
                return int(await self._connection.fetchval(_STATE, timeout=TIMEOUT_S))
            except BaseException:
                self._connection.terminate()  # the next who asks gets a fresh one
                raise

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.terminate()


@contextmanager
def _translate_connection_errors() -> Iterator[None]:
    """Raise one error for every way in which a database can be away."""
    try:
        yield
    except asyncpg.QueryCanceledError:
        raise  # it took too long, but it is there
    except UNREACHABLE_ERRORS as error:
        raise UnreachableError(str(error)) from error


@dataclass(frozen=True)
class PreparedQuery:
    """A query of SQLAlchemy's as asyncpg takes it: PostgreSQL keeps its plan by the text.

    Attributes
    ----------
    sql
        With ``$1``, ``$2``, ...
    names
        Of the parameters, in that order.
    fixed
        Values that the query itself holds.
    """

    sql: str
    names: tuple[str, ...]
    fixed: Mapping[str, Any]

    def arguments(self, **values: Any) -> list[Any]:
        """Return the parameters' values."""
        return [values[name] if name in values else self.fixed[name] for name in self.names]


def prepare_query(statement: Select[*tuple[Any, ...]]) -> PreparedQuery:
    """Return a query in a form to be used many times."""
    made: Any = statement.compile(
        dialect=dialect.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    return PreparedQuery(made.string, tuple(made.positiontup), made.params)


def _where(url: URL) -> dict[str, Any]:
    """Return how to sign in."""
    query = dict(url.query)
    return {
        "host": query.get("host") or url.host,
        "port": int(str(query.get("port") or url.port or 5432)),
        "user": url.username,
        "password": url.password,
        "database": url.database,
        "timeout": TIMEOUT_S,
        "server_settings": {
            "statement_timeout": f"{settings().statement_timeout_s}s",
            "application_name": "gridatlas async",
            "timezone": "UTC",
        },
    }


def _most() -> int:
    """Return how many connections there may be, beside those of the threads."""
    return max(2, settings().connections // 2)


async def _leave(connection: asyncpg.Connection) -> None:
    """Leave a connection as it is: all that a request sets ends with its transaction."""


async def _read_json(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            encoder=lambda v: orjson.dumps(v).decode(),
            decoder=orjson.loads,
            schema="pg_catalog",
        )
