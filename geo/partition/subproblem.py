"""The part of a partition problem that is left to the search, and its result in the whole."""

from dataclasses import dataclass

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.constraints import (
    cannot_link_pairs,
    group_must_link,
    nodes_with_code,
)
from geo.partition.problem import Problem
from geo.partition.search.chains import Pairs, PreviousLabels
from geo.types import Ints


@dataclass(frozen=True)
class Subproblem:
    """The part of a problem that is left to the search; nodes of a must-link group are one.

    Attributes
    ----------
    graph, group
        The graph of the groups, and (f,) the group of each free node.
    before, apart
        Previous labels and cannot-link pairs of the groups.
    """

    graph: Graph
    group: Ints
    before: PreviousLabels | None
    apart: Pairs


def free_subproblem(problem: Problem) -> Subproblem:
    """Return the part of a problem that is not fixed."""
    graph = problem.graph.subgraph(problem.free)
    group = _must_link_groups(problem, graph)
    group_of_node = np.full(len(problem.graph) + 1, -1, dtype=np.int64)
    group_of_node[problem.free] = group
    apart = cannot_link_pairs(
        problem.constraints,
        problem.community,
        problem.atoms,
        problem.node_of_atom,
        group_of_node,
    )
    before = _previous_labels_of_groups(problem, group)
    return Subproblem(graph.contracted(group), group, before, apart)


def _must_link_groups(problem: Problem, graph: Graph) -> Ints:
    """Return the group of each free node; compounds are groups where they must stay whole."""
    place = np.full(len(problem.graph), -1, dtype=np.int64)
    place[problem.free] = np.arange(len(problem.free))
    atoms, node_of_atom = problem.atoms, problem.node_of_atom
    together = []
    for codes in problem.constraints.together:
        nodes = [
            nodes_with_code(code, "together", problem.community, atoms, node_of_atom)
            for code in codes
        ]
        together.append(place[np.concatenate(nodes)])
    if problem.constraints.whole_compounds:
        households = np.bincount(graph.compound + 1, graph.households)[1:]
        fits = (households > 0) & (households <= problem.constraints.limits.upper)
        together += [np.flatnonzero(graph.compound == number) for number in np.flatnonzero(fits)]
    return group_must_link(graph, [np.unique(nodes[nodes >= 0]) for nodes in together])


def _previous_labels_of_groups(problem: Problem, group: Ints) -> PreviousLabels | None:
    """Return the previous grid of each group: that of its member with the most households."""
    if problem.previous is None:
        return None
    labels = problem.previous.labels.of(problem.free)
    is_general = np.append(problem.previous.plan.is_general(), False)
    label = np.where(is_general[labels.label], labels.label, -1)
    households = problem.graph.households[problem.free]
    order = np.lexsort((households, labels.counted, labels.locked, label >= 0))
    groups = int(group.max(initial=-1)) + 1
    of_groups = PreviousLabels(
        np.full(groups, -1, dtype=np.int64), np.zeros(groups, bool), np.zeros(groups, bool)
    )
    of_groups.label[group[order]] = label[order]
    of_groups.counted[group[order]] = labels.counted[order]
    of_groups.locked[group[order]] = labels.locked[order] & (label[order] >= 0)
    return of_groups


def merge_fixed(problem: Problem, label_of_free: Ints) -> Ints:
    """Return (n,) int64 the grid of each node from 0: searched grids first, then the fixed ones.

    Parameters
    ----------
    label_of_free
        (f,) int64 grid of each free node.
    """
    label = np.zeros(len(problem.graph), dtype=np.int64)
    grids, number = np.unique(label_of_free, return_inverse=True)
    label[problem.free] = number.ravel()
    is_fixed = problem.fixed >= 0
    label[is_fixed] = len(grids) + problem.fixed[is_fixed]
    return label
