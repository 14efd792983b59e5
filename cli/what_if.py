"""``gridatlas what-if``: compare the grids before and after a change of communities.

The changes are mergers, divisions and moved borders; nothing is stored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from cli import console
from cli.command_options import Transformation, with_options
from cli.draw import BalanceOption, Lower, Target, Upper, Weights
from cli.score_output import write_json
from geo import db
from geo.errors import InputError
from geo.messages import text

if TYPE_CHECKING:
    import shapely

    from geo.plans.change_figures import PlannedCommunity, Totals, WhatIf
    from geo.plans.what_if import BoundaryChange

app = typer.Typer(help="Compare the grids before and after a change of communities.")

PAGE_SUFFIX = ".html"

COLUMNS = ("community", "grids", "households", "per_grid", "range", "within", "border")


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """The options that all changes share."""

    balance: BalanceOption = None
    target: Target = None
    lower: Lower = None
    upper: Upper = None
    weight: Weights = None
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same grids.")] = None
    seconds: Annotated[
        float | None, typer.Option(help="Time limit per community; default: 60 s.")
    ] = None
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", help="Ignore the plans in force, before and after."),
    ] = False
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Write the result to NAME.gpkg (grids, communities, buildings, border) "
            "or NAME.geojson (grids).",
        ),
    ] = None
    page: Annotated[
        Path | None,
        typer.Option(help="Write a web page with map and figures, NAME.html; no network needed."),
    ] = None
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class MergeOptions(CompareOptions):
    """The options of ``gridatlas what-if merge``."""

    codes: Annotated[
        list[str], typer.Argument(help="Codes of neighbouring communities, 12 digits each.")
    ]


@dataclass(frozen=True, kw_only=True)
class BorderOptions(CompareOptions):
    """The options of a change with a new border."""

    along: Annotated[
        str,
        typer.Option(help="Name or code of the street, railway or water that becomes the border."),
    ] = ""
    line: Annotated[
        Path | None, typer.Option(help="File with the new border as a line, instead of --along.")
    ] = None
    crs: Annotated[
        str, typer.Option(help="Coordinate system of the file, if it does not state one.")
    ] = ""
    transformation: Transformation = ""


@dataclass(frozen=True, kw_only=True)
class DivideOptions(BorderOptions):
    """The options of ``gridatlas what-if divide``."""

    code: Annotated[str, typer.Argument(help="Code of one community, 12 digits.")]


@dataclass(frozen=True, kw_only=True)
class MoveOptions(BorderOptions):
    """The options of ``gridatlas what-if move``."""

    community: Annotated[str, typer.Argument(help="Code of one community, 12 digits.")]
    neighbour: Annotated[str, typer.Argument(help="Code of its neighbour.")]


@app.command()
@with_options(MergeOptions)
def merge(options: MergeOptions) -> None:
    """Merge neighbouring communities."""
    from geo.plans.change_figures import ChangeKind
    from geo.plans.what_if import BoundaryChange

    _compare(options, options.codes, lambda: BoundaryChange(ChangeKind.MERGE))


@app.command()
@with_options(DivideOptions)
def divide(options: DivideOptions) -> None:
    """Divide a community along a street."""
    from geo.plans.change_figures import ChangeKind
    from geo.plans.what_if import BoundaryChange

    _compare(
        options,
        [options.code],
        lambda: BoundaryChange(ChangeKind.DIVIDE, options.along, _read_line(options)),
    )


@app.command()
@with_options(MoveOptions)
def move(options: MoveOptions) -> None:
    """Move the border between two communities to a street."""
    from geo.plans.change_figures import ChangeKind
    from geo.plans.what_if import BoundaryChange

    _compare(
        options,
        [options.community, options.neighbour],
        lambda: BoundaryChange(ChangeKind.MOVE, options.along, _read_line(options)),
    )


def _read_line(options: BorderOptions) -> "shapely.Geometry | None":
    """Return the line of a file in degrees; None where a street is named instead."""
    if bool(options.along.strip()) == (options.line is not None):
        raise InputError("along_or_line")
    if options.line is None:
        return None
    from cli import draw_request

    return draw_request.read_line(
        options.line, draw_request.file_coordinates(options.crs, options.transformation)
    )


def _compare(
    options: CompareOptions, codes: Sequence[str], prepare: "Callable[[], BoundaryChange]"
) -> None:
    """Compare a change, show it, and write it to the files of the options."""
    from cli import draw_request
    from etl.export import check_export_file, write_layers
    from geo.plans.what_if import read_and_compare

    constraints = draw_request.combine_options(options).to_constraints()
    change = prepare()
    if options.out is not None:
        check_export_file(options.out)
    if options.page is not None and options.page.suffix.lower() != PAGE_SUFFIX:
        raise InputError("export_format", file=options.page, formats=PAGE_SUFFIX)
    db.upgrade()
    snapshot = db.get_engine().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    with snapshot.connect() as connection, console.progress() as progress:
        result = read_and_compare(connection, codes, change, constraints, progress)
    table = _table(result)
    sentences = _sentences(result, from_scratch=options.from_scratch)
    _show(table, sentences)
    if options.out is not None:
        write_layers(result.layers(), options.out)
    if options.page is not None:
        from maps.atlas.what_if_map import write_page

        write_page(result, table, sentences, options.page)
    if options.json_file is not None:
        write_json(result.as_json(), options.json_file)


def _show(lines: Sequence[Sequence[str]], sentences: Sequence[str]) -> None:
    """Print the table and the sentences under it."""
    table = Table(
        title=text("what_if.title"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    titles, *rows = lines
    for number, title in enumerate(titles):
        table.add_column(
            title, justify="right" if number else "left", no_wrap=number > 0, overflow="fold"
        )
    for row in rows:
        if len(row) == 1:
            table.add_section()
        table.add_row(*row)
    console.out.print(table)
    for sentence in sentences:
        console.out.print(sentence)


def _table(result: "WhatIf") -> list[tuple[str, ...]]:
    """Return the lines of the table, the first of titles; a line of one text is a heading."""
    special = ("per_grid", "border")
    titles = (text(f"{'what_if' if name in special else 'score'}.{name}") for name in COLUMNS)
    lines: list[tuple[str, ...]] = [tuple(titles)]
    before, after = result.totals()
    for state, communities, totals in (
        ("before", result.before, before),
        ("after", result.after, after),
    ):
        lines.append((text(f"what_if.{state}"),))
        lines += [_figures(community) for community in communities]
        if len(communities) > 1:
            lines.append((text("what_if.together"), *_total_figures(totals)))
    return lines


def _figures(planned: "PlannedCommunity") -> tuple[str, ...]:
    """Return the row of a community in the table."""
    card, grids = planned.card, int(planned.plan.general().sum())
    name = f"{planned.community.code[6:]} {planned.community.name}"
    return (
        name,
        str(grids),
        str(card.households),
        f"{card.households / max(grids, 1):.0f}",
        f"{card.smallest}-{card.largest}",
        f"{card.within_limits:.0%}",
        f"{card.border_cost:.0f}",
    )


def _total_figures(totals: "Totals") -> tuple[str, ...]:
    """Return the cells of the row of totals, after its title."""
    return (
        str(totals.grids),
        str(totals.households),
        f"{totals.per_grid:.0f}",
        f"{totals.smallest}-{totals.largest}",
        f"{totals.within_limits:.0%}",
        f"{totals.border_cost:.0f}",
    )


def _sentences(result: "WhatIf", *, from_scratch: bool) -> list[str]:
    """Return what would change, in sentences, and the limits that are not met."""
    figures = result.as_json()
    before, after = result.totals()
    all_households = max(after.households, 1)
    moved = figures["changed_community_households"]
    sentences = [
        text(
            "what_if.changed_community",
            households=moved,
            buildings=figures["changed_community_buildings"],
            share=moved / all_households,
        ),
        text(
            "what_if.changed_grid",
            households=figures["changed_grid_households"],
            share=figures["changed_grid_households"] / all_households,
        ),
    ]
    if before.divided_compounds or after.divided_compounds:
        counts = {"before": before.divided_compounds, "after": after.divided_compounds}
        sentences.append(text("what_if.compounds", lang=None, **counts))
    if any(planned.card.workload is not None for planned in result.after):
        sentences.insert(0, text("what_if.in_workload"))
    if border := figures["border"]:
        key = "along" if border["street"] else "line"
        fields = {"length": round(border["length_m"]), "along": round(border["along_m"])}
        sentences.insert(0, text(f"what_if.{key}", street=border["street"], **fields))
    without_plan = [planned.community.name for planned in result.before if not planned.in_force]
    if from_scratch:
        sentences.append(text("what_if.from_scratch"))
    else:
        sentences += [text("what_if.not_in_force", name=name) for name in without_plan]
    sentences += [
        f"· {text(f'reason.{key}', **fields)}"
        for planned in result.after
        for key, fields in planned.card.reasons
    ]
    return [*sentences, text("what_if.nothing_stored")]
