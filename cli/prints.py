"""``gridatlas print``: the grids on paper."""

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import console
from geo.messages import LANGUAGES, Language, language, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from maps.paper.map_documents import PrintedDocument


class Format(StrEnum):
    """Paper of a map sheet."""

    A4 = "A4"
    A3 = "A3"
    EIGHTH = "8K"


class Lang(StrEnum):
    """Language of the words on the paper."""

    ZH = "zh"
    EN = "en"


Community = Annotated[str, typer.Argument(help="Code of a community, 12 digits.")]
Out = Annotated[Path | None, typer.Option(help="File to write.")]
Words = Annotated[Lang | None, typer.Option("--lang", help="Language on the paper.")]
Sheet = Annotated[Format, typer.Option("--paper", help="Format of the sheets.")]
Scale = Annotated[
    int | None,
    typer.Option(help="1:SCALE; default: the first of 500, 1000, 2000, 3000 that fits.", min=100),
]
Plan = Annotated[int | None, typer.Option(help="Number of a plan; default: the one in force.")]
Site = Annotated[str, typer.Option(help="Address of the public page, for the code to scan.")]

SITE = "http://127.0.0.1:8000"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The grids on paper, as PDF and XLSX.", no_args_is_help=True)
    app.add_typer(group, name="print")

    @group.command()
    def sheet(
        community: Community,
        paper: Sheet = Format.A3,
        scale: Scale = None,
        plan: Plan = None,
        out: Out = None,
        lang: Words = None,
    ) -> None:
        """Print the map sheet of a community at a true scale."""
        from maps.paper.map_documents import community_sheet
        from maps.paper.page_layout import PAPERS

        with _database() as connection:
            made = community_sheet(
                connection,
                community,
                PAPERS[paper],
                scale=scale,
                plan=plan,
                lang=_output_language(lang),
            )
        _keep(made, out or Path("out") / f"{community}.pdf")

    @group.command()
    def atlas(
        region: Annotated[str, typer.Argument(help="Code of a street office, or its digits.")],
        paper: Sheet = Format.A3,
        out: Out = None,
        lang: Words = None,
    ) -> None:
        """Print the atlas of a street as one PDF with contents."""
        from maps.paper.map_documents import street_atlas
        from maps.paper.page_layout import PAPERS

        with _database() as connection, console.progress() as progress:
            made = street_atlas(
                connection, region, PAPERS[paper], lang=_output_language(lang), progress=progress
            )
        _keep(made, out or Path("out") / f"atlas_{region}.pdf")

    @group.command()
    def notice(
        community: Community,
        grid: Annotated[str, typer.Option(help="Only this grid, 15 digits.")] = "",
        site: Site = SITE,
        out: Out = None,
        lang: Words = None,
    ) -> None:
        """Print the notice boards of a community's grids, A2."""
        from maps.paper.notice import notice_boards

        with _database() as connection:
            pdf = notice_boards(
                connection, community, grid=grid, site=site, lang=_output_language(lang)
            )
        _write(pdf, out or Path("out") / f"notice_{grid or community}.pdf")

    @group.command()
    def cards(community: Community, site: Site = SITE, out: Out = None, lang: Words = None) -> None:
        """Print the contact cards of a community's grids, ten to an A4 page."""
        from maps.paper.notice import contact_cards

        with _database() as connection:
            pdf = contact_cards(connection, community, site=site, lang=_output_language(lang))
        _write(pdf, out or Path("out") / f"cards_{community}.pdf")

    @group.command()
    def assignment(
        community: Community, plan: Plan = None, out: Out = None, lang: Words = None
    ) -> None:
        """Write which building and unit belongs to which grid, as XLSX."""
        from maps.paper.assignment import assignment_workbook

        with _database() as connection:
            book = assignment_workbook(
                connection, community, plan=plan, lang=_output_language(lang)
            )
        _write(book, out or Path("out") / f"assignment_{community}.xlsx")


@contextmanager
def _database() -> "Iterator[Connection]":
    from geo import db

    db.upgrade()
    with db.get_engine().connect() as connection:
        yield connection


def _output_language(lang: Lang | None) -> Language:
    """Return the language asked for, else the one that the machine speaks."""
    return next((one for one in LANGUAGES if lang == one), language())


def _keep(made: "PrintedDocument", out: Path) -> None:
    """Write a document and say how its communities are laid."""
    for community, layout in made.layouts.items():
        said = text(
            "paper.sheets",
            community=community,
            paper=layout.paper.name,
            scale=layout.scale,
            sheets=len(layout.tiles),
        )
        console.out.print(said, highlight=False)
    if made.left_out:
        codes = ", ".join(made.left_out[:8])
        said = text("paper.left_out", count=len(made.left_out), codes=codes)
        console.out.print(said, highlight=False)
    _write(made.pdf, out)


def _write(content: bytes, out: Path) -> None:
    from maps.paper.pdf import write_file

    console.out.print(text("paper.written", file=write_file(content, out)), highlight=False)
