"""Asynchronous connections for frequent requests, each used under the caller's role.

They serve tiles, the grid at a place and ``/ogc`` in the event loop, without a thread; everything
else uses SQLAlchemy's engine in threads. Why there are two database drivers:
``docs/decisions/two-database-drivers.md``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg
import orjson
from sqlalchemy import URL, Select
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from api.core.caller import PUBLIC_CALLER, Caller
from geo.db.security import database_role
from geo.model import Role
from geo.settings import settings

TIMEOUT_S = 5.0
"""For a connection."""

WARM_CONNECTIONS = 4
"""Connections opened at the start: some more than two cores use at once."""

IDLE_S = 3600.0
"""How long an idle connection is kept: a new one costs as much as four tiles."""

UNREACHABLE_ERRORS = (
    *(OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError),
    asyncpg.InternalClientError,  # the server closed an idle connection
    *(asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError),
)
"""Errors of a database that can't be reached; exceeded statement timeouts are among them."""

_SETTINGS = (
    *("role", "gridatlas.scope", "gridatlas.networks", "gridatlas.grids"),
    *("gridatlas.actor", "statement_timeout"),
)
_COUNT_CHANGES = "SELECT coalesce(sum(changes), 0)::bigint FROM layer_change"


class UnreachableError(Exception):
    """The database can't be reached, or has no free connection."""


class AsyncPool:
    """A pool of connections, each used in a transaction under the caller's role."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            self._pool.terminate()  # all requests were answered before
            self._pool = None

    async def _open(self) -> asyncpg.Pool:
        if self._pool is None:
            self._pool = await asyncpg.create_pool(
                **connect_arguments(self._url),
                min_size=0,
                max_size=_max_connections(),
                max_inactive_connection_lifetime=IDLE_S,
                max_cached_statement_lifetime=0,
                init=_set_json_codecs,
                reset=_skip_reset,
            )
        return self._pool

    async def warm(self, use: Callable[[asyncpg.Connection], Awaitable[object]]) -> None:
        """Open some connections and use them one after another, so that requests get the others."""
        async with AsyncExitStack() as stack:
            for _ in range(min(WARM_CONNECTIONS, _max_connections())):
                connection = await stack.enter_async_context(self.transaction_as(PUBLIC_CALLER))
                stack.push_async_callback(use, connection)  # before the connection is returned

    @asynccontextmanager
    async def transaction_as(
        self, caller: Caller, *, timeout_ms: int | None = None
    ) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection in a transaction under a caller's role and scope.

        Parameters
        ----------
        timeout_ms
            Statement timeout in milliseconds, by default that of the settings.

        Raises
        ------
        UnreachableError
            If the database can't be reached.
        """
        begin = _begin_as(caller, timeout_ms or settings().statement_timeout_s * 1000)
        with _translate_connection_errors():
            pool = await self._open()
            async with pool.acquire(timeout=TIMEOUT_S) as connection:
                try:
                    await connection.execute(begin)
                    yield connection
                    await connection.execute("COMMIT")
                except BaseException:
                    await _roll_back(connection)
                    raise


@lru_cache(maxsize=1_000)
def _begin_as(caller: Caller, timeout_ms: int) -> str:
    """Return the statements that begin a transaction under a caller's role and scope.

    They are sent at once, which saves a round trip; so the values are quoted here.
    """
    # Reads of others than the public may be recorded in the audit trail.
    mode = "READ ONLY" if caller.role == Role.PUBLIC else "READ WRITE"
    values = (*caller.settings().values(), str(timeout_ms))
    calls = (
        f"set_config({quote_literal(name)}, {quote_literal(value)}, true)"
        for name, value in zip(_SETTINGS, values, strict=True)
    )
    return f"BEGIN {mode}; SELECT {', '.join(calls)}"


def quote_literal(value: str) -> str:
    """Return a text as an SQL literal, whatever the server's setting for backslashes."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


async def _roll_back(connection: asyncpg.Connection) -> None:
    """End a failed transaction, or close its connection, so that the pool never lends it open."""
    try:
        await connection.execute("ROLLBACK")
    except Exception:  # the error that led here is raised
        connection.terminate()
    except BaseException:
        connection.terminate()
        raise


class LayerState:
    """The number of changes to all layers, by which cached responses are tagged.

    One read serves all requests that came before it began: no caller gets a state older than the
    request, and a thousand requests a second cause a few reads.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._reading: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def now(self) -> int:
        """Return the number of changes, read after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._reading))
        return await asyncio.shield(self._next)

    async def _read_after(self, previous: asyncio.Task[int] | None) -> int:
        if previous is not None:
            await asyncio.wait([previous])
        self._reading, self._next = self._next, None
        return await self._read()

    async def _read(self) -> int:
        with _translate_connection_errors():
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(**connect_arguments(self._url))
                await self._connection.execute(f"SET ROLE {database_role(Role.PUBLIC)}")
            try:
                return int(await self._connection.fetchval(_COUNT_CHANGES, timeout=TIMEOUT_S))
            except BaseException:
                self._connection.terminate()  # the next read opens another
                raise

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.terminate()


@contextmanager
def _translate_connection_errors() -> Iterator[None]:
    """Raise :class:`UnreachableError` for every way in which a database can be unreachable."""
    try:
        yield
    except asyncpg.QueryCanceledError:
        raise  # the statement took too long, but the database is there
    except UNREACHABLE_ERRORS as error:
        raise UnreachableError(str(error)) from error


@dataclass(frozen=True)
class PreparedQuery:
    """A query of SQLAlchemy's in asyncpg's form; asyncpg keeps its plan by the text.

    Attributes
    ----------
    sql
        With ``$1``, ``$2``, ...
    names
        Names of the parameters, in that order.
    constants
        Values that the query itself holds, by name.
    """

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def arguments(self, **values: Any) -> list[Any]:
        """Return the values of all parameters."""
        return [values[name] if name in values else self.constants[name] for name in self.names]


def prepare_query(statement: Select[*tuple[Any, ...]]) -> PreparedQuery:
    """Return a query in asyncpg's form, to be used many times."""
    compiled: Any = statement.compile(
        dialect=dialect.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    return PreparedQuery(compiled.string, tuple(compiled.positiontup), compiled.params)


def connect_arguments(url: URL) -> dict[str, Any]:
    """Return the arguments with which asyncpg connects to a database."""
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


def _max_connections() -> int:
    """Return the size of the pool, beside the connections of the threads."""
    return max(2, settings().connections // 2)


async def _skip_reset(connection: asyncpg.Connection) -> None:
    """Spare asyncpg's reset query: all settings of a request end with its transaction."""


async def _set_json_codecs(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            encoder=lambda v: orjson.dumps(v).decode(),
            decoder=orjson.loads,
            schema="pg_catalog",
        )
