"""Restores that are killed, in this process's children or with the whole server.

Called as ``python -m tests.cli.killed_restores URL FOLDER KILLS [SIZE] [HOME]``; prints what it saw
as JSON. With a home every second kill is that of all processes of its server. Before each restore
the live rows differ from those of the backup: afterwards they are all of one or all of the other.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, text

from geo import db
from geo.db import backup as db_backup
from geo.db import cluster, local_server, restore
from geo.model import Base
from geo.model.history import HISTORY  # noqa: F401  (its tables belong to the metadata)
from tests import town

UNCOMPARED = {"layer_change", "index_left_off"}  # counts only go up; indexes are no data

FILL = """
INSERT INTO building (code, name, geom) SELECT 'many-' || n, 'of the backup',
    ST_Multi(ST_Expand(ST_SetSRID(ST_MakePoint(112 + n % 1000 / 1e3, 32 + n / 1e6), 4490), 1e-4))
FROM generate_series(1, CAST(:size AS integer)) AS n
"""
CHANGES = (
    "UPDATE building SET name = 'live' || clock_timestamp() WHERE code LIKE 'many-%'",
    "INSERT INTO audit_event (actor, action, object_type) VALUES ('x', 'y', 'z')",
    "DELETE FROM grid_member WHERE id = (SELECT min(id) FROM grid_member)",
)


def engine_of(url: str) -> Engine:
    """Return an engine that holds no connection, so that children inherit none."""
    owner = {"options": "-c gridatlas.owner=on"}
    return create_engine(url, poolclass=NullPool, connect_args=owner)


def contents(engine: Engine) -> dict[str, str]:
    """Return a digest of each table, and of what the database enforces."""
    with engine.connect() as connection:
        found = {
            table: connection.scalar(
                text(
                    f"SELECT md5(string_agg(md5(r::text), '' ORDER BY md5(r::text))) FROM {table} r"
                )
            )
            for table in Base.metadata.tables
            if table not in UNCOMPARED
        }
        for name, asked in ENFORCED.items():
            found[name] = connection.scalar(text(asked))
    return found


ENFORCED = {
    "policies": "SELECT md5(string_agg(p::text, '' ORDER BY p::text)) FROM pg_policies p",
    "triggers": "SELECT md5(string_agg(pg_get_triggerdef(oid) || tgenabled::text, '' "
    "ORDER BY tgname, tgrelid::regclass::text)) FROM pg_trigger WHERE NOT tgisinternal",
    "indexes": "SELECT md5(string_agg(indexdef, '' ORDER BY indexdef)) FROM pg_indexes "
    "WHERE schemaname = 'public'",
    "guarded": "SELECT count(*)::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity",
    "published": "SELECT count(*)::text FROM published.grid",
    "extensions": "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension",
}


def start_child(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return child


def ended_well(child: int) -> bool:
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def kill_server(home: Path) -> None:
    """Kill all processes of a home's server at once, and start it again."""
    data = cluster.data_directory(home).resolve()
    postmaster = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for process in (postmaster, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    local_server.ensure_running(home)


def main(
    url: str, folder: Path, kills: int, size: int = 500, home: Path | None = None
) -> dict[str, object]:
    os.environ["DATABASE_URL"] = url
    db.reset_engine()
    engine, file = engine_of(url), folder / "city.backup"
    db.upgrade(engine)
    town.build(engine)
    with engine.begin() as connection:
        connection.execute(text(FILL), {"size": size})
    if not ended_well(start_child(lambda: db_backup.backup(file))):
        raise RuntimeError("the backup failed")
    backed_up = contents(engine)

    def change() -> dict[str, str]:
        with engine.begin() as connection:
            for statement in CHANGES:
                connection.execute(text(statement))
        return contents(engine)

    def restore_backup() -> None:
        restore.restore(file, replace=True)

    live = change()
    began = time.monotonic()
    if not ended_well(start_child(restore_backup)) or contents(engine) != backed_up:
        raise RuntimeError("the restore failed")
    lasts = time.monotonic() - began
    chance = random.Random(18)
    counts = {"old": 0, "new": 0, "killed": 0, "server_kills": 0}
    lost: list[str] = []
    for round_ in range(kills):
        live = change()
        child = start_child(restore_backup)
        time.sleep(chance.uniform(0.0, lasts))
        if home is not None and round_ % 2:
            kill_server(home)
            counts["server_kills"] += 1
        else:
            os.kill(child, signal.SIGKILL)
        counts["killed"] += not ended_well(child)
        after = contents(engine)
        if after == live:
            counts["old"] += 1
        elif after == backed_up:
            counts["new"] += 1
        else:
            lost.append(f"{round_}: {sorted(k for k in after if after[k] != live[k])}")
    change()
    if not ended_well(start_child(restore_backup)) or contents(engine) != backed_up:
        lost.append("the last restore")
    return {"lost": lost, "kills": kills, "seconds": round(lasts, 1), **counts}


if __name__ == "__main__":
    _, url, folder, kills, *more = sys.argv
    home = Path(more[1]) if len(more) > 1 else None
    size = int(more[0]) if more else 500
    print(json.dumps(main(url, Path(folder), int(kills), size, home)))
