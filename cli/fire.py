"""``gridatlas fire``: the district's report, and the sheet of a building."""

from pathlib import Path
from typing import Annotated, Any

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
        from geo.fire import findings
        from geo.fire.context import FireContexts
        from geo.fire.snapshot import city_of
        from maps.fire_report import content, html, workbook

        if out.exists() and not out.is_dir():
            raise InputError("report_folder_taken", folder=out)
        db.upgrade()
        engine, said = db.get_engine(), _language(lang)
        with engine.connect() as connection:
            city = city_of(connection, region.ljust(12, "0"))
        desks = FireContexts()
        with console.progress() as progress:
            written = findings.refresh(engine, desks, city, progress)
        _say(written)
        with engine.connect() as connection:
            report = content.read(connection, desks.of(connection, city), region, site, said)
        page = html.write(report, out / "fire.html", said)
        book = workbook.write(report, out / "fire.xlsx", said)
        listed = f"{page}, {book}"
        shown = text("fire_report.written", region=region, count=len(report.rows), files=listed)
        console.out.print(shown, highlight=False)

    @group.command()
    def sheet(
        code: Annotated[str, typer.Argument(help="Code of a building.")],
        out: Annotated[Path, typer.Option(help="NAME.pdf")],
        lang: Annotated[Lang | None, typer.Option("--lang", help="Language on paper.")] = None,
    ) -> None:
        """Write the one-page sheet of a building."""
        from geo import db
        from maps.paper import pdf as paper_pdf

        if out.suffix.lower() != ".pdf":
            raise InputError("sheet_not_pdf", file=out)
        db.upgrade()
        with db.get_engine().connect() as connection:
            pdf = _sheet(connection, code, _language(lang))
        paper_pdf.write_file(pdf, out)
        console.out.print(text("fire_report.sheet_written", code=code, file=out), highlight=False)


def _language(lang: Lang | None) -> Language:
    wanted = lang.value if lang else language()
    return next(known for known in LANGUAGES if known == wanted)


def _say(written: dict[str, int]) -> None:
    """Tell what was checked anew."""
    if not written:
        console.out.print(text("fire_report.unchanged"), highlight=False)
        return
    listed = ", ".join(f"{text(f'overlay.{key}')} {count}" for key, count in written.items())
    console.out.print(text("fire_report.recomputed", listed=listed), highlight=False)


def _sheet(connection: Any, code: str, lang: Language) -> bytes:
    from geo.fire import briefing, finding_text
    from geo.fire.context import FireContexts
    from geo.fire.snapshot import city_of, data_age
    from geo.network import shutoff
    from maps.paper import building_sheet

    desks = FireContexts()
    desk = desks.of(connection, city_of(connection, code))
    shown = briefing.layout(connection, desk, code, lang)
    shown |= shutoff.of_building(connection, desks, desk.ground.city, code, lang)
    shown["missing"] = finding_text.missing(shown["missing"], lang)
    return building_sheet.of_layout(desk, shown, data_age(connection, briefing.RESTS_ON), lang)
