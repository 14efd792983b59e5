"""Why a drawing is not what was asked for, where the graph or the constraints say so."""

from typing import Any

import numpy as np
import shapely

from geo.partition.cells.graph import Graph, count_forced_households
from geo.partition.constraints import nodes_with_code
from geo.partition.problem import PreviousAssignment, Problem
from geo.partition.scoring.objective import Limits
from geo.types import Ints, Polygons

Reasons = tuple[tuple[str, dict[str, Any]], ...]

MIN_CROSSING_M2 = 1.0
"""A building with less of its footprint beyond the border than this is drawn a little off."""

MAX_NAMED = 5
"""So many buildings are named in one reason."""


def explain_reasons(reasons: Reasons, problem: Problem, label: Ints) -> Reasons:
    """Return the score card's reasons, told better where the graph knows more.

    Parameters
    ----------
    reasons
        Of the score card; the fields of a grid hold its number.
    label
        (n,) grid of each node.
    """
    limits = problem.constraints.limits
    names = _names(problem)
    told = []
    for key, fields in reasons:
        nodes = np.flatnonzero(label == fields["grid"]) if "grid" in fields else None
        if key == "outside_limits" and nodes is not None and len(nodes):
            told.append(_outside(fields, problem.graph, nodes, limits, names))
        else:
            told.append((key, fields))
    return tuple(told)


def replace_numbers_by_codes(reasons: Reasons, codes: list[str]) -> Reasons:
    """Return reasons with the codes of grids in place of their numbers, grid by grid."""
    coded = [
        (key, fields | {n: codes[fields[n]] for n in ("grid", "other") if _is_grid(fields, n)})
        for key, fields in reasons
    ]
    return tuple(sorted(coded, key=lambda one: ("grid" not in one[1], one[1].get("grid", ""))))


def _is_grid(fields: dict[str, Any], name: str) -> bool:
    """Return whether a field holds the number of a grid (a wish has codes of buildings there)."""
    return isinstance(fields.get(name), int)


def _outside(
    fields: dict[str, Any], graph: Graph, nodes: Ints, limits: Limits, names: Polygons
) -> tuple[str, dict[str, Any]]:
    """Return what stands in the way of one grid.

    A grid is too large without remedy where some households hang together with the rest only
    past one building, are too few for a grid of their own, and too many together with it, or
    where too many stand on one cell; it is too small where nothing joins it to the rest.
    """
    if fields["households"] < limits.lower:
        part = graph.components()[1]
        alone = np.isin(np.flatnonzero(part == part[nodes[0]]), nodes).all()
        return ("island", fields) if alone else ("outside_limits", fields)
    behind = [count_forced_households(graph, int(node), limits.lower) for node in nodes]
    together = graph.households[nodes] + behind
    if together.max() <= limits.upper:
        return "outside_limits", fields
    most = int(together.argmax())
    of_it = int(graph.households[nodes[most]])
    why = {"name": names[nodes[most]], "of_it": of_it}
    if behind[most] == 0:
        return "same_ground", fields | why
    return "only_way", fields | why | {"behind": behind[most]}


def _names(problem: Problem) -> Polygons:
    """Return what to call each node: its atom with the most households."""
    order = np.argsort(problem.atoms.households, kind="stable")
    order = order[problem.node_of_atom[order] >= 0]
    names = np.full(len(problem.graph), "", dtype=object)
    names[problem.node_of_atom[order]] = problem.atoms.names()[order]
    return names


def find_buildings_across_border(problem: Problem) -> Reasons:
    """Return the buildings that cross the community's border, or lie beyond it."""
    footprints, land = problem.atoms.footprints, problem.community.polygon
    shapely.prepare(land)
    out = np.flatnonzero(~shapely.covers(land, footprints))
    beyond = np.zeros(len(footprints))
    beyond[out] = shapely.area(shapely.difference(footprints[out], land))
    across = np.flatnonzero(beyond > MIN_CROSSING_M2)
    if len(across) == 0:
        return ()
    order = across[np.argsort(-beyond[across], kind="stable")]
    names = [str(name) for name in problem.atoms.names()[order[:MAX_NAMED]]]
    return (("crosses_border", {"count": len(across), "names": ", ".join(names)}),)


def find_unmet_constraints(problem: Problem, label: Ints, rows: Ints) -> Reasons:
    """Return the constraints that the drawing does not meet.

    Parameters
    ----------
    label
        (n,) grid of each node.
    rows
        (g,) row of the grid before that each grid goes on from, -1 for a new one.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    constraints, at = problem.constraints, (problem.community, problem.atoms, problem.node_of_atom)
    for codes in constraints.together:
        nodes = np.unique(
            np.concatenate([nodes_with_code(code, "together", *at) for code in codes])
        )
        names = ", ".join(codes)
        households, upper = int(problem.graph.households[nodes].sum()), constraints.limits.upper
        if len(np.unique(label[nodes])) > 1:
            found.append(("together_unmet", {"names": names}))
        elif households > upper:
            over = {"names": names, "households": households, "upper": upper}
            found.append(("together_over_limit", over))
    for one, other in constraints.apart:
        first, second = (label[nodes_with_code(code, "apart", *at)] for code in (one, other))
        if np.intersect1d(first, second).size:
            found.append(("apart_unmet", {"one": one, "other": other}))
    if constraints.whole_compounds:
        found += _split_by_force(problem)
    found += [("ground_lacking", {"name": name}) for name in problem.incomplete_areas]
    if problem.previous is not None:
        found += _find_moved_locked_buildings(problem, problem.previous, rows[label])
    return tuple(found)


def _find_moved_locked_buildings(
    problem: Problem, past: PreviousAssignment, rows: Ints
) -> list[tuple[str, dict[str, Any]]]:
    """Return the locked buildings that are not in the grid they were in."""
    codes = [
        code for code in problem.constraints.locked if code not in set(past.plan.grids["code"])
    ]
    was, at = past.labels.label, (problem.community, problem.atoms, problem.node_of_atom)
    nodes = [nodes_with_code(code, "lock", *at) for code in codes]
    left = [((was[own] >= 0) & (was[own] != rows[own])).any() for own in nodes]
    return [("lock_unmet", {"name": code}) for code, gone in zip(codes, left, strict=True) if gone]


def _split_by_force(problem: Problem) -> list[tuple[str, dict[str, Any]]]:
    """Return the compounds that are too large to be kept whole."""
    buildings = problem.community.buildings
    held = buildings.groupby("compound_code")["households"].sum()
    upper = problem.constraints.limits.upper
    return [
        ("compound_over_limit", {"name": str(code), "households": int(count), "upper": upper})
        for code, count in held[held > upper].items()
    ]
