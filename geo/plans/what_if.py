"""Comparison of the grids before and after a hypothetical change of communities.

Nothing is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection

from geo import crs
from geo.partition.boundary_change import divide_community, merge_communities, move_border
from geo.partition.community import Community, validate_community
from geo.partition.constraints import Constraints
from geo.partition.draw import Drawing, draw
from geo.partition.matching import match_grids
from geo.partition.previous_plan import PreviousPlan
from geo.partition.scoring.review import review_plan
from geo.partition.street_line import StreetLine, find_street_line
from geo.plans import community_layers, store
from geo.plans.change_figures import BoundaryChangeKind, PlannedCommunity, WhatIf
from geo.plans.comparison import previous_grids
from geo.progress import Progress

MIN_LAND_M2 = 1.0
"""Smaller parts of a grid on the other side of a new border come from rounding: ignore them."""


@dataclass(frozen=True)
class BoundaryChange:
    """A change of communities that is to be tried.

    Attributes
    ----------
    street
        Name or code of the street along which the new border runs.
    line
        The new border itself, in degrees of EPSG:4490, instead of a street.
    """

    kind: BoundaryChangeKind
    street: str = ""
    line: shapely.Geometry | None = None


def read_communities(
    connection: Connection, codes: Sequence[str], constraints: Constraints
) -> list[tuple[Community, PreviousPlan | None]]:
    """Read communities with their plans in force, None where there is none.

    Parameters
    ----------
    constraints
        Of all drawings; ``fresh`` ignores the plans in force, before and after the change.

    Raises
    ------
    GridatlasError
        If a community does not exist or has nothing to draw.
    """
    communities = [
        community_layers.read_community(connection, code, constraints.limits.balance)
        for code in codes
    ]
    for community in communities:
        validate_community(community)
    return [
        (
            community,
            None
            if constraints.fresh
            else store.read_previous_plan(connection, community, plan=None),
        )
        for community in communities
    ]


def change_communities(
    communities: Sequence[Community], change: BoundaryChange
) -> tuple[tuple[Community, ...], StreetLine | None]:
    """Return the communities after a change, and the new border; None for a merger.

    Raises
    ------
    GridatlasError
        If the change is not possible.
    """
    if change.kind is BoundaryChangeKind.MERGE:
        return (merge_communities(communities),), None
    is_move = change.kind is BoundaryChangeKind.MOVE
    whole = merge_communities(communities) if is_move else communities[0]
    if change.line is None:
        border = find_street_line(whole, change.street)
    else:
        line = crs.transform(change.line, crs.STORAGE, whole.buildings.crs)
        border = StreetLine(shapely.intersection(line, whole.polygon), "", 0.0)
    if is_move:
        return move_border(communities[0], communities[1], border.line), border
    return divide_community(whole, border.line), border


def compare_change(
    before: Sequence[tuple[Community, PreviousPlan | None]],
    change: BoundaryChange,
    constraints: Constraints,
    report: Progress,
) -> WhatIf:
    """Change communities, draw them, starting from the plans before the change, and compare.

    Parameters
    ----------
    before
        The communities with their plans in force; where there is none, one is drawn.

    Raises
    ------
    GridatlasError
        If the change is not possible.
    """
    after, border = change_communities([community for community, _ in before], change)
    steps = len(before) + len(after)
    planned_before = []
    for number, (community, plan) in enumerate(before):
        report("draw", number, steps)
        planned_before.append(_review_or_draw(community, plan, constraints))
    drawings, planned_after = [], []
    for number, community in enumerate(after, len(before)):
        report("draw", number, steps)
        previous = None if constraints.fresh else _cut_plans(community, planned_before)
        drawing = draw(community, constraints, previous)
        drawings.append(drawing)
        planned_after.append(
            PlannedCommunity(community, _as_plan(drawing), drawing.score, in_force=False)
        )
    report("draw", steps, steps)
    atoms = _compare_atoms(planned_before, after, drawings)
    return WhatIf(change.kind, tuple(planned_before), tuple(planned_after), border, atoms)


def _review_or_draw(
    community: Community, plan: PreviousPlan | None, constraints: Constraints
) -> PlannedCommunity:
    """Score a plan under the constraints; draw one where there is none."""
    if plan is None:
        drawing = draw(community, constraints)
        return PlannedCommunity(community, _as_plan(drawing), drawing.score, in_force=False)
    card = review_plan(community, plan, constraints.limits, constraints.weights)
    return PlannedCommunity(community, plan, card, in_force=True)


def _as_plan(drawing: Drawing) -> PreviousPlan:
    """Return a drawing as if it were a stored plan."""
    members = drawing.members[drawing.members["building_code"].notna()]
    columns = ["grid", "building_code", "unit_code", "households"]
    return PreviousPlan(drawing.grids, pd.DataFrame(members[columns]))


def _cut_plans(community: Community, before: Sequence[PlannedCommunity]) -> PreviousPlan:
    """Return the grids before the change, cut to the land and the buildings of a community."""
    system = community.buildings.crs
    grids = pd.concat(
        [planned.plan.grids[["code", "name", "kind", "geom"]].to_crs(system) for planned in before],
        ignore_index=True,
    )
    inside = shapely.intersection(grids.geometry.to_numpy(), community.polygon)
    grids = grids.set_geometry(gpd.GeoSeries(inside, index=grids.index, crs=system))
    grids = grids[grids.area > MIN_LAND_M2].reset_index(drop=True)
    members = pd.concat([planned.plan.members for planned in before], ignore_index=True)
    is_here = members["building_code"].isin(community.buildings["code"])
    is_here &= members["grid"].isin(grids["code"])
    return PreviousPlan(grids, members[is_here].reset_index(drop=True))


def _compare_atoms(
    before: Sequence[PlannedCommunity], after: Sequence[Community], drawings: Sequence[Drawing]
) -> gpd.GeoDataFrame:
    """Return the atoms with their communities and grids before and after."""
    previous = pd.concat([planned.plan.members for planned in before], ignore_index=True)
    atoms = pd.concat(
        [
            drawing.members[drawing.members["building_code"].notna()].assign(
                community_after=community.code
            )
            for community, drawing in zip(after, drawings, strict=True)
        ],
        ignore_index=True,
    )
    community_before = {
        code: planned.community.code
        for planned in reversed(before)
        for code in planned.community.buildings["code"]
    }
    buildings = pd.concat([community.buildings.set_index("code") for community in after])
    frame = pd.DataFrame(
        {
            "code": atoms["building_code"],
            "unit_code": atoms["unit_code"],
            "name": atoms["building_code"].map(buildings["name"]).fillna(""),
            "households": atoms["households"].astype(int),
            "community_before": atoms["building_code"].map(community_before),
            "community_after": atoms["community_after"],
            "grid_before": previous_grids(atoms, previous),
            "grid_after": atoms["grid"],
        }
    )
    frame["grid_changed"] = _is_grid_changed(frame)
    shapes = buildings["geom"].reindex(frame["code"]).to_numpy()
    return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(shapes, crs=after[0].buildings.crs))


def _is_grid_changed(atoms: pd.DataFrame) -> pd.Series:
    """Return for each atom whether its grid is another; grids are matched by common households."""
    known = atoms["grid_before"].notna()
    grid_after, codes_after = pd.factorize(atoms.loc[known, "grid_after"])
    grid_before, codes_before = pd.factorize(atoms.loc[known, "grid_before"])
    weights = atoms.loc[known, "households"].to_numpy() + 1e-3
    shape = (len(codes_after), len(codes_before))
    left, right, _ = match_grids(
        grid_after.astype(np.int64), grid_before.astype(np.int64), weights, shape
    )
    matches = dict(zip(codes_after[left], codes_before[right], strict=True))
    return known & (atoms["grid_after"].map(matches) != atoms["grid_before"])
