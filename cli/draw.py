"""``gridatlas draw``: grids of one community, or of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import console, score_output
from geo.errors import InputError, NotFoundError
from geo.messages import text

if TYPE_CHECKING:
    from geo.partition.options import CommunityDrawOptions
    from geo.partition.previous_plan import PreviousPlan
    from geo.plans.batch import DrawResult
    from geo.plans.draw_runs import DrawOrder

PROVE_S = 60.0

WHAT, WISHES, BEFORE, CHOICE, RUN = (
    "What to draw",
    "Limits and wishes",
    "Going on from a plan",
    "Choice and proof",
    "Many communities",
)

Codes = list[str]
Files = list[Path]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def draw(
        community: Annotated[
            str, typer.Option(help="Code of one community, 12 digits.", rich_help_panel=WHAT)
        ] = "",
        every: Annotated[
            bool, typer.Option("--all", help="Draw every community.", rich_help_panel=WHAT)
        ] = False,
        region: Annotated[
            str, typer.Option(help="With --all: only below this code.", rich_help_panel=WHAT)
        ] = "",
        publish: Annotated[
            bool, typer.Option("--publish", help="Put the plans in force.", rich_help_panel=WHAT)
        ] = False,
        out: Annotated[
            Path | None,
            typer.Option("--json", help="Write the score cards.", rich_help_panel=WHAT),
        ] = None,
        target: Annotated[
            int | None, typer.Option(help="Households to aim at: 400.", rich_help_panel=WISHES)
        ] = None,
        lower: Annotated[
            int | None, typer.Option(help="Fewest of a grid: 300.", rich_help_panel=WISHES)
        ] = None,
        upper: Annotated[
            int | None, typer.Option(help="Most of a grid: 500.", rich_help_panel=WISHES)
        ] = None,
        weight: Annotated[
            Codes | None,
            typer.Option(
                help="NAME=NUMBER: limit, balance, border, compactness, compound or moved.",
                rich_help_panel=WISHES,
            ),
        ] = None,
        together: Annotated[
            Codes | None,
            typer.Option(
                help="A,B,...: buildings, units or compounds to be in one grid.",
                rich_help_panel=WISHES,
            ),
        ] = None,
        apart: Annotated[
            Codes | None,
            typer.Option(help="A,B: two that are not to be in one.", rich_help_panel=WISHES),
        ] = None,
        dedicated: Annotated[
            Codes | None,
            typer.Option(
                help="Category of facility whose grounds are a grid: school, market, hospital, ...",
                rich_help_panel=WISHES,
            ),
        ] = None,
        area: Annotated[
            Files | None,
            typer.Option(
                help="File of polygons that are a grid of their own.", rich_help_panel=WISHES
            ),
        ] = None,
        whole_compounds: Annotated[
            bool,
            typer.Option(
                "--whole-compounds", help="Split no compound that fits.", rich_help_panel=WISHES
            ),
        ] = False,
        wishes: Annotated[
            Path | None,
            typer.Option(
                help="NAME.toml with all this and more, also for single communities.",
                rich_help_panel=WISHES,
            ),
        ] = None,
        seed: Annotated[
            int | None,
            typer.Option(help="The same seed draws the same grids.", rich_help_panel=WISHES),
        ] = None,
        seconds: Annotated[
            float | None,
            typer.Option(help="Longest search for a community: 60.", rich_help_panel=WISHES),
        ] = None,
        source: Annotated[
            str,
            typer.Option(
                "--from",
                help="Number of a plan or file of polygons; default: the plan in force.",
                rich_help_panel=BEFORE,
            ),
        ] = "",
        crs: Annotated[
            str,
            typer.Option(help="System of files that do not say their own.", rich_help_panel=BEFORE),
        ] = "",
        lock: Annotated[
            Codes | None,
            typer.Option(
                help="Grid that stays as it is, or building or unit that stays in its grid.",
                rich_help_panel=BEFORE,
            ),
        ] = None,
        fresh: Annotated[
            bool, typer.Option("--fresh", help="Forget the plan.", rich_help_panel=BEFORE)
        ] = False,
        only_touched: Annotated[
            bool,
            typer.Option(
                "--only-touched",
                help="Redraw only grids in which something changed.",
                rich_help_panel=BEFORE,
            ),
        ] = False,
        complete: Annotated[
            bool,
            typer.Option(
                "--complete",
                help="Finish or repair the plan with the least change.",
                rich_help_panel=BEFORE,
            ),
        ] = False,
        alternatives: Annotated[
            int,
            typer.Option(
                help="So many drawings that really differ.", min=1, max=9, rich_help_panel=CHOICE
            ),
        ] = 1,
        prove: Annotated[
            bool,
            typer.Option(
                "--prove",
                help="Say how far from the best possible it is, at most.",
                rich_help_panel=CHOICE,
            ),
        ] = False,
        scheduler: Annotated[
            str | None,
            typer.Option(
                help="Dask scheduler, tcp://host:port; default: own cores.", rich_help_panel=RUN
            ),
        ] = None,
        resume: Annotated[
            bool,
            typer.Option(
                "--resume",
                help="Go on with the last run that was broken off, as it was asked.",
                rich_help_panel=RUN,
            ),
        ] = False,
    ) -> None:
        """Draw grids of about 400 households and keep them as plans."""
        from cli import draw_request as written

        if resume:
            if community or every:
                raise InputError("resume_alone")
            finish(_resume_run(scheduler), out)
            return
        options = {
            "target": target,
            "lower": lower,
            "upper": upper,
            "weights": written.weights(weight or ()),
            "together": written.codes("--together", together or ()),
            "apart": written.codes("--apart", apart or (), exactly=2),
            "dedicated": dedicated or (),
            "areas": [str(file) for file in area or ()],
            "whole_compounds": whole_compounds or None,
            "seed": seed,
            "seconds": seconds,
            "lock": lock or (),
            "fresh": fresh or None,
            "only_touched": only_touched or None,
            "complete": complete or None,
            "prove": PROVE_S if prove else None,
        }
        asked = written.combine_requests(
            {name: value for name, value in options.items() if value is not None}, wishes
        )
        if every:
            if community or source or alternatives > 1:
                raise InputError("community_or_all" if community else "of_one_community")
            finish(_all(asked, region, crs, publish=publish, scheduler=scheduler), out)
            return
        drawn = _one(asked, community, source, crs, alternatives, publish=publish)
        if alternatives > 1:
            score_output.show_choice(drawn)
            if len(drawn) < alternatives:
                console.out.print(text("trait.fewer", count=len(drawn), asked=alternatives))
            if out is not None:
                score_output.write_scores(drawn, out)
        else:
            finish(drawn, out)


def finish(drawn: Sequence[DrawResult], out: Path | None) -> None:
    """Show the score cards, and write them; end with 1 where a community could not be drawn."""
    with console.best_effort():
        score_output.show(drawn)
    if out is not None:
        with console.best_effort():
            score_output.write_scores(drawn, out)
    if any(one.failed for one in drawn):
        raise typer.Exit(1)


def _one(
    asked: CommunityDrawOptions, community: str, source: str, crs: str, count: int, *, publish: bool
) -> list[DrawResult]:
    """Draw one community, from what a person names."""
    from cli import draw_request as written
    from geo import db
    from geo.plans.batch import draw_one

    if not community and not source:
        raise InputError("community_or_all")
    db.upgrade()
    before: int | PreviousPlan | None = None
    if source.isdecimal():
        before, community = _plan_numbered(int(source), community)
    elif source:
        before, community = _plan_in(Path(source), community, crs)
    asked = _going_on(asked, community) if before is not None else asked
    wishes = written.of_one(asked, community, crs or None)
    with console.progress() as progress:
        progress("draw", 0, 1)
        drawn = draw_one(
            db.get_engine(), community, wishes, before=before, count=count, publish=publish
        )
        progress("draw", 1, 1)
    return drawn


def _going_on(asked: CommunityDrawOptions, community: str) -> CommunityDrawOptions:
    """Refuse to forget the plan that is named.

    Raises
    ------
    InputError
        If both are asked.
    """
    if asked.community.get(community, asked).fresh:
        raise InputError("fresh_excludes", wish="from")
    return asked


def _plan_numbered(number: int, community: str) -> tuple[int, str]:
    """Return a plan's number and its community, if that is not said."""
    from geo import db
    from geo.plans import store

    with db.get_engine().connect() as connection:
        owner = store.community_of(connection, number)
    if owner is None or community not in ("", owner):
        raise NotFoundError("no_such_plan", plan=number, community=community or "*")
    return number, owner


