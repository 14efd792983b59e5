"""``gridatlas override``: values that a person sets and imports keep."""

import getpass
from typing import Annotated

import typer

from cli import console
from geo import db
from geo.errors import InputError

Layer = Annotated[str, typer.Argument(help="Layer of the feature.")]
Code = Annotated[str, typer.Argument(help="Code of the feature.")]

app = typer.Typer(help="Set values that imports do not overwrite.", no_args_is_help=True)


@app.command("set")
def set_values(
    layer: Layer,
    code: Code,
    values: Annotated[list[str], typer.Argument(help="COLUMN=VALUE; COLUMN= clears the column.")],
) -> None:
    """Set columns of a feature; imports keep these values."""
    from geo.db import overrides

    fields = dict(_parse_assignment(value) for value in values)
    db.run_in_transaction(
        db.get_engine(),
        lambda connection: overrides.set_override(
            connection, layer, code, fields, getpass.getuser()
        ),
    )
    console.print_text("import.corrected", layer=layer, code=code)


@app.command("clear")
def clear_values(layer: Layer, code: Code) -> None:
    """Let imports overwrite the columns of a feature again."""
    from geo.db import overrides

    fields = db.run_in_transaction(
        db.get_engine(),
        lambda connection: overrides.clear_override(connection, layer, code, getpass.getuser()),
    )
    console.print_text("import.released", layer=layer, code=code, columns=", ".join(fields))


def _parse_assignment(assignment: str) -> tuple[str, str | None]:
    """Return column and value of ``COLUMN=VALUE``; an empty value is None."""
    column, equals, value = assignment.partition("=")
    if not equals:
        raise InputError("correction_malformed", given=assignment)
    return column.strip(), value or None
