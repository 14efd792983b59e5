"""The search: contiguous labels, the cost of the kernel, recombination, repair, counts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from geo.partition.cells.graph import Graph
from geo.partition.cells.graph_arrays import graph_from_arrays
from geo.partition.proof.lower_bound import prove
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.search.chains import (
    PreviousLabels,
    SearchProblem,
    anneal_labels,
    to_kernel_problem,
)
from geo.partition.search.initial_partition import repair_labels
from geo.partition.search.kernel import build_state, move_node, total_cost
from geo.partition.search.pieces import common_pieces
from geo.partition.search.recombine import recombine
from geo.partition.search.strategy import Effort, plausible_counts, search, search_parts
from tests.geo.partition.places import grid_graph, is_contiguous


@given(seed=st.integers(0, 10_000), columns=st.integers(2, 9), rows=st.integers(2, 9))
@settings(max_examples=40)
def test_search_on_plain_arrays_keeps_contiguity(seed, columns, rows):
    graph = grid_graph(columns, rows, np.random.default_rng(seed))
    label = search(graph, effort=Effort(generations=1, moves_per_node=100), seed=seed)
    assert is_contiguous(graph, label)
    assert set(label) == set(range(label.max() + 1))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_search_meets_limits_best_where_large_buildings_leave_little_choice(seed):
    households = [38, 19, 579, 72, 99, 49, 1067, 609, 52, 117, 80, 727, 36, 80, 27, 1189]
    across = [7, 14, 51, 52, 49, 48, 13, 49, -34, -35, 37, 43]
    along = [58, 10, 19, 22, -22, 43, 43, 55, 6, 43, 16, -33]
    gain = np.array(across + along, dtype=float)
    graph = replace(
        grid_graph(4, 4, np.random.default_rng(0)),
        households=np.array(households),
        cut=np.maximum(gain, 0.0),
        inside=np.maximum(-gain, 0.0),
        compound=np.array([-1, 3, 2, 2, 2, 0, 3, -1, -1, 3, 2, 3, 1, 0, 0, -1]),
    )
    label = search(graph, seed=seed)
    # The five large buildings exceed 500 by 1,671 households; 72 and 6 more are unavoidable.
    assert cost(graph, label, Limits(), Weights()).limit == 200 * (1671 + 72 + 6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_search_finds_the_optimum_where_households_leave_hardly_any_choice(seed):
    few = [4, 0, 1, 58, 4, 5, 2, 6, 4, 8, 1, 9, 6, 92, 81, 7, 8, 2, 3, 6, 8, 7, 82, 1, 6, 59, 5, 4]
    graph = replace(
        grid_graph(6, 5, np.random.default_rng(26)), households=np.array([*few, 42, 93])
    )
    label = search(graph, seed=seed)
    optimum = prove(graph, label).bound  # 614 households: two grids of at least 300
    assert cost(graph, label, Limits(), Weights()).total == pytest.approx(optimum)


@pytest.mark.parametrize("board", [4, 12, 28])
def test_search_finds_the_optimum_where_the_cheap_cut_misses_the_limits(board):
    random = np.random.default_rng(board)
    graph = grid_graph(7, 4, random)
    few = [0, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 9, 9, 10, 27, 41, 49, 65]
    households = np.array([186, 125, *random.permutation(few)])  # 605: two grids of at least 300
    large = (graph.edges < 2).sum(axis=1)  # ends of an edge that are large buildings
    cut = np.choose(large, [random.uniform(10, 25, len(large)), 5.0, 90.0])
    alone = np.full(28, -1)
    graph = replace(
        graph, households=households, cut=cut, inside=np.zeros(len(cut)), compound=alone
    )
    label = search(graph, seed=2)
    optimum = prove(graph, label).bound
    assert cost(graph, label, Limits(), Weights()).total == pytest.approx(optimum)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_redraw_after_growth_moves_few_households_among_large_buildings(seed):
    weights = Weights(balance=30, compactness=15, compound=60)
    random = np.random.default_rng(4)
    graph = grid_graph(8, 8, random)
    is_large = random.random(64) < 0.15
    households = np.where(is_large, random.integers(100, 260, 64), random.integers(5, 60, 64))
    plan = search(replace(graph, households=households), weights=weights)
    growing = random.choice(64, 6)[np.arange(round(households.sum() * 0.03)) % 6]
    grown = replace(graph, households=households + np.bincount(growing, minlength=64))
    before = PreviousLabels(plan, np.ones(64, dtype=bool), np.zeros(64, dtype=bool))
    label = search(grown, weights=weights, before=before, seed=seed)
    assert 0 < grown.households[label != plan].sum() <= 33
    assert cost(grown, label, Limits(), weights).limit == 0


@njit
def move_in_kernel(problem, state, node, grid):
    move_node(problem, state, node, grid)


@njit
def cost_in_kernel(problem, state):
    return total_cost(problem, state)


@given(seed=st.integers(0, 10_000), moves=st.integers(1, 60))
@settings(max_examples=40)
def test_cost_of_the_kernel_equals_the_objective(seed, moves):
    random = np.random.default_rng(seed)
    graph = grid_graph(7, 6, random)
    label, previous = random.integers(0, 4, 42), random.integers(-1, 4, 42)
    limits, weights = Limits(), Weights()
    known = np.ones(42, dtype=bool)
    before = PreviousLabels(previous, counted=known, locked=~known)
    none = np.empty((0, 2), dtype=np.int64)
    problem = to_kernel_problem(SearchProblem(graph, limits, weights, before, none), np.arange(4))
    state = build_state(problem, label, 4, 1)
    for node, grid in zip(random.integers(0, 42, moves), random.integers(0, 4, moves), strict=True):
        if state.label[node] != grid:
            move_in_kernel(problem, state, int(node), int(grid))
    if len(set(state.label)) == 4:
        expected = cost(graph, state.label, limits, weights, previous).total
        assert cost_in_kernel(problem, state) == pytest.approx(expected, rel=1e-9)


@given(seed=st.integers(0, 10_000), one=st.integers(2, 6), other=st.integers(2, 6))
@settings(max_examples=40)
def test_recombined_drawing_is_contiguous_and_no_more_expensive(seed, one, other):
    random = np.random.default_rng(seed)
    graph = replace(grid_graph(7, 6, random), compound=np.repeat(random.integers(-1, 3, 21), 2))
    apart, stop = random.integers(0, 42, (3, 2)), np.zeros(1, dtype=np.int64)
    locked = random.random(42) < 0.1
    before = PreviousLabels(
        repair_labels(graph, random.integers(0, one, 42), one), counted=~locked, locked=locked
    )
    problem = SearchProblem(graph, Limits(), Weights(), before, apart[apart[:, 0] != apart[:, 1]])
    label = repair_labels(graph, random.integers(0, other, 42), other)
    parents = [anneal_labels(problem, start, 1, 1.0, seed, stop) for start in (before.label, label)]
    child = recombine(problem, *parents, seed, stop)
    assert is_contiguous(graph, child.label)
    assert child.cost <= min(parent.cost for parent in parents)
    name, number = np.unique(child.label, return_inverse=True)
    kernel_problem = to_kernel_problem(problem, name)
    again = cost_in_kernel(
        kernel_problem, build_state(kernel_problem, number.ravel(), len(name), 1)
    )
    assert again == pytest.approx(child.cost)
    piece = common_pieces(problem, *(parent.label for parent in parents))
    assert is_contiguous(graph, piece)
    for values in (graph.compound, locked, *(parent.label for parent in parents)):
        assert all(len(np.unique(values[piece == p])) == 1 for p in np.unique(piece))


@given(seed=st.integers(0, 10_000), count=st.integers(1, 12))
@settings(max_examples=40)
def test_any_assignment_can_be_repaired(seed, count):
    random = np.random.default_rng(seed)
    graph = grid_graph(6, 6, random)
    label = repair_labels(graph, random.integers(0, count, 36), count)
    assert is_contiguous(graph, label)
    assert set(label) == set(range(count))


@given(seed=st.integers(0, 10_000), count=st.integers(1, 5))
@settings(max_examples=20)
def test_labels_of_a_disconnected_graph_are_repaired(seed, count):
    random = np.random.default_rng(seed)
    half = np.arange(36) % 6 < 3
    whole = grid_graph(6, 6, random)
    inside = half[whole.edges[:, 0]] == half[whole.edges[:, 1]]
    edges = {name: getattr(whole, name)[inside] for name in ("edges", "cut", "inside", "length")}
    graph = replace(whole, **edges)
    label = repair_labels(graph, random.integers(0, count, 36), count)
    assert graph.components()[0] == 2
    assert is_contiguous(graph, label)
    assert set(range(count)) <= set(label)


def test_search_stops_in_time_with_an_answer():
    graph = grid_graph(30, 30, np.random.default_rng(1))
    label = search(graph, effort=Effort(generations=50, moves_per_node=50, seconds=0.0))
    assert is_contiguous(graph, label)


def test_disconnected_components_are_drawn_by_themselves():
    graph = grid_graph(8, 4, np.random.default_rng(1))
    apart = graph.edges[:, 0] % 8 == 3
    apart &= graph.edges[:, 1] == graph.edges[:, 0] + 1
    inside = ~apart
    pieces = Graph(
        graph.households,
        graph.edges[inside],
        graph.cut[inside],
        graph.inside[inside],
        graph.length[inside],
        graph.area,
        graph.outline,
        graph.xy,
        graph.compound,
    )
    label = search_parts(pieces, effort=Effort(generations=1, moves_per_node=50))
    assert is_contiguous(pieces, label)


@pytest.mark.parametrize(
    ("households", "counts"),
    [(1200, [3, 4]), (400, [1]), (550, [1, 2]), (80, [1]), (2000, [5, 4, 6])],
)
def test_plausible_numbers_of_grids(households, counts):
    nodes = np.full(10, households // 10)
    assert plausible_counts(nodes, Limits()) == counts


def test_node_over_the_limit_counts_as_a_grid():
    assert plausible_counts(np.array([2000, 200, 160, 0]), Limits()) == [2]


def test_other_numbers_of_grids_are_tried_while_limits_are_unmet():
    # 1,005 households suggest three grids, but two are cheaper: three would be far too small.
    board = grid_graph(3, 3, np.random.default_rng(1))
    households, weights = [442, 59, 61, 83, 45, 34, 248, 13, 20], Weights(compactness=0)
    graph = graph_from_arrays(households, board.edges, np.full(12, 10.0))
    label = search(graph, weights=weights)
    best = prove(graph, label, weights=weights).label
    costs = [cost(graph, each, Limits(), weights).total for each in (label, best)]
    assert costs[0] == pytest.approx(costs[1])


def test_pair_apart_is_separated_where_one_grid_would_do():
    graph = graph_from_arrays([200, 200], [(0, 1)], [10.0])
    label = search(graph, weights=Weights(compactness=0), apart=np.array([[0, 1]]))
    assert label[0] != label[1]
