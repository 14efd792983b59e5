"""Score cards on the terminal and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from cli import console
from geo.errors import InputError
from geo.messages import text

if TYPE_CHECKING:
    from geo.plans.batch import DrawResult
    from geo.plans.micro_division import MicroSummary

COLUMNS = (
    *("grids", "households", "within", "range", "deviation"),
    *("barrier", "shape", "ways", "far", "objective"),
)

OPTIONAL_COLUMNS = {
    "moved": "moved",
    "gap": "gap",
    "workload": "workload",
    "households_range": "smallest_households",
}
"""Columns of figures that not every plan has, and the figure that tells whether it has them."""

BORDER_COLUMNS = ("split", "arterial", "railway", "water", "beside_street", "spikes", "narrow")


def show_scores(results: Sequence["DrawResult"]) -> None:
    """Print each community's score card in two tables, and the limits and constraints not met."""
    scored = [result for result in results if result.score]
    optional = _optional_columns(scored)
    if scored:
        figures = [_figures(result.score, optional) for result in scored]
        _print_table("atlas.scorecard", (*COLUMNS, *optional), scored, figures)
        if "workload" in optional:
            _print(text("score.in_workload"))
        borders = [_border_figures(result.score) for result in scored]
        _print_table("score.borders", BORDER_COLUMNS, scored, borders)
    for result in scored:
        _show_stations(f"{result.community[-6:]} {result.name}", result.score)
    for result in results:
        if result.refused:
            _print(f"· {result.refused}")
        for key, fields in result.score.get("reasons", ()):
            _print(f"· {text(f'reason.{key}', **fields)}")
        for key, fields in result.micro.reasons if result.micro else ():
            _print(f"· {text(f'reason.{key}', **fields)}")
    _print(_summary([result.score for result in scored]))
    _show_micro_grids([result.micro for result in results if result.micro])


def _show_stations(title: str, score: dict[str, Any]) -> None:
    """Print the ways to the stations of a plan's grids, if there are several stations."""
    if score.get("station_m") is not None:
        figures = text("score.stations", metres=score["station_m"], share=score["station_other"])
        _print(f"· {title}: {figures}")


def _show_micro_grids(summaries: Sequence["MicroSummary"]) -> None:
    """Print how many micro-grids there are, and how many are within the limits.

    A unit over the upper limit is a micro-grid outside the limits in every division.
    """
    if not summaries:
        return
    parts = sum(summary.parts for summary in summaries)
    within = sum(summary.within for summary in summaries)
    grids = sum(summary.grids for summary in summaries)
    outside = sum(key == "micro_outside" for summary in summaries for key, _ in summary.reasons)
    share, possible = within / max(parts, 1), within / max(within + outside, 1)
    counts = {"grids": grids, "parts": parts, "within": within}
    _print(text("score.micro", lang=None, **counts, share=share, possible=possible))


def show_progress(result: "DrawResult") -> None:
    """Print the result of one community of a run on standard error."""
    done = text("draw.done", **result.score) if result.score else result.refused
    console.err.print(f"{result.community} {result.name}: {done}")


