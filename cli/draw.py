"""``gridatlas draw``: grids of one community, or of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from cli import console
from geo.errors import InputError, NotFoundError
from geo.messages import text

if TYPE_CHECKING:
    from geo.partition.batch import Drawn
    from geo.partition.wishes import Wishes


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def draw(
        community: Annotated[str, typer.Option(help="Code of one community, 12 digits.")] = "",
        every: Annotated[bool, typer.Option("--all", help="Draw every community.")] = False,
        region: Annotated[str, typer.Option(help="With --all: only below this code.")] = "",
        publish: Annotated[bool, typer.Option("--publish", help="Put the plans in force.")] = False,
        target: Annotated[int, typer.Option(help="Households of a grid to aim at.")] = 400,
        lower: Annotated[int, typer.Option(help="Fewest households of a grid.")] = 300,
        upper: Annotated[int, typer.Option(help="Most households of a grid.")] = 500,
        seed: Annotated[int, typer.Option(help="The same seed draws the same grids.")] = 1,
        out: Annotated[Path | None, typer.Option("--json", help="Write the score cards.")] = None,
        scheduler: Annotated[
            str | None, typer.Option(help="Dask scheduler, tcp://host:port; default: own cores.")
        ] = None,
    ) -> None:
        """Draw grids of about 400 households and keep them as plans."""
        from geo.partition.objective import Limits
        from geo.partition.wishes import Wishes

        if bool(community) == every:
            raise InputError("community_or_all")
        if not 0 < lower <= target <= upper:
            raise InputError("limits_disordered", lower=lower, target=target, upper=upper)
        wishes = Wishes(limits=Limits(target, lower, upper), seed=seed)
        codes = [code for code, _ in chosen(community, region)]
        drawn = run(codes, wishes, publish=publish, scheduler=scheduler)
        if community and drawn[0].refused:
            raise InputError("as_said", said=drawn[0].refused)
        show(drawn)
        if out is not None:
            write_scores(drawn, out)


def chosen(community: str, region: str) -> list[tuple[str, str]]:
    """Return code and name of the communities that are asked for.

    Raises
    ------
    NotFoundError, InputError
        If there is none.
    """
    from geo import db, plans
    from geo.codes import stem

    db.upgrade()
    with db.engine().connect() as connection:
        found = plans.communities(connection, community or stem(region))
    if community and not found:
        raise NotFoundError("no_such_community", code=community)
    if not found:
        raise InputError("nothing_to_draw", region=region or "*")
    return found


def run(
    codes: Sequence[str], wishes: Wishes, *, publish: bool, scheduler: str | None = None
) -> list[Drawn]:
    """Draw communities with a progress bar; return what became of each, by code."""
    from geo import db, plans
    from geo.partition.batch import draw_many

    with db.engine().connect() as connection:
        named = [one for one in plans.communities(connection) if one[0] in set(codes)]
    drawn = []
    with console.progress() as progress:
        progress("draw", 0, len(named))
        for one in draw_many(
            db.database_url(), named, wishes, publish=publish, scheduler=scheduler
        ):
            drawn.append(one)
            progress("draw", len(drawn), len(named))
    return sorted(drawn, key=lambda one: one.community)


def show(drawn: list[Drawn]) -> None:
    """Print the score card of each community, a line each, and what was not met."""
    table = Table(title=text("score.title"), title_justify="left", box=box.SIMPLE_HEAD)
    columns = ["community", "grids", "households", "within", "smallest", "largest"]
    columns += ["deviation", "barrier", "shape", "walk"]
    for column in columns:
        table.add_column(
            text(f"score.{column}"), justify="left" if column == "community" else "right"
        )
    for one in drawn:
        if one.plan is not None:
            table.add_row(f"{one.community[-6:]} {one.name}", *_figures(one.score))
    console.out.print(table)
    for one in drawn:
        if one.refused:
            console.out.print(f"· {one.refused}", highlight=False)
        for key, fields in one.score.get("reasons", ()):
            console.out.print(f"· {text(f'reason.{key}', **fields)}", highlight=False)
    console.out.print(_summary(drawn), highlight=False)


def _figures(score: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(score["grids"]),
        str(score["households"]),
        f"{score['within_limits']:.0%}",
        str(score["smallest"]),
        str(score["largest"]),
        f"{score['mean_deviation']:.0f}",
        f"{score['border_on_barrier']:.0%}",
        f"{score['polsby_popper']:.2f}",
        f"{score['walk_m']:.0f}",
    )


def _summary(drawn: list[Drawn]) -> str:
    """Return the whole in a sentence."""
    scores = [one.score for one in drawn if one.plan is not None]
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


def write_scores(drawn: list[Drawn], out: Path) -> None:
    """Write every score card as JSON."""
    cards = [
        {"community": one.community, "name": one.name, "plan": one.plan, "refused": one.refused}
        | {"score": one.score}
        for one in drawn
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(cards, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
