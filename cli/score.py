"""``gridatlas score``: the score card of any plan, from any source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from cli import console, score_output
from cli.draw import PROVE_S
from geo.errors import InputError
from geo.messages import text

if TYPE_CHECKING:
    import geopandas as gpd
    from sqlalchemy import Connection

    from geo.partition.constraints import Constraints
    from geo.plans.batch import DrawResult


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def score(
        file: Annotated[
            Path, typer.Argument(help="Grids as polygons, in any format that is read.")
        ],
        layer: Annotated[str, typer.Option(help="Layer of the file, if it has several.")] = "",
        crs: Annotated[
            str, typer.Option(help="System of the file, if it does not say its own.")
        ] = "",
        community: Annotated[
            str, typer.Option(help="Only this community; default: all that the grids lie in.")
        ] = "",
        target: Annotated[int | None, typer.Option(help="Households aimed at: 400.")] = None,
        lower: Annotated[int | None, typer.Option(help="Fewest of a grid: 300.")] = None,
        upper: Annotated[int | None, typer.Option(help="Most of a grid: 500.")] = None,
        weight: Annotated[list[str] | None, typer.Option(help="NAME=NUMBER, as in draw.")] = None,
        wishes: Annotated[
            Path | None, typer.Option(help="Wishes file: limits and weights, as in draw.")
        ] = None,
        against: Annotated[
            int | None, typer.Option(help="Number of the plan against which moves are counted.")
        ] = None,
        prove: Annotated[
            bool,
            typer.Option("--prove", help="Say how far from the best possible it is, at most."),
        ] = False,
        out: Annotated[Path | None, typer.Option("--json", help="Write the score cards.")] = None,
    ) -> None:
        """Score a plan drawn by anyone, with all that is wrong with it."""
        from cli import draw_request as written
        from geo import db

        seconds = PROVE_S if prove else None
        options = {"target": target, "lower": lower, "upper": upper, "prove": seconds}
        given = {name: value for name, value in options.items() if value is not None}
        asked = written.combine_requests(given | {"weights": written.weights(weight or ())}, wishes)
        db.upgrade()
        with db.get_engine().connect() as connection:
            found = plans_in(connection, file, crs or None, layer or None)
            if community and community not in found:
                raise InputError("plan_elsewhere", file=file, community=community)
            chosen = [community] if community else sorted(found)
            scored = []
            with console.progress() as progress:
                progress("score", 0, len(chosen))
                for code in chosen:
                    own = written.of_one(asked, code, None)
                    scored.append(build_score_card(connection, code, found[code], own, against))
                    progress("score", len(scored), len(chosen))
        score_output.show(scored)
        if out is not None:
            score_output.write_scores(scored, out)


def plans_in(
    connection: Connection, file: Path, crs: str | None, layer: str | None = None
) -> dict[str, gpd.GeoDataFrame]:
    """Return the polygons of a file by the community in which most of each lies.

    Raises
    ------
    InputError
        If the file can't be read, holds no polygons, or touches no community.
    """
    from cli.draw_request import polygons_of
    from geo.partition.plan_from_polygons import assign_to_communities
    from geo.plans import store

    frame = polygons_of(file, crs, layer)
    near = store.communities_at(connection, frame.geometry)
    owner = assign_to_communities(frame.geometry.to_numpy(), near.geometry.to_numpy())
    if (owner < 0).all():
        raise InputError("plan_nowhere", file=file)
    if lost := int((owner < 0).sum()):
        console.err.print(text("score.elsewhere", count=lost), highlight=False)
    return {near["code"].iloc[row]: frame[owner == row] for row in np.unique(owner[owner >= 0])}


def build_score_card(
    connection: Connection,
    code: str,
    polygons: gpd.GeoDataFrame,
    wishes: Constraints,
    against: int | None,
) -> DrawResult:
    """Return the score card of polygons as a plan of a community."""
    from geo.partition.draw import lower_bound_for_redraw
    from geo.partition.plan_from_polygons import plan_from_polygons
    from geo.partition.proof.optimality import add_bound
    from geo.partition.scoring.review import review_plan
    from geo.plans import store
    from geo.plans.batch import DrawResult

    community = store.read_community(connection, code)
    plan = plan_from_polygons(polygons, community)
    before = None if against is None else store.before(connection, community, against)
    card = review_plan(community, plan, wishes.limits, wishes.weights, before)
    if wishes.prove:
        card = add_bound(card, lower_bound_for_redraw(community, plan, wishes))
    return DrawResult(code, community.name, None, card.as_json())
