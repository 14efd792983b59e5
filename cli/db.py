"""``gridatlas db``: manage the database of the installation."""

import os
import shutil
import sys

import typer

from cli import console
from geo import db
from geo.errors import SetupError
from geo.settings import settings

app = typer.Typer(help="Manage the database of the installation.", no_args_is_help=True)


@app.command()
def start() -> None:
    """Start the private database, create it if necessary, and migrate its tables."""
    db.upgrade()
    address = db.printable_url(db.get_engine().url)
    console.print_text("cli.database_ready", url=address)


@app.command()
def upgrade() -> None:
    """Migrate the tables of the private database, or of DATABASE_URL."""
    start()


@app.command()
def stop() -> None:
    """Stop the private database."""
    from geo.db import local_server

    stopped = local_server.stop(settings().home)
    console.print_text("cli.database_stopped" if stopped else "cli.database_not_running")


@app.command()
def status() -> None:
    """Show whether the private database is running."""
    from geo.db import local_server

    running = local_server.is_running(settings().home)
    console.print_text("cli.database_running" if running else "cli.database_not_running")


@app.command()
def url() -> None:
    """Print the URL of the database."""
    console.out.print(db.database_url())


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    }
)
def psql(context: typer.Context) -> None:
    """Open psql on the database; pass all arguments to psql.

    Raises
    ------
    SetupError
        If psql is not installed.
    """
    url = db.get_engine().url.set(drivername="postgresql")
    address = url.render_as_string(hide_password=False).replace("+", "%20")  # as libpq reads it
    if shutil.which("psql") is None:
        raise SetupError("psql_missing")
    sys.stdout.flush()
    os.execvp("psql", ["psql", address, *context.args])
