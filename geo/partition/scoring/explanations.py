"""Reasons why a drawing does not meet limits or constraints."""

from typing import Any

import numpy as np
import shapely

from geo.partition.cells.graph import Graph, count_forced_households
from geo.partition.constraints import nodes_with_code
from geo.partition.problem import PreviousAssignment, Problem
from geo.partition.scoring.objective import Limits
from geo.types import Ints, Strings

Reasons = tuple[tuple[str, dict[str, Any]], ...]

MIN_CROSSING_M2 = 1.0
"""A building with less of its footprint outside than this counts as inaccurately drawn."""

MAX_NAMED = 5
"""Buildings named in one reason."""


def explain_reasons(reasons: Reasons, problem: Problem, label: Ints) -> Reasons:
    """Return the reasons of a score card, more precise where the graph shows why.

    Parameters
    ----------
    reasons
        Of the score card; the fields of a grid hold its number.
    label
        (n,) int64 grid of each node.
    """
    limits = problem.constraints.limits
    names = _node_names(problem)
    if not problem.atoms.size.any():  # find_unknown_households says that nobody lives there
        reasons = tuple(reason for reason in reasons if reason[0] != "outside_limits")
    explained = []
    for key, fields in reasons:
        nodes = np.flatnonzero(label == fields["grid"]) if "grid" in fields else None
        if key == "outside_limits" and nodes is not None and len(nodes):
            explained.append(_explain_outside_limits(fields, problem.graph, nodes, limits, names))
        else:
            explained.append((key, fields))
    return tuple(explained)


def replace_numbers_by_codes(reasons: Reasons, codes: list[str]) -> Reasons:
    """Return reasons with codes of grids instead of their numbers, ordered by grid."""
    coded = [
        (key, fields | {n: codes[fields[n]] for n in ("grid", "other") if _is_grid(fields, n)})
        for key, fields in reasons
    ]
    return tuple(
        sorted(coded, key=lambda reason: ("grid" not in reason[1], reason[1].get("grid", "")))
    )


def _is_grid(fields: dict[str, Any], name: str) -> bool:
    """Return whether a field holds a grid number (a constraint has building codes there)."""
    return isinstance(fields.get(name), int)


def _explain_outside_limits(
    fields: dict[str, Any], graph: Graph, nodes: Ints, limits: Limits, names: Strings
) -> tuple[str, dict[str, Any]]:
    """Return the reason why one grid is outside the limits.

    A grid is inevitably too large where some households are connected to the rest only through
    one building, are too few for a grid of their own, and too many together with it, or where
    too many live on one cell. It is inevitably too small where nothing connects it to the rest.
    """
    if fields["households"] < limits.lower:
        part = graph.components()[1]
        is_island = np.isin(np.flatnonzero(part == part[nodes[0]]), nodes).all()
        return ("island", fields) if is_island else ("outside_limits", fields)
    behind = [count_forced_households(graph, int(node), limits.lower) for node in nodes]
    together = graph.households[nodes] + behind
    if together.max() <= limits.upper:
        return "outside_limits", fields
    most = int(together.argmax())
    why = {"name": names[nodes[most]], "of_it": int(graph.households[nodes[most]])}
    if behind[most] == 0:
        return "same_ground", fields | why
    return "only_way", fields | why | {"behind": behind[most]}


def _node_names(problem: Problem) -> Strings:
    """Return (n,) name of each node: that of its atom with the most households."""
    order = np.argsort(problem.atoms.size, kind="stable")
    order = order[problem.node_of_atom[order] >= 0]
    names = np.full(len(problem.graph), "", dtype=object)
    names[problem.node_of_atom[order]] = problem.atoms.names()[order]
    return names