def show_alternatives(results: Sequence["DrawResult"]) -> None:
    """Print drawings of one community side by side, with the strengths of each."""
    table = Table(title=text("trait.title"), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for result in results:
        table.add_column(text("trait.plan", plan=result.plan), justify="right")
    optional = _optional_columns(results)
    rows = zip(*(_figures(result.score, optional) for result in results), strict=True)
    for column, figures in zip((*COLUMNS, *optional), rows, strict=True):
        table.add_row(text(f"score.{column}"), *figures)
    rows = zip(*(_border_figures(result.score) for result in results), strict=True)
    for column, figures in zip(BORDER_COLUMNS, rows, strict=True):
        table.add_row(text(f"score.{column}"), *figures)
    console.out.print(table)
    for result in results:
        traits = ", ".join(text(f"trait.{trait}") for trait in result.score["traits"])
        _print(f"{text('trait.plan', plan=result.plan)}: {traits or text('trait.none')}")
        _show_stations(text("trait.plan", plan=result.plan), result.score)
        for key, fields in result.score["reasons"]:
            _print(f"  · {text(f'reason.{key}', **fields)}")


def write_scores(results: Sequence["DrawResult"], out: Path) -> None:
    """Write the score cards as JSON."""
    names = ("community", "name", "plan", "refused", "score")
    cards = [
        {name: getattr(result, name) for name in names}
        | ({"micro": asdict(result.micro)} if result.micro else {})
        for result in results
    ]
    write_json(cards, out)


def write_json(content: object, out: Path) -> None:
    """Write content as JSON.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lines = json.dumps(content, ensure_ascii=False, indent=1)
        out.write_text(lines + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError("export_unwritable", file=out, said=error.strerror or error) from error


def _print_table(
    title: str,
    columns: Sequence[str],
    results: Sequence["DrawResult"],
    figures: Sequence[Sequence[str]],
) -> None:
    """Print a table with a line of figures per community."""
    table = Table(
        title=text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column(text("score.community"), no_wrap=True)
    for column in columns:
        table.add_column(text(f"score.{column}"), justify="right", no_wrap=True)
    for result, row in zip(results, figures, strict=True):
        table.add_row(f"{result.community[-6:]} {result.name}", *row)
    console.out.print(table)


def _print(line: str) -> None:
    console.out.print(line)


def _optional_columns(results: Sequence["DrawResult"]) -> list[str]:
    """Return the figures that not every plan has."""
    return [
        name
        for name, figure in OPTIONAL_COLUMNS.items()
        if any(result.score.get(figure) is not None for result in results)
    ]


def _figures(score: dict[str, Any], optional: Sequence[str]) -> tuple[str, ...]:
    """Return the formatted figures of a card in the order of the columns."""
    figures = (
        str(score["grids"]),
        str(score["households"]),
        f"{score['within_limits']:.0%}",
        f"{score['smallest']}-{score['largest']}",
        f"{score['mean_deviation']:.0f}",
        f"{score['border_on_barrier']:.0%}",
        f"{score['polsby_popper']:.2f}",
        _optional(score.get("walk_ways_m"), ".0f"),
        _optional(score.get("walk_far"), ".0%"),
        f"{score['objective']:.0f}",
    )
    moved, gap = score.get("moved"), score.get("gap")
    further = {
        "moved": "" if moved is None else str(moved),
        "gap": "" if gap is None else f"{gap:.1%}",
        "workload": str(score.get("workload") or ""),
        "households_range": _households_range(score),
    }
    return (*figures, *(further[name] for name in optional))


def _households_range(score: dict[str, Any]) -> str:
    smallest, largest = score.get("smallest_households"), score.get("largest_households")
    return "" if smallest is None else f"{smallest}-{largest}"


def _border_figures(score: dict[str, Any]) -> tuple[str, ...]:
    """Return the formatted figures of a card's borders in the order of BORDER_COLUMNS."""
    return (
        f"{score['compounds_split']} ({score['compounds_split_all']})",
        f"{score['arterial_inside_m']:.0f}",
        f"{score['railway_inside_m']:.0f}",
        f"{score['water_inside_m']:.0f}",
        f"{score['beside_street_m']:.0f}",
        str(score["spikes"]),
        f"{score['narrow_m2']:.0f}",
    )


def _optional(figure: float | None, form: str) -> str:
    return "" if figure is None else format(figure, form)


def _summary(scores: Sequence[dict[str, Any]]) -> str:
    """Return the totals of all communities in one sentence."""
    grids = sum(score["grids"] for score in scores)
    within = sum(score["within_limits"] * score["grids"] for score in scores)
    return text(
        "score.summary",
        communities=len(scores),
        grids=grids,
        households=sum(score["households"] for score in scores),
        within=round(within),
        contiguous=sum(score["contiguous"] for score in scores),
        gap=max((score["gap_m2"] for score in scores), default=0.0),
        overlap=max((score["overlap_m2"] for score in scores), default=0.0),
        border=sum(score["border_cost"] for score in scores),
    )
