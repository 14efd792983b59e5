"""``gridatlas print``: the grids on paper."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import console
from geo.messages import LANGUAGES, Language, language, text

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from maps.paper.book import Printed


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
        from maps.paper.book import print_sheet
        from maps.paper.layout import PAPERS

        file = out or Path("out") / f"{community}.pdf"
        printed = print_sheet(
            _engine(),
            community,
            file,
            PAPERS[paper],
            scale=scale,
            plan=plan,
            lang=_spoken(lang),
        )
        _tell(printed)

    @group.command()
    def atlas(
        region: Annotated[str, typer.Argument(help="Code of a street office, or its digits.")],
        paper: Sheet = Format.A3,
        out: Out = None,
        lang: Words = None,
    ) -> None:
        """Print the atlas of a street as one PDF with contents."""
        from maps.paper.book import print_atlas
        from maps.paper.layout import PAPERS

        file = out or Path("out") / f"atlas_{region}.pdf"
        with console.progress() as progress:
            printed = print_atlas(
                _engine(), region, file, PAPERS[paper], lang=_spoken(lang), progress=progress
            )
        _tell(printed)

    @group.command()
    def notice(
        community: Community,
        grid: Annotated[str, typer.Option(help="Only this grid, 15 digits.")] = "",
        site: Site = SITE,
        out: Out = None,
        lang: Words = None,
    ) -> None:
        """Print the notice boards of a community's grids, A2."""
        from maps.paper.notice import print_notices

        file = out or Path("out") / f"notice_{grid or community}.pdf"
        print_notices(_engine(), community, file, grid=grid, site=site, lang=_spoken(lang))
        console.out.print(text("paper.written", file=file), highlight=False)

    @group.command()
    def cards(community: Community, site: Site = SITE, out: Out = None, lang: Words = None) -> None:
        """Print the contact cards of a community's grids, ten to an A4 page."""
        from maps.paper.notice import print_cards

        file = out or Path("out") / f"cards_{community}.pdf"
        print_cards(_engine(), community, file, site=site, lang=_spoken(lang))
        console.out.print(text("paper.written", file=file), highlight=False)

    @group.command()
    def assignment(
        community: Community, plan: Plan = None, out: Out = None, lang: Words = None
    ) -> None:
        """Write which building and unit belongs to which grid, as XLSX."""
        from maps.paper.assignment import write_assignment

        file = out or Path("out") / f"assignment_{community}.xlsx"
        rows = write_assignment(_engine(), community, file, plan=plan, lang=_spoken(lang))
        console.out.print(text("paper.rows", file=file, rows=rows), highlight=False)


def _engine() -> "Engine":
    from geo import db

    db.upgrade()
    return db.engine()


def _spoken(lang: Lang | None) -> Language:
    """Return the language asked for, else the one that the machine speaks."""
    return next((one for one in LANGUAGES if lang == one), language())


def _tell(printed: "Printed") -> None:
    for community, layout in printed.layouts.items():
        said = text(
            "paper.sheets",
            community=community,
            paper=layout.paper.name,
            scale=layout.scale,
            sheets=len(layout.tiles),
        )
        console.out.print(said, highlight=False)
    if printed.left_out:
        codes = ", ".join(printed.left_out[:8])
        console.out.print(
            text("paper.left_out", count=len(printed.left_out), codes=codes), highlight=False
        )
    console.out.print(text("paper.written", file=printed.file), highlight=False)
