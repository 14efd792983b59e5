"""``gridatlas staff``: managers and informants of grids."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from cli import console
from geo import db
from geo.errors import InputError
from geo.messages import text

Region = Annotated[str, typer.Option(help="Code of a region, or its first digits.")]

app = typer.Typer(help="Manage grid managers and informants.", no_args_is_help=True)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Workbook (XLSX) of grids and their staff.")],
    photos: Annotated[
        Path | None, typer.Option(help="Zip archive of the photos that the workbook names.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; write nothing.")] = False,
) -> None:
    """Appoint the managers and informants of a workbook; nobody if a row has a problem.

    Raises
    ------
    InputError
        If a file does not exist, or a row has a problem.
    """
    from etl.staff import import_staff

    for path in (file, *([photos] if photos else [])):
        if not path.is_file():
            raise InputError("no_file", file=path)
    db.upgrade()
    result = db.run_in_transaction(
        db.get_engine(),
        lambda connection: import_staff(connection, file, photos, dry_run=dry_run),
    )
    for problem in result.problems:
        console.warn(problem.message())
    if result.problems:
        raise InputError("staff_rows", file=file, count=len(result.problems))
    console.print_text(
        "staff.checked" if dry_run else "staff.imported",
        managers=len(result.managers),
        informants=len(result.informants),
        vacant=len(result.vacant),
        changed=result.changed,
    )


@app.command("list")
def list_grids(
    region: Region = "",
    vacant: Annotated[
        bool, typer.Option("--vacant", help="Only the grids without a manager.")
    ] = False,
) -> None:
    """List the grids in force with their managers and informants."""
    from geo import staff

    db.upgrade()
    with db.get_engine().connect() as connection:
        grids = staff.list_staff(connection, region, vacant=vacant)
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("grid", "community", "households", "name", "phone", "informants"):
        table.add_column(text(f"staff_column.{column}"), overflow="fold")
    for row in grids:
        name = row.manager.name if row.manager else text("staff.vacant")
        phone = row.manager.phone if row.manager else ""
        count = str(len(row.informants))
        table.add_row(row.grid, row.community, str(row.households), name, phone, count)
    console.out.print(table)
    vacancies = sum(row.manager is None for row in grids)
    console.print_text("staff.count", grids=len(grids), vacant=vacancies)


@app.command()
def workbook(
    out: Annotated[Path, typer.Argument(help="Workbook to write, NAME.xlsx.")],
    region: Region = "",
) -> None:
    """Write the grids in force with their staff as a workbook, to be filled in and imported."""
    from etl.staff import staff_workbook
    from maps.paper.pdf import write_file

    db.upgrade()
    with db.get_engine().connect() as connection:
        content = staff_workbook(connection, region)
    console.print_text("paper.written", file=write_file(content, out))
