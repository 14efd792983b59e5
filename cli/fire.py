"""``gridatlas fire``: the district's report, and the sheet of a building."""

from pathlib import Path
from typing import Annotated

import typer

from cli import console
from cli.prints import SITE, Lang
from geo.errors import InputError
from geo.messages import LANGUAGES, Language, language, text


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="What the fire department checks.", no_args_is_help=True)
    app.add_typer(group, name="fire")

    @group.command()
    def check(
        region: Annotated[str, typer.Option(help="Code of a region, or its first digits.")],
        out: Annotated[Path, typer.Option(help="Folder for fire.html and fire.xlsx.")] = Path(
            "out/fire"
        ),
        site: Annotated[str, typer.Option(help="Address of the map that links lead to.")] = SITE,
        lang: Annotated[Lang | None, typer.Option("--lang", help="Language.")] = None,
    ) -> None:
        """Check a region against the fire rules and write the report."""
        from geo import db
        from geo.fire import finding_refresh
        from geo.fire.cities import city_of_code
        from geo.fire.context import FireContextCache
        from maps.fire_report import content, html, workbook

        if out.exists() and not out.is_dir():
            raise InputError("report_folder_taken", folder=out)
        db.upgrade()
        engine, report_lang = db.get_engine(), _language(lang)
        with engine.connect() as connection:
            city = city_of_code(connection, region.ljust(12, "0"))
        contexts = FireContextCache()
        with console.progress() as progress:
            counts = finding_refresh.refresh_findings(engine, contexts, city, progress)
        _report_refresh(counts)
        with engine.connect() as connection:
            report = content.read_report(
                connection, contexts.context_of(connection, city), region, site, report_lang
            )
        page = html.write_html(report, out / "fire.html", report_lang)
        book = workbook.write_workbook(report, out / "fire.xlsx", report_lang)
        files = f"{page}, {book}"
        message = text("fire_report.written", region=region, count=len(report.rows), files=files)
        console.out.print(message, highlight=False)

    @group.command()
    def sheet(
        code: Annotated[str, typer.Argument(help="Code of a building.")],
        out: Annotated[Path, typer.Option(help="NAME.pdf")],
        lang: Annotated[Lang | None, typer.Option("--lang", help="Language on paper.")] = None,
    ) -> None:
        """Write the one-page sheet of a building."""
        from geo import db
        from geo.fire.briefing import building_briefing
        from geo.fire.context import FireContextCache
        from maps.paper import building_sheet, document

        if out.suffix.lower() != ".pdf":
            raise InputError("sheet_not_pdf", file=out)
        db.upgrade()
        with db.get_engine().connect() as connection:
            sheet_lang = _language(lang)
            briefing = building_briefing(connection, FireContextCache(), code, sheet_lang)
        document.write(building_sheet.sheet_of_briefing(briefing, sheet_lang), out)
        console.out.print(text("fire_report.sheet_written", code=code, file=out), highlight=False)


def _language(lang: Lang | None) -> Language:
    code = lang.value if lang else language()
    return next(known for known in LANGUAGES if known == code)


def _report_refresh(counts: dict[str, int]) -> None:
    """Print how many findings were recomputed."""
    if not counts:
        console.out.print(text("fire_report.unchanged"), highlight=False)
        return
    listed = ", ".join(f"{text(f'overlay.{key}')} {count}" for key, count in counts.items())
    console.out.print(text("fire_report.recomputed", listed=listed), highlight=False)