def find_buildings_across_border(problem: Problem) -> Reasons:
    """Return the buildings that cross the community's border, or lie outside."""
    footprints, land = problem.atoms.footprints, problem.community.polygon
    shapely.prepare(land)
    not_covered = np.flatnonzero(~shapely.covers(land, footprints))
    outside_m2 = np.zeros(len(footprints))
    outside_m2[not_covered] = shapely.area(shapely.difference(footprints[not_covered], land))
    across = np.flatnonzero(outside_m2 > MIN_CROSSING_M2)
    if len(across) == 0:
        return ()
    order = across[np.argsort(-outside_m2[across], kind="stable")]
    names = [str(name) for name in problem.atoms.names()[order[:MAX_NAMED]]]
    return (("crosses_border", {"count": len(across), "names": ", ".join(names)}),)


def find_unknown_households(problem: Problem) -> Reasons:
    """Return as reasons that nobody lives here, or where the number of households is unknown."""
    buildings = problem.community.buildings
    names = np.empty(0, dtype=object)
    if "households_unknown" in buildings:
        unknown = buildings[buildings["households_unknown"].to_numpy(dtype=bool)]
        names = unknown["name"].where(unknown["name"] != "", unknown["code"]).to_numpy()
    fields = {"count": len(names), "names": ", ".join(map(str, names[:MAX_NAMED]))}
    if not problem.atoms.households.any():
        return (("nobody_lives_there", fields) if len(names) else ("nobody_at_all", {}),)
    return (("households_unknown", fields),) if len(names) else ()


def find_unmet_constraints(problem: Problem, label: Ints, rows: Ints) -> Reasons:
    """Return the constraints that a drawing does not meet.

    Parameters
    ----------
    label
        (n,) grid of each node.
    rows
        (g,) row of each grid in the previous plan, -1 for a new one.
    """
    reasons: list[tuple[str, dict[str, Any]]] = []
    constraints = problem.constraints
    atoms = (problem.community, problem.atoms, problem.node_of_atom)
    for codes in constraints.together:
        nodes = np.unique(
            np.concatenate([nodes_with_code(code, "together", *atoms) for code in codes])
        )
        names = ", ".join(codes)
        households, upper = int(problem.graph.households[nodes].sum()), constraints.limits.upper
        if len(np.unique(label[nodes])) > 1:
            reasons.append(("together_unmet", {"names": names}))
        elif households > upper:
            over = {"names": names, "households": households, "upper": upper}
            reasons.append(("together_over_limit", over))
    for one, other in constraints.apart:
        first, second = (label[nodes_with_code(code, "apart", *atoms)] for code in (one, other))
        if np.intersect1d(first, second).size:
            reasons.append(("apart_unmet", {"one": one, "other": other}))
    if constraints.whole_compounds:
        reasons += _find_compounds_over_limit(problem)
    reasons += [("ground_lacking", {"name": name}) for name in problem.incomplete_areas]
    if problem.previous is not None:
        reasons += _find_moved_locked_buildings(problem, problem.previous, rows[label])
    return tuple(reasons)


def _find_moved_locked_buildings(
    problem: Problem, previous: PreviousAssignment, rows: Ints
) -> list[tuple[str, dict[str, Any]]]:
    """Return the locked buildings that are no longer in their grid."""
    codes = [
        code for code in problem.constraints.locked if code not in set(previous.plan.grids["code"])
    ]
    label = previous.labels.label
    atoms = (problem.community, problem.atoms, problem.node_of_atom)
    nodes = [nodes_with_code(code, "lock", *atoms) for code in codes]
    has_moved = [((label[own] >= 0) & (label[own] != rows[own])).any() for own in nodes]
    return [
        ("lock_unmet", {"name": code})
        for code, moved in zip(codes, has_moved, strict=True)
        if moved
    ]


def _find_compounds_over_limit(problem: Problem) -> list[tuple[str, dict[str, Any]]]:
    """Return the compounds that are too large to be kept whole."""
    buildings = problem.community.buildings
    limits = problem.constraints.limits
    households = buildings.groupby("compound_code")[limits.balance].sum()
    upper = limits.upper
    return [
        ("compound_over_limit", {"name": str(code), "households": int(count), "upper": upper})
        for code, count in households[households > upper].items()
    ]
