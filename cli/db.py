"""``gridatlas db``: the database of the installation."""

import os

import typer

from cli import console
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
        console.out.print(text("cli.database_ready", url=db.database_url()))

    @group.command()
    def stop() -> None:
        """Stop the private database."""
        from geo import cluster
        from geo.settings import settings

        stopped = cluster.stop(settings().home)
        console.out.print(text("cli.database_stopped" if stopped else "cli.database_not_running"))

    @group.command()
    def status() -> None:
        """Say whether the private database runs."""
        from geo import cluster
        from geo.settings import settings

        running = cluster.is_running(settings().home)
        console.out.print(text("cli.database_running" if running else "cli.database_not_running"))

    @group.command()
    def url() -> None:
        """Print the database's URL."""
        from geo import db

        console.out.print(db.database_url(), highlight=False)

    @group.command()
    def psql() -> None:
        """Open psql on the database."""
        from geo import db

        address = db.engine().url.set(drivername="postgresql").render_as_string(hide_password=False)
        os.execvp("psql", ["psql", address])