def _plan_in(file: Path, community: str, crs: str) -> tuple[PreviousPlan, str]:
    """Return the plan in a file, and the community in which it lies, if that is not said.

    Raises
    ------
    InputError
        If it lies in none, in several, or elsewhere than is said.
    """
    from cli.score import plans_in
    from geo import db
    from geo.partition.plan_from_polygons import plan_from_polygons
    from geo.plans import store

    with db.get_engine().connect() as connection:
        found = plans_in(connection, file, crs or None)
        if not community and len(found) > 1:
            raise InputError("plan_for_several", file=file, codes=", ".join(found))
        community = community or next(iter(found))
        if community not in found:
            raise InputError("plan_elsewhere", file=file, community=community)
        return plan_from_polygons(
            found[community], store.read_community(connection, community)
        ), community


def _all(
    asked: CommunityDrawOptions, region: str, crs: str, *, publish: bool, scheduler: str | None
) -> list[DrawResult]:
    """Draw every community of a region, as a run that can be resumed."""
    from cli import draw_request as written
    from geo import db
    from geo.plans.draw_runs import DrawOrder

    named = select_communities(region)
    with db.get_engine().connect() as connection:
        wishes, own = written.of_many(connection, asked, [code for code, _ in named], crs or None)
    return run(DrawOrder(tuple(named), wishes, own, publish), scheduler=scheduler)


