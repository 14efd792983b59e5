"""Figures of communities and their grids before and after a change of borders."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo import crs

if TYPE_CHECKING:  # a server that only shows results does not load the search and Numba
    from geo.partition.community import Community
    from geo.partition.previous_plan import PreviousPlan
    from geo.partition.scoring.score_card import ScoreCard
    from geo.partition.street_line import StreetLine


class BoundaryChangeKind(StrEnum):
    """Kinds of changes of communities."""

    MERGE = "merge"
    DIVIDE = "divide"
    MOVE = "move"


@dataclass(frozen=True)
class PlannedCommunity:
    """A community with its plan: the one in force, or one drawn for the comparison.

    Attributes
    ----------
    in_force
        Whether the plan is in force.
    """

    community: "Community"
    plan: "PreviousPlan"
    card: "ScoreCard"
    in_force: bool

    def figures(self) -> dict[str, Any]:
        """Return code, name, number of general grids and score card as plain values."""
        return {
            "code": self.community.code,
            "name": self.community.name,
            "in_force": self.in_force,
            "general_grids": int(self.plan.is_general().sum()),
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
        Households per general grid.
    within_limits
        Share of the general grids within the limits.
    walk_ways_m, walk_far
        Mean walk of a household to the service point of its grid along streets and paths, and share
        of the households that walk over 500 m; None where a community has no ways.
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
    walk_ways_m: float | None
    walk_far: float | None
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
        Buildings, or units of large ones: ``code``, ``unit_code``, ``name``, ``households``,
        ``community_before``, ``community_after``, ``grid_before`` (None if unknown),
        ``grid_after``, ``grid_changed`` and the footprint of the building in metres. Grids before
        and after are matched by the households that they have in common; ``grid_changed`` marks
        the atoms that leave their matched grid.
    """

    kind: BoundaryChangeKind
    before: tuple[PlannedCommunity, ...]
    after: tuple[PlannedCommunity, ...]
    border: "StreetLine | None"
    atoms: gpd.GeoDataFrame

    def totals(self) -> tuple[Totals, Totals]:
        """Return the figures before and after."""
        return _sum_figures(self.before), _sum_figures(self.after)

    def atoms_with_other_community(self) -> gpd.GeoDataFrame:
        """Return the atoms that change community."""
        return self.atoms[self.atoms["community_before"] != self.atoms["community_after"]]

    def atoms_with_other_grid(self) -> gpd.GeoDataFrame:
        """Return the atoms that change grid."""
        return self.atoms[self.atoms["grid_changed"]]

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        before, after = self.totals()
        moved = self.atoms_with_other_community()
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
            "changed_grid_households": int(self.atoms_with_other_grid()["households"].sum()),
        }

    def layers(self) -> dict[str, gpd.GeoDataFrame]:
        """Return the grids, communities, buildings and border after the change, in EPSG:4490."""
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
        self, communities: Sequence[PlannedCommunity], grid_column: str
    ) -> dict[str, gpd.GeoDataFrame]:
        """Return the grids and the communities of plans in the metric system of the atoms."""
        system = self.atoms.crs
        grids = pd.concat(
            [
                planned.plan.grids[["code", "name", "kind", "geom"]]
                .to_crs(system)
                .assign(
                    community_code=planned.community.code, community_name=planned.community.name
                )
                for planned in communities
            ],
            ignore_index=True,
        )
        households = self.atoms.groupby(grid_column)["households"].sum()
        grids["households"] = grids["code"].map(households).fillna(0).astype(int)
        polygons = [
            crs.transform(planned.community.polygon, planned.community.buildings.crs, system)
            for planned in communities
        ]
        areas = gpd.GeoDataFrame(
            {
                "code": [planned.community.code for planned in communities],
                "name": [planned.community.name for planned in communities],
                "households": [planned.card.households for planned in communities],
                "grids": [int(planned.plan.is_general().sum()) for planned in communities],
                "geom": polygons,
            },
            geometry="geom",
            crs=system,
        )
        return {"grid": grids, "community": areas}


def _sum_figures(communities: Sequence[PlannedCommunity]) -> Totals:
    """Return the figures of communities together."""
    general = np.array([planned.plan.is_general().sum() for planned in communities], dtype=np.int64)
    cards = [planned.card for planned in communities]
    within = sum(card.within_limits * count for card, count in zip(cards, general, strict=True))
    households = sum(card.households for card in cards)
    grids = int(general.sum())
    compounds = pd.concat(
        [
            planned.community.buildings[["compound_code", "households"]].assign(
                community=planned.community.code
            )
            for planned in communities
        ]
    )
    compounds = compounds[compounds["compound_code"].notna() & (compounds["households"] > 0)]
    divided = compounds.groupby("compound_code")["community"].nunique() > 1
    return Totals(
        grids=grids,
        households=households,
        per_grid=households / max(grids, 1),
        within_limits=float(within) / max(grids, 1),
        smallest=min(card.smallest for card in cards),
        largest=max(card.largest for card in cards),
        walk_ways_m=_mean_of_households([(card.households, card.walk_ways_m) for card in cards]),
        walk_far=_mean_of_households([(card.households, card.walk_far) for card in cards]),
        border_cost=sum(card.border_cost for card in cards),
        divided_compounds=int(divided.sum()),
    )


def _mean_of_households(values: Sequence[tuple[int, float | None]]) -> float | None:
    """Return the mean of (households, value), None where a community has no value."""
    known = [(households, value) for households, value in values if value is not None]
    households = sum(count for count, _ in known)
    if len(known) < len(values) or households == 0:
        return None
    return sum(count * value for count, value in known) / households
