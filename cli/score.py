"""``gridatlas score``: the score card of any plan, from any source."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import console, score_output
from cli.command_options import Transformation, with_options
from cli.draw import (
    BalanceOption,
    ConstraintsFile,
    Lower,
    Target,
    Upper,
    Weights,
)
from geo import db
from geo.errors import InputError

if TYPE_CHECKING:
    import geopandas as gpd
    from sqlalchemy import Connection

    from geo.partition.constraints import Constraints
    from geo.plans.batch import DrawResult

app = typer.Typer()


@dataclass(frozen=True)
class ScoreOptions:
    """The options of ``gridatlas score``, in the order of the help."""

    file: Annotated[Path, typer.Argument(help="Grids as polygons, in any supported format.")]
    layer: Annotated[str, typer.Option(help="Layer of the file, if it has several.")] = ""
    crs: Annotated[
        str, typer.Option(help="Coordinate system of the file, if it does not state one.")
    ] = ""
    transformation: Transformation = ""
    community: Annotated[
        str, typer.Option(help="Only this community; default: all that the grids lie in.")
    ] = ""
    balance: BalanceOption = None
    target: Target = None
    lower: Lower = None
    upper: Upper = None
    weight: Weights = None
    constraints: ConstraintsFile = None
    against: Annotated[
        int | None, typer.Option(help="Number of a plan: count the households moved from it.")
    ] = None
    prove: Annotated[
        bool, typer.Option("--prove", help="Report the largest possible gap to the optimum.")
    ] = False
    out: Annotated[
        Path | None, typer.Option("--json", help="Write the score cards to this file.")
    ] = None


@app.command()
@with_options(ScoreOptions)
def score(options: ScoreOptions) -> None:
    """Score a plan drawn by anyone, and list everything that is wrong with it.

    Raises
    ------
    InputError
        If the file holds no plan of the community.
    """
    from cli import draw_request

    requested = draw_request.combine_options(options)
    db.upgrade()
    with db.get_engine().connect() as connection:
        settings = draw_request.file_coordinates(options.crs, options.transformation)
        plans = draw_request.read_plans(connection, options.file, settings, options.layer or None)
        if options.community and options.community not in plans:
            raise InputError("plan_elsewhere", file=options.file, community=options.community)
        codes = [options.community] if options.community else sorted(plans)
        results, of_areas = [], draw_request.file_coordinates("", "")
        with console.progress() as progress:
            progress("score", 0, len(codes))
            for code in codes:
                constraints = draw_request.constraints_of_community(requested, code, of_areas)
                results.append(
                    _score_plan(connection, code, plans[code], constraints, options.against)
                )
                progress("score", len(results), len(codes))
    score_output.show_scores(results)
    if options.out is not None:
        score_output.write_scores(results, options.out)


def _score_plan(
    connection: "Connection",
    code: str,
    polygons: "gpd.GeoDataFrame",
    constraints: "Constraints",
    against: int | None,
) -> "DrawResult":
    """Return the score card of polygons as a plan of a community."""
    from geo.partition.draw import lower_bound_for_redraw
    from geo.partition.plan_from_polygons import plan_from_polygons
    from geo.partition.proof.optimality import add_bound
    from geo.partition.scoring.review import review_plan
    from geo.plans import community_layers, store
    from geo.plans.batch import DrawResult

    community = community_layers.read_community(connection, code, constraints.limits.balance)
    plan = plan_from_polygons(polygons, community)
    previous = None
    if against is not None:
        previous = store.read_previous_plan(connection, community, against)
    card = review_plan(community, plan, constraints.limits, constraints.weights, previous)
    if constraints.prove:
        card = add_bound(card, lower_bound_for_redraw(community, plan, constraints))
    return DrawResult(code, community.name, None, card.as_json())