def select_communities(region: str) -> list[tuple[str, str]]:
    """Return code and name of the communities of a region.

    Raises
    ------
    InputError
        If there is none.
    """
    from geo import db
    from geo.codes import stem
    from geo.plans import store

    db.upgrade()
    with db.get_engine().connect() as connection:
        found = store.communities(connection, stem(region))
    if not found:
        raise InputError("nothing_to_draw", region=region or "*")
    return found


def _resume_run(scheduler: str | None) -> list[DrawResult]:
    """Go on with the last run that was broken off."""
    from geo import db
    from geo.plans import draw_runs

    db.upgrade()
    with db.get_engine().connect() as connection:
        number, order = draw_runs.find_interrupted_run(connection)
    return run(order, number, scheduler=scheduler)


def run(
    order: DrawOrder, number: int | None = None, *, scheduler: str | None = None
) -> list[DrawResult]:
    """Draw communities with a progress bar; return what became of each, by code.

    Parameters
    ----------
    number
        Of the run to go on with; a new one by default.
    """
    from geo import db
    from geo.plans import draw_runs, store
    from geo.plans.batch import DrawResult, draw_many

    bind = db.get_engine()
    number = draw_runs.begin(bind, order) if number is None else number
    with draw_runs.working_on(bind, number), console.progress() as progress:
        with bind.connect() as connection:
            kept = store.cards_of_run(connection, number)
        drawn = [DrawResult(code, card.name, card.plan, card.score) for code, card in kept.items()]
        left = replace(order, communities=tuple(c for c in order.communities if c[0] not in kept))
        progress("draw", len(drawn), len(order.communities))
        for one in draw_many(bind, left, number, scheduler):
            drawn.append(one)
            score_output.show_done(one)
            progress("draw", len(drawn), len(order.communities))
        if not any(one.failed for one in drawn):
            draw_runs.finish(bind, number)
    return sorted(drawn, key=lambda one: one.community)
