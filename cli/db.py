"""``gridatlas db``: the database of the installation."""

import os
import shutil
import sys

import typer

from cli import console
from geo.errors import SetupError
from geo.messages import text


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The installation's database.", no_args_is_help=True)
    app.add_typer(group, name="db")

    @group.command()
    def start() -> None:
        """Start the private database, making it if need be, and bring its tables up to date."""
        from geo import db

        db.upgrade()
        shown = db.printable_url(db.get_engine().url)
        console.out.print(text("cli.database_ready", url=shown), highlight=False)

    @group.command()
    def upgrade() -> None:
        """Bring the tables up to date, in the private database or at DATABASE_URL."""
        start()

    @group.command()
    def stop() -> None:
        """Stop the private database."""
        from geo.db import local_server
        from geo.settings import settings

        stopped = local_server.stop(settings().home)
        console.out.print(text("cli.database_stopped" if stopped else "cli.database_not_running"))

    @group.command()
    def status() -> None:
        """Say whether the private database runs."""
        from geo.db import local_server
        from geo.settings import settings

        running = local_server.is_running(settings().home)
        console.out.print(text("cli.database_running" if running else "cli.database_not_running"))

    @group.command()
    def url() -> None:
        """Print the database's URL."""
        from geo import db

        console.out.print(db.database_url(), highlight=False)

    @group.command(
        context_settings={
            "allow_extra_args": True,
            "ignore_unknown_options": True,
            "help_option_names": [],
        }
    )
    def psql(context: typer.Context) -> None:
        """Open psql on the database; what follows is psql's."""
        from geo import db

        url = db.get_engine().url.set(drivername="postgresql")
        address = url.render_as_string(hide_password=False).replace("+", "%20")  # as libpq reads it
        if shutil.which("psql") is None:
            raise SetupError("psql_missing")
        sys.stdout.flush()
        os.execvp("psql", ["psql", address, *context.args])
