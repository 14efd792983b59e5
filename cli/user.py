"""``gridatlas user``: accounts that may sign in."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from cli import console
from geo import db
from geo.errors import InputError, NotFoundError
from geo.messages import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

Name = Annotated[str, typer.Argument(help="User name.")]
PASSWORD_VARIABLE = "GRIDATLAS_PASSWORD"  # noqa: S105  (the name of a variable)

app = typer.Typer(help="Manage accounts.", no_args_is_help=True)


@app.command()
def add(
    name: Name,
    role: Annotated[
        str,
        typer.Option(help="planner, fire, utility, importer, grid_manager, office or admin."),
    ],
    scope: Annotated[str, typer.Option(help="Planner, office: code of the region.")] = "",
    networks: Annotated[str, typer.Option(help="Utility: networks, water,gas,...")] = "",
    grids: Annotated[str, typer.Option(help="Grid manager: codes of the grids, by commas.")] = "",
    oidc: Annotated[
        bool, typer.Option(help="Sign in through the identity provider only; no password.")
    ] = False,
) -> None:
    """Add an account; prompts for the password, or reads it from GRIDATLAS_PASSWORD."""
    from geo.db import accounts

    password = None if oidc else _read_password()
    db.upgrade()
    network_names = _split_names(networks)
    with db.get_engine().begin() as connection:
        accounts.add_account(
            connection,
            name,
            role,
            password,
            scope=scope,
            networks=network_names,
            grids=_split_names(grids),
        )
    console.print_text("user.added", name=name, role=role)


@app.command("list")
def list_accounts() -> None:
    """List the accounts."""
    from geo.db import accounts

    db.upgrade()
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("name", "role", "scope", "networks", "grids", "active"):
        table.add_column(text(f"user.{column}"))
    with db.get_engine().connect() as connection:
        for account in accounts.list_accounts(connection):
            active = text("page.yes" if account.active else "page.no")
            networks = ",".join(account.networks)
            grids = ",".join(account.grids)
            table.add_row(account.name, account.role, account.scope, networks, grids, active)
    console.out.print(table)


@app.command()
def bind(
    name: Name,
    grids: Annotated[str, typer.Argument(help="Codes of the grids, by commas; empty for none.")],
) -> None:
    """Have the managers of these grids, and of no others, sign in with the account.

    Raises
    ------
    NotFoundError
        If there is no such account.
    """
    from geo.db import accounts

    db.upgrade()
    with db.get_engine().begin() as connection:
        is_known = accounts.bind_grids(connection, name, _split_names(grids))
    if not is_known:
        raise NotFoundError("no_such_account", name=name)
    console.print_text("user.bound", name=name, grids=grids)


@app.command()
def password(name: Name) -> None:
    """Set a new password and end the sessions of the account."""
    from geo.db import accounts

    new_password = _read_password()
    _change_account(name, lambda connection: accounts.set_password(connection, name, new_password))


@app.command()
def disable(name: Name) -> None:
    """Disable an account and end its sessions."""
    from geo.db import accounts

    _change_account(name, lambda connection: accounts.disable_account(connection, name))


def _split_names(names: str) -> list[str]:
    return [name for name in names.split(",") if name]


def _change_account(name: str, change: Callable[["Connection"], bool]) -> None:
    db.upgrade()
    with db.get_engine().begin() as connection:
        is_known = change(connection)
    if not is_known:
        raise NotFoundError("no_such_account", name=name)
    console.print_text("user.changed", name=name)


def _read_password() -> str:
    """Read a password from the environment or a pipe; else prompt for it twice."""
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None and not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\n")
    if password is None:
        password = typer.prompt(text("session.password"), hide_input=True, confirmation_prompt=True)
    if not password:
        raise InputError("password_missing", variable=PASSWORD_VARIABLE)
    return str(password)
