"""What if the borders of communities changed: draw the grids before and after, and compare.

Nothing is stored.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

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
from geo.partition.scoring.score_card import ScoreCard
from geo.partition.street_line import StreetLine, line_along_street
from geo.plans import store
from geo.plans.comparison import previous_grids
from geo.progress import Progress

MIN_LAND_M2 = 1.0
"""Land of a grid on the other side of a new border that is only rounding."""


class ChangeKind(StrEnum):
    """Kinds of changes of communities."""

    MERGE = "merge"
    DIVIDE = "divide"
    MOVE = "move"


@dataclass(frozen=True)
class BoundaryChange:
    """A change of communities.

    Attributes
    ----------
    street
        Name or code of the street along which the new border runs.
    line
        The new border itself, in degrees of EPSG:4490, instead of a street.
    """

    kind: ChangeKind
    street: str = ""
    line: shapely.Geometry | None = None


@dataclass(frozen=True)
class PlannedCommunity:
    """A community with its plan: the one in force, or one drawn for the comparison.

    Attributes
    ----------
    in_force
        Whether the plan is in force.
    """

    community: Community
    plan: PreviousPlan
    card: ScoreCard
    in_force: bool

    def figures(self) -> dict[str, Any]:
        """Return code, name, number of general grids and score card as plain values."""
        return {
            "code": self.community.code,
            "name": self.community.name,
            "in_force": self.in_force,
            "general_grids": int(self.plan.general().sum()),
            "score": self.card.as_json(),
        }


@dataclass(frozen=True)
class Totals:
    """Figures of several communities together.

    Attributes
    ----------
    grids, households
        General grids; all households.
    per_grid
        Households a general grid.
    within_limits
        Share of the general grids within the limits.
    border_cost
        Metres of border between grids through open ground.
    divided_compounds
        Compounds with households in more than one of the communities.
    """

    grids: int
    households: int
    per_grid: float
    within_limits: float
    smallest: int
    largest: int
    border_cost: float
    divided_compounds: int


@dataclass(frozen=True)
class WhatIf:
    """Communities and their grids before and after a change.

    Attributes
    ----------
    border
        The new border, None for a merger.
    atoms
        Buildings, or units of large ones: ``code``, ``unit_code``, ``households``,
        ``community_before``, ``community_after``, ``grid_before`` (None if unknown),
        ``grid_after``, ``grid_changed`` and the footprint of the building in metres. A grid is the
        same as before if it shares most households with the one before.
    """

    kind: ChangeKind
    before: tuple[PlannedCommunity, ...]
    after: tuple[PlannedCommunity, ...]
    border: StreetLine | None
    atoms: gpd.GeoDataFrame

    def totals(self) -> tuple[Totals, Totals]:
        """Return the figures before and after."""
        return _add_up(self.before), _add_up(self.after)

    def changed_community(self) -> gpd.GeoDataFrame:
        """Return the atoms that change community."""
        return self.atoms[self.atoms["community_before"] != self.atoms["community_after"]]

    def changed_grid(self) -> gpd.GeoDataFrame:
        """Return the atoms that change grid."""
        return self.atoms[self.atoms["grid_changed"]]

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        before, after = self.totals()
        moved = self.changed_community()
        border = self.border and {
            "street": self.border.street,
            "length_m": float(shapely.length(self.border.line)),
            "along_m": self.border.along_m,
        }
        return {
            "kind": self.kind.value,
            "border": border,
            "before": [planned.figures() for planned in self.before],
            "after": [planned.figures() for planned in self.after],
            "total_before": asdict(before),
            "total_after": asdict(after),
            "changed_community_households": int(moved["households"].sum()),
            "changed_community_buildings": int(moved["code"].nunique()),
            "changed_grid_households": int(self.changed_grid()["households"].sum()),
        }

    def layers(self) -> dict[str, gpd.GeoDataFrame]:
        """Return the grids, communities, buildings and border afterwards, in EPSG:4490."""
        layers = self._areas(self.after, "grid_after") | {"building": self.atoms}
        if self.border is not None:
            layers["border"] = gpd.GeoDataFrame(
                {"street": [self.border.street], "geom": [self.border.line]},
                geometry="geom",
                crs=self.atoms.crs,
            )
        return {name: frame.to_crs(crs.STORAGE) for name, frame in layers.items()}

    def layers_before(self) -> dict[str, gpd.GeoDataFrame]:
        """Return the grids and communities before the change, in EPSG:4490."""
        return {
            name: frame.to_crs(crs.STORAGE)
            for name, frame in self._areas(self.before, "grid_before").items()
        }

    def _areas(
        self, planned: Sequence[PlannedCommunity], grid_column: str
    ) -> dict[str, gpd.GeoDataFrame]:
        """Return the grids and the communities of plans in the metres of the atoms."""
        system = self.atoms.crs
        grids = pd.concat(
            [
                one.plan.grids[["code", "name", "kind", "geom"]]
                .to_crs(system)
                .assign(community_code=one.community.code, community_name=one.community.name)
                for one in planned
            ],
            ignore_index=True,
        )
        households = self.atoms.groupby(grid_column)["households"].sum()
        grids["households"] = grids["code"].map(households).fillna(0).astype(int)
        polygons = [
            crs.transform(one.community.polygon, one.community.buildings.crs, system)
            for one in planned
        ]
        communities = gpd.GeoDataFrame(
            {
                "code": [one.community.code for one in planned],
                "name": [one.community.name for one in planned],
                "households": [one.card.households for one in planned],
                "grids": [int(one.plan.general().sum()) for one in planned],
                "geom": polygons,
            },
            geometry="geom",
            crs=system,
        )
        return {"grid": grids, "community": communities}


def read_and_compare(
    connection: Connection,
    codes: Sequence[str],
    change: BoundaryChange,
    constraints: Constraints,
    report: Progress,
) -> WhatIf:
    """Read communities with their plans in force, change their borders, draw, and compare.

    Parameters
    ----------
    constraints
        Of all drawings; ``fresh`` ignores the plans in force, before and after.

    Raises
    ------
    GridatlasError
        If a community does not exist or has nothing to draw, or the change is not possible.
    """
    communities = [
        store.read_community(connection, code, constraints.limits.balance) for code in codes
    ]
    for community in communities:
        validate_community(community)
    changed, border = change_communities(communities, change)
    plans = [
        None if constraints.fresh else store.read_previous_plan(connection, community, None)
        for community in communities
    ]
    return compare_change(
        list(zip(communities, plans, strict=True)),
        changed,
        border,
        change.kind,
        constraints,
        report,
    )


def change_communities(
    communities: Sequence[Community], change: BoundaryChange
) -> tuple[tuple[Community, ...], StreetLine | None]:
    """Return communities after a change, and the new border.

    Raises
    ------
    GridatlasError
        If the change is not possible.
    """
    if change.kind is ChangeKind.MERGE:
        return (merge_communities(communities),), None
    whole = merge_communities(communities) if change.kind is ChangeKind.MOVE else communities[0]
    if change.line is None:
        border = line_along_street(whole, change.street)
    else:
        line = crs.transform(change.line, crs.STORAGE, whole.buildings.crs)
        border = StreetLine(shapely.intersection(line, whole.polygon), "", 0.0)
    if change.kind is ChangeKind.MOVE:
        return move_border(communities[0], communities[1], border.line), border
    return divide_community(whole, border.line), border


def compare_change(
    before: Sequence[tuple[Community, PreviousPlan | None]],
    after: Sequence[Community],
    border: StreetLine | None,
    kind: ChangeKind,
    constraints: Constraints,
    report: Progress,
) -> WhatIf:
    """Draw communities after a change, starting from the plans before it, and compare.

    Parameters
    ----------
    before
        The communities with their plans in force; where there is none, one is drawn.
    """
    steps = len(before) + len(after)
    planned_before = []
    for number, (community, plan) in enumerate(before):
        report("draw", number, steps)
        planned_before.append(_review_or_draw(community, plan, constraints))
    drawings, planned_after = [], []
    for number, community in enumerate(after, len(before)):
        report("draw", number, steps)
        previous = None if constraints.fresh else _plan_of_land(community, planned_before)
        drawing = draw(community, constraints, previous)
        drawings.append(drawing)
        planned_after.append(
            PlannedCommunity(community, _as_plan(drawing), drawing.score, in_force=False)
        )
    report("draw", steps, steps)
    atoms = _compare_atoms(planned_before, after, drawings)
    return WhatIf(kind, tuple(planned_before), tuple(planned_after), border, atoms)


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
    members = drawing.members[drawing.members["building_code"].notna()]
    columns = ["grid", "building_code", "unit_code", "households"]
    return PreviousPlan(drawing.grids, pd.DataFrame(members[columns]))


def _plan_of_land(community: Community, planned: Sequence[PlannedCommunity]) -> PreviousPlan:
    """Return the plans before on the land and for the buildings of a community."""
    system = community.buildings.crs
    grids = pd.concat(
        [one.plan.grids[["code", "name", "kind", "geom"]].to_crs(system) for one in planned],
        ignore_index=True,
    )
    inside = shapely.intersection(grids.geometry.to_numpy(), community.polygon)
    grids = grids.set_geometry(gpd.GeoSeries(inside, index=grids.index, crs=system))
    grids = grids[grids.area > MIN_LAND_M2].reset_index(drop=True)
    members = pd.concat([one.plan.members for one in planned], ignore_index=True)
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
    footprints = pd.concat([one.buildings.set_index("code").geometry for one in after])
    frame = pd.DataFrame(
        {
            "code": atoms["building_code"],
            "unit_code": atoms["unit_code"],
            "households": atoms["households"].astype(int),
            "community_before": atoms["building_code"].map(community_before),
            "community_after": atoms["community_after"],
            "grid_before": previous_grids(atoms, previous),
            "grid_after": atoms["grid"],
        }
    )
    frame["grid_changed"] = _changes_grid(frame)
    shapes = footprints.reindex(frame["code"]).to_numpy()
    return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(shapes, crs=after[0].buildings.crs))


def _changes_grid(atoms: pd.DataFrame) -> pd.Series:
    """Return which atoms are in another grid; grids are matched by the households they share."""
    known = atoms["grid_before"].notna()
    one, codes = pd.factorize(atoms.loc[known, "grid_after"])
    other, codes_before = pd.factorize(atoms.loc[known, "grid_before"])
    weights = atoms.loc[known, "households"].to_numpy() + 1e-3
    shape = (len(codes), len(codes_before))
    left, right, _ = match_grids(one.astype(np.int64), other.astype(np.int64), weights, shape)
    same = dict(zip(codes[left], codes_before[right], strict=True))
    return known & (atoms["grid_after"].map(same) != atoms["grid_before"])


def _add_up(planned: Sequence[PlannedCommunity]) -> Totals:
    general = np.array([one.plan.general().sum() for one in planned], dtype=np.int64)
    cards = [one.card for one in planned]
    within = sum(card.within_limits * count for card, count in zip(cards, general, strict=True))
    households = sum(card.households for card in cards)
    grids = int(general.sum())
    owners = pd.concat(
        [
            one.community.buildings[["compound_code", "households"]].assign(of=one.community.code)
            for one in planned
        ]
    )
    owners = owners[owners["compound_code"].notna() & (owners["households"] > 0)]
    divided = owners.groupby("compound_code")["of"].nunique() > 1
    return Totals(
        grids=grids,
        households=households,
        per_grid=households / max(grids, 1),
        within_limits=float(within) / max(grids, 1),
        smallest=min(card.smallest for card in cards),
        largest=max(card.largest for card in cards),
        border_cost=sum(card.border_cost for card in cards),
        divided_compounds=int(divided.sum()),
    )
