"""The score card of a plan of polygons, whoever drew it."""

from dataclasses import replace

import numpy as np
import shapely

from geo.geometry.shared_borders import locate_by_overlap
from geo.partition import previous_plan
from geo.partition.cells.atoms import Atoms
from geo.partition.cells.tessellation import Cells
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.previous_plan import PreviousPlan
from geo.partition.problem import Problem, build_problem, node_points
from geo.partition.scoring import checks
from geo.partition.scoring.explanations import (
    explain_reasons,
    find_buildings_across_border,
    find_unknown_households,
    replace_numbers_by_codes,
)
from geo.partition.scoring.objective import Balance, Limits, Weights
from geo.partition.scoring.score_card import Members, ScoreCard, score
from geo.partition.scoring.walking import name_service_points
from geo.types import Bools, Ints, Polygons

SIZE_REASONS = frozenset(
    (
        *("atom_over_limit", "community_below_limit", "total_does_not_divide", "outside_limits"),
        *("only_way", "same_ground", "island", "together_over_limit", "compound_over_limit"),
        "households_in_no_grid",
    )
)
"""Reasons that state households; of a plan that balances workload they state workload."""

TRACE_M2 = 1e-6
"""A building with a smaller footprint of its own than this is located by its cell."""


STAND_IN_RADIUS_M = 0.01
"""Radius of the disc that stands in for such a building."""


def review_plan(
    community: Community,
    plan: PreviousPlan,
    limits: Limits | None = None,
    weights: Weights | None = None,
    previous: PreviousPlan | None = None,
) -> ScoreCard:
    """Score a plan of polygons and list its faults.

    Parameters
    ----------
    plan
        Its polygons; members are determined from where the buildings stand.
    previous
        The plan against which moved households are counted.
    """
    constraints = Constraints(limits=limits or Limits(), weights=weights or Weights(), fresh=True)
    problem = build_problem(community, constraints, None)
    polygons = plan.grids.geometry.to_numpy()
    footprints = undisputed_footprints(problem.atoms, problem.cells)
    grid = locate_by_overlap(footprints, polygons)
    moved = moved_households = None
    if previous is not None:
        moved = _count_moved(previous, plan, problem.atoms, grid, problem.atoms.size)
        households = problem.atoms.households
        moved_households = _count_moved(previous, plan, problem.atoms, grid, households)
    card = score(
        polygons,
        build_members(problem.atoms, grid),
        community,
        problem.cells,
        constraints.limits,
        constraints.weights,
        ~plan.is_general(),
        moved,
    )
    reasons = [
        *explain_reasons(card.reasons, problem, _grids_of_nodes(problem, grid, polygons)),
        *checks.find_cut_buildings(polygons, footprints, problem.atoms.names()),
        *find_buildings_across_border(problem),
        *find_unknown_households(problem),
    ]
    codes = list(plan.grids["code"])
    card = replace(
        card,
        reasons=replace_numbers_by_codes(tuple(reasons), codes),
        service_points=name_service_points(card.service_points, codes),
    )
    if constraints.limits.balance is Balance.WORKLOAD:
        return add_households(card, problem.atoms, grid, ~plan.is_general(), moved_households)
    return card


def build_members(atoms: Atoms, grid: Ints) -> Members:
    """Return the atoms as members of grids, for the score card; ``grid`` is (a,) int64."""
    centres = shapely.get_coordinates(shapely.centroid(atoms.footprints))
    return Members(grid, atoms.size, centres, atoms.compound, atoms.names())


def add_households(
    card: ScoreCard, atoms: Atoms, grid: Ints, dedicated: Bools, moved: int | None
) -> ScoreCard:
    """Return the card of a plan that balances workload with the households beside it.

    Parameters
    ----------
    grid
        (a,) int64 grid of each atom, -1 for none.
    dedicated
        (g,) bool grids that need no households.
    moved
        Households in another grid than in the previous plan.
    """
    inside = grid >= 0
    households = np.bincount(grid[inside], atoms.households[inside], len(dedicated))
    general = households[~dedicated].astype(np.int64)
    reasons = tuple(
        (f"{key}_workload" if key in SIZE_REASONS else key, fields) for key, fields in card.reasons
    )
    return replace(
        card,
        reasons=reasons,
        households=int(households.sum()),
        workload=card.households,
        smallest_households=int(general.min()) if len(general) else 0,
        largest_households=int(general.max()) if len(general) else 0,
        moved=moved,
    )


def undisputed_footprints(atoms: Atoms, cells: Cells) -> Polygons:
    """Return (a,) the footprint of each atom without what a larger one overlaps.

    Where nothing is left, a small disc at the nearest place of its cell stands in for it.
    """
    cell = cells.cell_of_atom
    own: Polygons = shapely.intersection(atoms.footprints, cells.polygons[cell])
    none = shapely.area(own) < TRACE_M2
    centres, land = shapely.centroid(atoms.footprints[none]), cells.polygons[cell[none]]
    nearest = shapely.get_point(shapely.shortest_line(land, centres), 0)
    # The point is on the cell's border: the part of the disc outside belongs to another cell.
    own[none] = shapely.intersection(shapely.buffer(nearest, STAND_IN_RADIUS_M), land)
    return own


def _grids_of_nodes(problem: Problem, grid: Ints, polygons: Polygons) -> Ints:
    """Return the grid of each node: that of its building, else that of its land."""
    label = previous_plan.locate_points(polygons, node_points(problem.graph))
    order = np.argsort(problem.atoms.size, kind="stable")
    order = order[problem.node_of_atom[order] >= 0]
    label[problem.node_of_atom[order]] = grid[order]
    return label


def _count_moved(
    previous: PreviousPlan, plan: PreviousPlan, atoms: Atoms, grid: Ints, sizes: Ints
) -> int:
    """Return the (a,) sizes of the atoms in another grid than in the previous plan, summed."""
    locations = previous_plan.locate_atoms(previous, atoms)
    inside = grid >= 0
    locations = previous_plan.AtomLocations(
        locations.grid[inside], locations.known[inside], locations.households[inside]
    )
    rows = previous_plan.match_to_previous_grids(
        previous, locations, atoms.households[inside], grid[inside], ~plan.is_general()
    )
    return previous_plan.count_moved_households(locations, sizes[inside], rows[grid[inside]])
