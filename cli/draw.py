"""``gridatlas draw``: draw the grids of one community, or of all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import console, score_output
from cli.command_options import with_options
from geo import db
from geo.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from etl.input.mapping import Coordinates
    from geo.partition.options import CommunityDrawOptions
    from geo.partition.previous_plan import PreviousPlan
    from geo.plans.batch import DrawResult
    from geo.plans.draw_runs import DrawOrder

app = typer.Typer()


def _option(panel: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=panel, **settings)


WHAT = "What to draw"
LIMITS = "Limits and constraints"
PREVIOUS = "Starting from a plan"
CHOICE = "Alternatives and proof"
FORECAST = "For a forecast"
RUN = "Many communities"

BalanceOption = Annotated[
    str | None,
    _option(LIMITS, "--balance", help="What grids share equally: households or workload."),
]
Target = Annotated[int | None, _option(LIMITS, help="Target households of a grid; default: 400.")]
Lower = Annotated[int | None, _option(LIMITS, help="Fewest households of a grid; default: 300.")]
Upper = Annotated[int | None, _option(LIMITS, help="Most households of a grid; default: 500.")]
Weights = Annotated[
    list[str] | None,
    _option(
        LIMITS,
        help="NAME=NUMBER: limit, balance, border, compactness, compound, moved, walk or station.",
    ),
]
ConstraintsFile = Annotated[
    Path | None,
    _option(LIMITS, help="NAME.toml with these options, also for single communities."),
]


@dataclass(frozen=True)
class CommandOptions:
    """The options of ``gridatlas draw``, in the order of the help."""

    community: Annotated[str, _option(WHAT, help="Code of one community, 12 digits.")] = ""
    every: Annotated[bool, _option(WHAT, "--all", help="Draw all communities.")] = False
    region: Annotated[
        str, _option(WHAT, help="With --all: first digits of the community codes.")
    ] = ""
    publish: Annotated[bool, _option(WHAT, "--publish", help="Publish the plans.")] = False
    micro: Annotated[
        bool,
        _option(
            WHAT,
            "--micro",
            help="Divide the grids in force, or of --from NUMBER, into 6 to 8 micro-grids.",
        ),
    ] = False
    out: Annotated[
        Path | None, _option(WHAT, "--json", help="Write the score cards to this file.")
    ] = None
    balance: BalanceOption = None
    target: Target = None
    lower: Lower = None
    upper: Upper = None
    weight: Weights = None
    together: Annotated[
        list[str] | None,
        _option(LIMITS, help="A,B,...: buildings, units or compounds to keep in one grid."),
    ] = None
    apart: Annotated[
        list[str] | None, _option(LIMITS, help="A,B: two that must not be in the same grid.")
    ] = None
    dedicated: Annotated[
        list[str] | None,
        _option(LIMITS, help="Facilities whose land forms a grid: school, market, hospital, ..."),
    ] = None
    area: Annotated[
        list[Path] | None, _option(LIMITS, help="File of polygons that each form a grid.")
    ] = None
    whole_compounds: Annotated[
        bool, _option(LIMITS, "--whole-compounds", help="Split no compound that fits in a grid.")
    ] = False
    constraints: ConstraintsFile = None
    seed: Annotated[int | None, _option(LIMITS, help="The same seed draws the same grids.")] = None
    seconds: Annotated[
        float | None, _option(LIMITS, help="Time limit per community; default: 60 s.")
    ] = None
    planned: Annotated[
        Path | None,
        _option(FORECAST, help="File of planned buildings with their households."),
    ] = None
    growth: Annotated[
        float | None,
        _option(FORECAST, help="Growth of today's households in percent; may be negative."),
    ] = None
    source: Annotated[
        str,
        _option(PREVIOUS, "--from", help="Plan number or polygon file; default: plan in force."),
    ] = ""
    crs: Annotated[
        str, _option(PREVIOUS, help="Coordinate system of files that do not state one.")
    ] = ""
    transformation: Annotated[
        str,
        _option(
            PREVIOUS,
            help="PROJ operation or grid file from the datum of files to CGCS2000; "
            "default: a published one.",
        ),
    ] = ""
    lock: Annotated[
        list[str] | None,
        _option(PREVIOUS, help="Grid to keep as it is, or building or unit to keep in its grid."),
    ] = None
    from_scratch: Annotated[
        bool, _option(PREVIOUS, "--from-scratch", help="Ignore the plan in force.")
    ] = False
    only_touched: Annotated[
        bool,
        _option(PREVIOUS, "--only-touched", help="Redraw only grids in which something changed."),
    ] = False
    repair: Annotated[
        bool,
        _option(PREVIOUS, "--repair", help="Complete or repair the plan with few changes."),
    ] = False
    alternatives: Annotated[
        int, _option(CHOICE, help="Number of distinct drawings to make.", min=1, max=9)
    ] = 1
    prove: Annotated[
        bool, _option(CHOICE, "--prove", help="Report the largest possible gap to the optimum.")
    ] = False
    scheduler: Annotated[
        str | None,
        _option(RUN, help="Dask scheduler, tcp://HOST:PORT; default: the local cores."),
    ] = None
    resume: Annotated[
        bool, _option(RUN, "--resume", help="Resume the last interrupted run, as ordered.")
    ] = False

    def has_forecast(self) -> bool:
        """Return whether the grids are to be drawn for a forecast."""
        return self.planned is not None or self.growth is not None


@app.command()
@with_options(CommandOptions)
def draw(options: CommandOptions) -> None:
    """Draw grids of about 400 households and store them as plans.

    Raises
    ------
    InputError
        If options contradict each other.
    """
    if options.resume:
        if options.community or options.every:
            raise InputError("resume_alone")
        report_results(_resume_run(options.scheduler), options.out)
        return
    from cli import draw_request

    requested = draw_request.combine_options(options)
    if options.micro:
        report_results(_divide_grids(options, requested), options.out)
        return
    if options.every:
        if options.has_forecast():
            raise InputError("forecast_alone")
        if options.community or options.source or options.alternatives > 1:
            raise InputError("community_or_all" if options.community else "of_one_community")
        report_results(_draw_region(options, requested), options.out)
        return
    if options.alternatives > 1 and options.has_forecast():
        raise InputError("forecast_alone")
    results = _draw_community(options, requested)
    if options.alternatives == 1:
        with console.best_effort():
            for expected in results[1:]:
                score_output.show_scores([expected])
        report_results(results[:1], None)
        if options.out is not None:
            score_output.write_scores(results, options.out)
        return
    score_output.show_alternatives(results)
    if len(results) < options.alternatives:
        console.print_text("trait.fewer", count=len(results), asked=options.alternatives)
    if options.out is not None:
        score_output.write_scores(results, options.out)


def report_results(results: Sequence["DrawResult"], out: Path | None) -> None:
    """Show and write the score cards; exit with 1 if a community could not be drawn.

    Raises
    ------
    typer.Exit
        If a community could not be drawn.
    """
    with console.best_effort():
        score_output.show_scores(results)
    if out is not None:
        with console.best_effort():
            score_output.write_scores(results, out)
    if any(result.failed for result in results):
        raise typer.Exit(1)


def _draw_community(
    options: CommandOptions, requested: "CommunityDrawOptions"
) -> list["DrawResult"]:
    """Draw one community, starting from the plan that ``--from`` names."""
    from cli import draw_request
    from geo.plans import batch

    code = options.community
    if not code and not options.source:
        raise InputError("community_or_all")
    db.upgrade()
    coordinates = draw_request.file_coordinates(options.crs, options.transformation)
    previous: int | PreviousPlan | None = None
    if options.source:
        if options.source.isdecimal():
            previous, code = _find_plan(int(options.source), code)
        else:
            previous, code = _read_plan(Path(options.source), code, coordinates)
        if requested.community.get(code, requested).fresh:
            raise InputError("fresh_excludes", constraint="from")
    constraints = draw_request.constraints_of_community(requested, code, coordinates)
    start: dict[str, Any] = {"previous": previous, "publish": options.publish}
    with console.progress() as progress:
        progress("draw", 0, 1)
        if options.has_forecast():
            growth = options.growth or 0.0
            forecast = draw_request.read_forecast(options.planned, growth, coordinates)
            results = [
                *batch.draw_community_for_forecast(
                    db.get_engine(), code, constraints, forecast, **start
                )
            ]
        else:
            results = batch.draw_community(
                db.get_engine(), code, constraints, count=options.alternatives, **start
            )
        progress("draw", 1, 1)
    return results


def _divide_grids(options: CommandOptions, requested: "CommunityDrawOptions") -> list["DrawResult"]:
    """Divide the grids of one community or of many into micro-grids."""
    from cli import draw_request
    from geo.plans import batch

    if options.every:
        return _draw_region(options, requested)
    code, plan = options.community, None
    if options.source and not options.source.isdecimal():
        raise InputError("micro_of_stored_plan", given=options.source)
    db.upgrade()
    if options.source:
        plan, code = _find_plan(int(options.source), code)
    if not code:
        raise InputError("community_or_all")
    coordinates = draw_request.file_coordinates(options.crs, options.transformation)
    constraints = draw_request.constraints_of_community(requested, code, coordinates)
    with console.progress() as progress:
        progress("draw", 0, 1)
        result = batch.divide_community(
            db.get_engine(), code, constraints, plan=plan, publish=options.publish
        )
        progress("draw", 1, 1)
    return [result]


def _find_plan(number: int, community: str) -> tuple[int, str]:
    """Return the number of a plan, of ``community`` if that is given, and its community."""
    from geo.plans import store

    with db.get_engine().connect() as connection:
        owner = store.community_of(connection, number)
    if owner is None or community not in ("", owner):
        raise NotFoundError("no_such_plan", plan=number, community=community or "*")
    return number, owner


def _read_plan(
    file: Path, community: str, coordinates: "Coordinates"
) -> tuple["PreviousPlan", str]:
    """Read a plan from a file of polygons; return it and the code of its community."""
    from cli import draw_request
    from geo.partition.plan_from_polygons import plan_from_polygons
    from geo.plans import community_layers

    with db.get_engine().connect() as connection:
        plans = draw_request.read_plans(connection, file, coordinates)
        if not community and len(plans) > 1:
            raise InputError("plan_for_several", file=file, codes=", ".join(plans))
        community = community or next(iter(plans))
        if community not in plans:
            raise InputError("plan_elsewhere", file=file, community=community)
        return plan_from_polygons(
            plans[community], community_layers.read_community(connection, community)
        ), community


def _draw_region(options: CommandOptions, requested: "CommunityDrawOptions") -> list["DrawResult"]:
    """Draw every community of a region as a run that can be resumed."""
    from cli import draw_request
    from geo.codes import code_prefix
    from geo.plans import community_layers
    from geo.plans.draw_runs import DrawOrder

    db.upgrade()
    with db.get_engine().connect() as connection:
        communities = community_layers.list_communities(connection, code_prefix(options.region))
        if not communities:
            raise InputError("nothing_to_draw", region=options.region or "*")
        coordinates = draw_request.file_coordinates(options.crs, options.transformation)
        constraints, exceptions = draw_request.constraints_of_communities(
            connection, requested, [code for code, _ in communities], coordinates
        )
    order = DrawOrder(
        tuple(communities), constraints, exceptions, options.publish, micro=options.micro
    )
    if options.micro:
        return _divide_region(order, options.scheduler)
    return run_order(order, scheduler=options.scheduler)


def _divide_region(order: "DrawOrder", scheduler: str | None) -> list["DrawResult"]:
    """Divide the grids of communities; no run is stored, since doing it again changes nothing."""
    from geo.plans.batch import draw_communities

    results = []
    with console.progress() as progress:
        progress("draw", 0, len(order.communities))
        for result in draw_communities(db.get_engine(), order, None, scheduler):
            results.append(result)
            progress("draw", len(results), len(order.communities))
    return sorted(results, key=lambda result: result.community)


def _resume_run(scheduler: str | None) -> list["DrawResult"]:
    from geo.plans import draw_runs

    db.upgrade()
    with db.get_engine().connect() as connection:
        number, order = draw_runs.find_interrupted_run(connection)
    return run_order(order, number, scheduler=scheduler)


def run_order(
    order: "DrawOrder", number: int | None = None, *, scheduler: str | None = None
) -> list["DrawResult"]:
    """Draw communities with a progress bar; return their results, ordered by code.

    Parameters
    ----------
    number
        Number of the run to resume; None starts a new run.
    """
    from geo.plans import draw_runs, store
    from geo.plans.batch import DrawResult, draw_communities

    bind = db.get_engine()
    number = draw_runs.start_run(bind, order) if number is None else number
    with draw_runs.lock_run(bind, number), console.progress() as progress:
        with bind.connect() as connection:
            cards = store.score_cards_of_run(connection, number)
        results = [
            DrawResult(code, card.name, card.plan, card.score) for code, card in cards.items()
        ]
        remaining = tuple(pair for pair in order.communities if pair[0] not in cards)
        progress("draw", len(results), len(order.communities))
        for result in draw_communities(
            bind, replace(order, communities=remaining), number, scheduler
        ):
            results.append(result)
            score_output.show_progress(result)
            progress("draw", len(results), len(order.communities))
        if not any(result.failed for result in results):
            draw_runs.finish_run(bind, number)
    return sorted(results, key=lambda result: result.community)
