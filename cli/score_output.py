"""Score cards on the terminal and as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from cli import console
from geo.errors import InputError
from geo.messages import text

if TYPE_CHECKING:
    from geo.plans.batch import DrawResult

COLUMNS = (
    *("grids", "households", "within", "range", "deviation"),
    *("barrier", "shape", "walk", "objective"),
)


def show(drawn: Sequence["DrawResult"]) -> None:
    """Print the score card of each community, a line each, and what was not met."""
    scored = [one for one in drawn if one.score]
    more = [name for name in ("moved", "gap") if any(_has(one.score, name) for one in scored)]
    table = Table(
        title=text("score.title"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column(text("score.community"), no_wrap=True)
    for column in (*COLUMNS, *more):
        table.add_column(text(f"score.{column}"), justify="right", no_wrap=True)
    for one in scored:
        table.add_row(f"{one.community[-6:]} {one.name}", *_figures(one.score, more))
    if scored:
        console.out.print(table)
    for one in drawn:
        if one.refused:
            _say(f"· {one.refused}")
        for key, fields in one.score.get("reasons", ()):
            _say(f"· {text(f'reason.{key}', **fields)}")
    _say(_summary([one.score for one in scored]))


def show_done(one: "DrawResult") -> None:
    """Print on the error stream what became of a community of many, as soon as it is known."""
    done = text("draw.done", **one.score) if one.score else one.refused
    console.err.print(f"{one.community} {one.name}: {done}", highlight=False, markup=False)


def show_choice(drawn: Sequence["DrawResult"]) -> None:
    """Print drawings of one community side by side, and what sets each apart."""
    table = Table(title=text("trait.title"), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for one in drawn:
        table.add_column(text("trait.plan", plan=one.plan), justify="right")
    more = [name for name in ("moved", "gap") if any(_has(one.score, name) for one in drawn)]
    rows = zip(*(_figures(one.score, more) for one in drawn), strict=True)
    for column, figures in zip((*COLUMNS, *more), rows, strict=True):
        table.add_row(text(f"score.{column}"), *figures)
    split = [str(one.score["compounds_split"]) for one in drawn]
    table.add_row(text("scorecard.compounds_split"), *split)
    console.out.print(table)
    for one in drawn:
        traits = ", ".join(text(f"trait.{trait}") for trait in one.score["traits"])
        _say(f"{text('trait.plan', plan=one.plan)}: {traits or text('trait.none')}")
        for key, fields in one.score["reasons"]:
            _say(f"  · {text(f'reason.{key}', **fields)}")


def write_scores(drawn: Sequence["DrawResult"], out: Path) -> None:
    """Write every score card as JSON.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    cards = [
        {"community": one.community, "name": one.name, "plan": one.plan, "refused": one.refused}
        | {"score": one.score}
        for one in drawn
    ]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(cards, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError("export_unwritable", file=out, said=error.strerror or error) from error


def _say(line: str) -> None:
    console.out.print(line, highlight=False, markup=False)


def _has(score: dict[str, Any], name: str) -> bool:
    return score.get(name) is not None


def _figures(score: dict[str, Any], more: Sequence[str]) -> tuple[str, ...]:
    """Return the figures of a card in the order of the columns."""
    figures = (
        str(score["grids"]),
        str(score["households"]),
        f"{score['within_limits']:.0%}",
        f"{score['smallest']}-{score['largest']}",
        f"{score['mean_deviation']:.0f}",
        f"{score['border_on_barrier']:.0%}",
        f"{score['polsby_popper']:.2f}",
        f"{score['walk_m']:.0f}",
        f"{score['objective']:.0f}",
    )
    further = {
        "moved": str(score.get("moved")) if _has(score, "moved") else "",
        "gap": f"{score['gap']:.1%}" if _has(score, "gap") else "",
    }
    return (*figures, *(further[name] for name in more))


def _summary(scores: Sequence[dict[str, Any]]) -> str:
    """Return the whole in a sentence."""
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
