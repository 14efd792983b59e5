"""``gridatlas fire``: the report of a region and the sheet of a building."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from cli import console
from cli.prints import LOCAL_SITE, Lang, output_language
from geo import db
from geo.errors import InputError
from geo.messages import text
from geo.settings import settings

app = typer.Typer(help="Check fire safety rules.", no_args_is_help=True)


@app.command()
def check(
    region: Annotated[str, typer.Option(help="Code of a region, or its first digits.")],
    out: Annotated[Path, typer.Option(help="Folder for fire.html and fire.xlsx.")] = Path(
        "out/fire"
    ),
    site: Annotated[
        str, typer.Option(help="URL of the web map, for links; default: GRIDATLAS_SITE.")
    ] = "",
    lang: Annotated[Lang | None, typer.Option("--lang", help="Language of the report.")] = None,
) -> None:
    """Check a region against the fire rules and write the report.

    Raises
    ------
    InputError
        If ``out`` is not a folder.
    """
    from geo.fire import finding_refresh
    from geo.fire.cities import city_of_code
    from geo.fire.context import FireContextCache
    from maps.fire_report import content, html, workbook

    if out.exists() and not out.is_dir():
        raise InputError("report_folder_taken", folder=out)
    db.upgrade()
    engine, report_language = db.get_engine(), output_language(lang)
    with engine.connect() as connection:
        city = city_of_code(connection, region.ljust(12, "0"))
    contexts = FireContextCache()
    with console.progress() as progress:
        counts = finding_refresh.refresh_findings(engine, contexts, city, progress)
    _show_recomputed(counts)
    with engine.connect() as connection:
        report = content.read_report(
            connection,
            contexts.context_of(connection, city),
            region,
            site or settings().site or LOCAL_SITE,
            report_language,
        )
    page = html.write_html(report, out / "fire.html", report_language)
    book = workbook.write_workbook(report, out / "fire.xlsx", report_language)
    console.print_text(
        "fire_report.written", region=region, count=len(report.rows), files=f"{page}, {book}"
    )


@app.command()
def sheet(
    code: Annotated[str, typer.Argument(help="Code of a building.")],
    out: Annotated[Path, typer.Option(help="NAME.pdf")],
    lang: Annotated[Lang | None, typer.Option("--lang", help="Language of the sheet.")] = None,
) -> None:
    """Write the sheet of a building, with the plans attached to it.

    Raises
    ------
    InputError
        If ``out`` is not a PDF.
    """
    from geo.fire.briefing import building_briefing
    from geo.fire.context import FireContextCache
    from maps.paper import building_sheet, pdf

    if out.suffix.lower() != ".pdf":
        raise InputError("sheet_not_pdf", file=out)
    db.upgrade()
    sheet_language = output_language(lang)
    with db.get_engine().connect() as connection:
        briefing = building_briefing(connection, FireContextCache(), code, sheet_language)
        plans = building_sheet.read_plan_pages(connection, briefing)
    pdf.write_file(building_sheet.sheet_of_briefing(briefing, sheet_language, plans), out)
    console.print_text("fire_report.sheet_written", code=code, file=out)


@app.command()
def rules(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    lang: Annotated[Lang | None, typer.Option("--lang", help="Language of the texts.")] = None,
) -> None:
    """List the rules in force with their clause, force and figure."""
    from geo.fire.rules import rules_in_force

    language = output_language(lang)
    in_force = rules_in_force().by_id.values()
    if as_json:
        listed = [rule.properties(language) for rule in in_force]
        sys.stdout.write(json.dumps(listed, ensure_ascii=False, indent=1) + "\n")
        return
    columns = ("id", "force", "clause", "superseded_by", "verified", "text")
    titles = (text(f"fire_rules.{column}", lang=language) for column in columns)
    table = Table(*(Column(title, overflow="fold") for title in titles))
    for rule in in_force:
        table.add_row(
            rule.id,
            text(f"force.{rule.force}", lang=language),
            f"{rule.standard} {rule.clause}".strip(),
            rule.superseded_by,
            text(f"page.{'yes' if rule.verified else 'no'}", lang=language),
            rule.text(language),
        )
    console.out.print(table)


def _show_recomputed(counts: dict[str, int]) -> None:
    """Print how many findings of each rule were computed again."""
    if not counts:
        console.print_text("fire_report.unchanged")
        return
    listed = ", ".join(f"{text(f'overlay.{key}')} {count}" for key, count in counts.items())
    console.print_text("fire_report.recomputed", listed=listed)
