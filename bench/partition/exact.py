"""The whole objective as an integer program, solved by CP-SAT."""

from collections.abc import Iterator

import numpy as np
from ortools.sat.python import cp_model

from geo.partition.cells.graph import Graph
from geo.partition.scoring.objective import Limits, Weights, cost, count_needed_grids
from geo.types import Ints

SCALE = 10
"""Costs and lengths are counted in tenths of a metre."""


def solve_exactly(
    graph: Graph, parts: int, limits: Limits, weights: Weights, seconds: float, threads: int
) -> Iterator[Ints]:
    """Yield the best drawing of a number of grids that CP-SAT finds within a time.

    A grid is connected if each of its nodes but one, its root, has a parent in it that is one step
    nearer to the root.
    """
    model = cp_model.CpModel()
    n, grids = len(graph), range(parts)
    inside = [[model.new_bool_var("") for _ in grids] for _ in range(n)]
    for node in range(n):
        model.add_exactly_one(inside[node])
    _connect(model, graph, inside)
    together = [model.new_bool_var("") for _ in graph.edges]
    for edge, (one, other) in enumerate(graph.edges.tolist()):
        for grid in grids:
            model.add(inside[one][grid] == inside[other][grid]).only_enforce_if(together[edge])
            model.add_bool_or(~inside[one][grid], ~inside[other][grid], together[edge])
    terms = [
        round(weights.border * SCALE * cut) * (1 - joined)
        + round(weights.border * SCALE * within) * joined
        for cut, within, joined in zip(graph.cut, graph.inside, together, strict=True)
    ]
    for grid in grids:
        terms += _grid_terms(model, graph, [row[grid] for row in inside], limits, weights)
    terms += _compound_terms(model, graph, inside, limits, weights)
    model.minimize(sum(terms))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = threads
    yield from _solutions(solver, model, inside, graph, limits, weights)


def _solutions(
    solver: cp_model.CpSolver,
    model: cp_model.CpModel,
    inside: list[list[cp_model.IntVar]],
    graph: Graph,
    limits: Limits,
    weights: Weights,
) -> Iterator[Ints]:
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        label = np.array([[solver.value(var) for var in row] for row in inside]).argmax(axis=1)
        assert np.isfinite(cost(graph, label, limits, weights).total)
        yield label.astype(np.int64)


def _connect(model: cp_model.CpModel, graph: Graph, inside: list[list[cp_model.IntVar]]) -> None:
    n, parts = len(graph), len(inside[0])
    root = [[model.new_bool_var("") for _ in range(parts)] for _ in range(n)]
    depth = [model.new_int_var(0, n - 1, "") for _ in range(n)]
    parents: list[list[cp_model.IntVar]] = [[] for _ in range(n)]
    for one, other in np.concatenate([graph.edges, graph.edges[:, ::-1]]).tolist():
        is_parent = model.new_bool_var("")
        parents[other].append(is_parent)
        model.add(depth[other] == depth[one] + 1).only_enforce_if(is_parent)
        for grid in range(parts):
            model.add(inside[one][grid] == inside[other][grid]).only_enforce_if(is_parent)
    for node in range(n):
        model.add_exactly_one([*parents[node], *root[node]])
        for grid in range(parts):
            model.add_implication(root[node][grid], inside[node][grid])
            model.add(depth[node] == 0).only_enforce_if(root[node][grid])
    for grid in range(parts):
        model.add_exactly_one([root[node][grid] for node in range(n)])


def _grid_terms(
    model: cp_model.CpModel,
    graph: Graph,
    members: list[cp_model.IntVar],
    limits: Limits,
    weights: Weights,
) -> list[cp_model.LinearExprT]:
    """Return limits, balance and compactness of a grid."""
    total = int(graph.households.sum())
    households = model.new_int_var(0, total, "")
    model.add(households == sum(int(h) * m for h, m in zip(graph.households, members, strict=True)))
    excess = model.new_int_var(0, total, "")
    model.add(excess >= households - limits.upper)
    model.add(excess >= limits.lower - households)
    off = model.new_int_var(-limits.target, total, "")
    model.add(off == households - limits.target)
    square = model.new_int_var(0, max(limits.target, total) ** 2, "")
    model.add_multiplication_equality(square, [off, off])
    imbalance = model.new_int_var(0, max(limits.target, total) ** 2, "")
    model.add_division_equality(imbalance, square * round(weights.balance * SCALE), 10_000)
    return [
        round(weights.limit * SCALE) * excess,
        imbalance,
        _compactness(model, graph, members, weights),
    ]


def _compactness(
    model: cp_model.CpModel, graph: Graph, members: list[cp_model.IntVar], weights: Weights
) -> cp_model.IntVar:
    """Return the cost of perimeter**2 / (4 pi area)."""
    longest = int(graph.length.sum() + graph.outline.sum()) + 2
    largest = int(graph.area.sum()) + 2
    perimeter, area = model.new_int_var(0, longest, ""), model.new_int_var(1, largest, "")
    parts = [round(o) * m for o, m in zip(graph.outline, members, strict=True)]
    for (one, other), length in zip(graph.edges.tolist(), graph.length, strict=True):
        apart = model.new_bool_var("")
        model.add(members[one] != members[other]).only_enforce_if(apart)
        model.add(members[one] == members[other]).only_enforce_if(~apart)
        parts.append(round(length) * apart)
    model.add(perimeter == sum(parts))
    model.add(area == 1 + sum(round(a) * m for a, m in zip(graph.area, members, strict=True)))
    square = model.new_int_var(0, longest**2, "")
    model.add_multiplication_equality(square, [perimeter, perimeter])
    factor = round(weights.compactness * SCALE * 100 / (4 * np.pi))
    costs = model.new_int_var(0, longest**2 * max(factor, 1) // 100, "")
    # costs * area >= square * factor: the least such number, as it is minimised
    product = model.new_int_var(0, 2**52, "")
    model.add_multiplication_equality(product, [costs, area])
    model.add(100 * product >= factor * square)
    return costs


def _compound_terms(
    model: cp_model.CpModel,
    graph: Graph,
    inside: list[list[cp_model.IntVar]],
    limits: Limits,
    weights: Weights,
) -> list[cp_model.LinearExprT]:
    terms: list[cp_model.LinearExprT] = []
    needed = count_needed_grids(graph.compound, graph.households, limits)
    for compound in np.unique(graph.compound[graph.compound >= 0]).tolist():
        nodes = np.flatnonzero(graph.compound == compound).tolist()
        held = []
        for grid in range(len(inside[0])):
            is_in = model.new_bool_var("")
            model.add_max_equality(is_in, [inside[node][grid] for node in nodes])
            held.append(is_in)
        extra = model.new_int_var(0, len(held), "")
        model.add(extra >= sum(held) - int(needed[compound]))
        terms.append(round(weights.compound * SCALE) * extra)
    return terms
