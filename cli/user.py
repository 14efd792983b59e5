"""``gridatlas user``: who may sign in."""

import os
import sys
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from cli import console
from geo.errors import InputError, NotFoundError
from geo.messages import text

Name = Annotated[str, typer.Argument(help="Name to sign in with.")]
PASSWORD = "GRIDATLAS_PASSWORD"  # noqa: S105  (the name of a variable)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Accounts of the API.", no_args_is_help=True)
    app.add_typer(group, name="user")

    @group.command()
    def add(
        name: Name,
        role: Annotated[str, typer.Option(help="planner, fire, utility, importer or admin.")],
        scope: Annotated[str, typer.Option(help="A planner's region, by its code.")] = "",
        networks: Annotated[str, typer.Option(help="A utility's networks: water,gas,...")] = "",
        oidc: Annotated[bool, typer.Option(help="Only the identity provider vouches.")] = False,
    ) -> None:
        """Add an account; the password is asked for, or read from GRIDATLAS_PASSWORD."""
        from geo import db
        from geo.db import accounts

        password = None if oidc else _password()
        db.upgrade()
        known = [network for network in networks.split(",") if network]
        with db.get_engine().begin() as connection:
            accounts.add_account(connection, name, role, password, scope=scope, networks=known)
        console.out.print(text("user.added", name=name, role=role), highlight=False)

    @group.command("list")
    def list_accounts() -> None:
        """List the accounts."""
        from geo import db
        from geo.db import accounts

        db.upgrade()
        table = Table(box=box.SIMPLE_HEAD)
        for column in ("name", "role", "scope", "networks", "active"):
            table.add_column(text(f"user.{column}"))
        with db.get_engine().connect() as connection:
            for one in accounts.list_accounts(connection):
                shown = (one.name, one.role, one.scope, ",".join(one.networks))
                table.add_row(*shown, text(f"user.{'yes' if one.active else 'no'}"))
        console.out.print(table)

    @group.command()
    def password(name: Name) -> None:
        """Set a new password and end the account's sessions."""
        from geo import db
        from geo.db import accounts

        fresh = _password()
        _change(name, lambda: accounts.set_password(db.get_engine(), name, fresh))

    @group.command()
    def disable(name: Name) -> None:
        """Let an account sign in no more, and end its sessions."""
        from geo import db
        from geo.db import accounts

        _change(name, lambda: accounts.disable_account(db.get_engine(), name))


def _change(name: str, change: object) -> None:
    from geo import db

    db.upgrade()
    if not callable(change) or not change():
        raise NotFoundError("no_such_account", name=name)
    console.out.print(text("user.changed", name=name), highlight=False)


def _password() -> str:
    """Return a new password, from the environment, a pipe, or asked for twice."""
    given = os.environ.get(PASSWORD)
    if given is None and not sys.stdin.isatty():
        given = sys.stdin.readline().rstrip("\n")
    if given is None:
        given = typer.prompt(text("user.password"), hide_input=True, confirmation_prompt=True)
    if not given:
        raise InputError("password_missing", variable=PASSWORD)
    return str(given)
