"""``gridatlas print``: maps, notices and lists of the grids on paper."""

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import console
from geo import db
from geo.messages import LANGUAGES, Language, language
from geo.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from maps.paper.map_documents import PrintedDocument


class Format(StrEnum):
    """Paper sizes of a map sheet."""

    A4 = "A4"
    A3 = "A3"
    EIGHTH = "8K"


class Lang(StrEnum):
    """Languages of printed documents."""

    ZH = "zh"
    EN = "en"


Community = Annotated[str, typer.Argument(help="Code of a community, 12 digits.")]
Out = Annotated[Path | None, typer.Option(help="File to write.")]
Words = Annotated[Lang | None, typer.Option("--lang", help="Language of the document.")]
Sheet = Annotated[Format, typer.Option("--paper", help="Paper size.")]
Scale = Annotated[
    int | None,
    typer.Option(
        help="1:SCALE; default: the first of 500, 1000, 1500, 2000, 3000 that fits.", min=100
    ),
]
Plan = Annotated[int | None, typer.Option(help="Number of a plan; default: the one in force.")]
Site = Annotated[
    str, typer.Option(help="URL of the public map, for the QR code; default: GRIDATLAS_SITE.")
]

LOCAL_SITE = "http://127.0.0.1:8000"

app = typer.Typer(
    help="Print maps, notices and lists of the grids, as PDF and XLSX.", no_args_is_help=True
)


@app.command()
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
        document = community_sheet(
            connection,
            community,
            PAPERS[paper],
            scale=scale,
            plan=plan,
            lang=output_language(lang),
        )
    _write_document(document, out or Path("out") / f"{community}.pdf")


@app.command()
def atlas(
    region: Annotated[str, typer.Argument(help="Code of a street office, or its first digits.")],
    paper: Sheet = Format.A3,
    out: Out = None,
    lang: Words = None,
) -> None:
    """Print the atlas of a street as one PDF with a table of contents."""
    from maps.paper.map_documents import street_atlas
    from maps.paper.page_layout import PAPERS

    with _database() as connection, console.progress() as progress:
        document = street_atlas(
            connection, region, PAPERS[paper], lang=output_language(lang), progress=progress
        )
    _write_document(document, out or Path("out") / f"atlas_{region}.pdf")


@app.command()
def notice(
    community: Community,
    grid: Annotated[
        str, typer.Option(help="Code of one grid, 15 digits; default: all grids.")
    ] = "",
    site: Site = "",
    out: Out = None,
    lang: Words = None,
) -> None:
    """Print the notice boards of a community's grids, A2."""
    from maps.paper.notice import notice_boards

    with _database() as connection:
        pdf = notice_boards(
            connection,
            community,
            grid=grid,
            site=site or settings().site,
            lang=output_language(lang),
        )
    _write(pdf, out or Path("out") / f"notice_{grid or community}.pdf")


@app.command()
def cards(
    community: Community,
    grid: Annotated[
        str, typer.Option(help="Code of one grid, 15 digits; default: all grids.")
    ] = "",
    copies: Annotated[int, typer.Option(help="Copies of each card.", min=1, max=1000)] = 1,
    site: Site = "",
    out: Out = None,
    lang: Words = None,
) -> None:
    """Print the contact cards of a community's grids, ten to an A4 page."""
    from maps.paper.notice import contact_cards

    with _database() as connection:
        pdf = contact_cards(
            connection,
            community,
            grid=grid,
            copies=copies,
            site=site or settings().site,
            lang=output_language(lang),
        )
    _write(pdf, out or Path("out") / f"cards_{grid or community}.pdf")


@app.command()
def assignment(
    community: Community, plan: Plan = None, out: Out = None, lang: Words = None
) -> None:
    """Write the list of buildings and units by grid, as XLSX."""
    from maps.paper.assignment import assignment_workbook

    with _database() as connection:
        book = assignment_workbook(connection, community, plan=plan, lang=output_language(lang))
    _write(book, out or Path("out") / f"assignment_{community}.xlsx")


@contextmanager
def _database() -> "Iterator[Connection]":
    db.upgrade()
    with db.get_engine().connect() as connection:
        yield connection


def output_language(lang: Lang | None) -> Language:
    """Return a language by its option; the language of the messages by default."""
    return next((known for known in LANGUAGES if lang == known), language())


def _write_document(document: "PrintedDocument", out: Path) -> None:
    """Write a document; print paper size, scale and sheets of each community."""
    for community, layout in document.layouts.items():
        console.print_text(
            "paper.sheets",
            community=community,
            paper=layout.paper.name,
            scale=layout.scale,
            sheets=len(layout.tiles),
        )
    if document.left_out:
        codes = ", ".join(document.left_out[:8])
        console.print_text("paper.left_out", count=len(document.left_out), codes=codes)
    _write(document.pdf, out)


def _write(content: bytes, out: Path) -> None:
    from maps.paper.pdf import write_file

    console.print_text("paper.written", file=write_file(content, out))
