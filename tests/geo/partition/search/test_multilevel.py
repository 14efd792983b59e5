"""Multilevel annealing: pieces of a graph, chains over them, and improvements of drawings."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.search.chains import PreviousLabels, SearchProblem, anneal_labels
from geo.partition.search.initial_partition import repair_labels
from geo.partition.search.multilevel import improve, run_chain
from geo.partition.search.pieces import (
    NODES_PER_PIECE,
    PIECES_PER_GRID,
    contract,
    random_pieces,
)
from tests.geo.partition.places import grid_graph, is_contiguous

NEVER = np.zeros(1, dtype=np.int64)


def random_problem(seed: int, grids: int) -> SearchProblem:
    """Return a problem with compounds, cannot-link pairs, a previous plan and locked nodes."""
    random = np.random.default_rng(seed)
    graph = replace(grid_graph(9, 8, random), compound=np.repeat(random.integers(-1, 3, 36), 2))
    apart, locked = random.integers(0, 72, (3, 2)), random.random(72) < 0.1
    before = PreviousLabels(
        repair_labels(graph, random.integers(0, grids, 72), grids), counted=~locked, locked=locked
    )
    return SearchProblem(graph, Limits(), Weights(), before, apart[apart[:, 0] != apart[:, 1]])


@given(seed=st.integers(0, 10_000), grids=st.integers(1, 3))
@settings(max_examples=40)
def test_random_pieces_are_small_connected_and_alike(seed, grids):
    problem = random_problem(seed, grids)
    graph, before = problem.graph, problem.before
    label = repair_labels(graph, np.random.default_rng(seed).integers(0, 3, 72), 3)
    piece = random_pieces(problem, grids, seed, label)
    assert is_contiguous(graph, piece)
    assert set(piece) == set(range(piece.max() + 1))
    several = np.bincount(piece) > 1
    assert several.any()
    households = np.bincount(piece, graph.households)
    most = graph.households.sum() / min(len(graph) / NODES_PER_PIECE, grids * PIECES_PER_GRID)
    assert (households[several] <= most).all()
    for values in (graph.compound, label, before.label, before.locked):
        assert all(len(np.unique(values[piece == p])) == 1 for p in np.unique(piece))
    assert (piece[problem.apart[:, 0]] != piece[problem.apart[:, 1]]).all()


@given(seed=st.integers(0, 10_000), grids=st.integers(1, 5))
@settings(max_examples=20)
def test_labels_of_pieces_cost_what_those_of_their_nodes_do(seed, grids):
    problem = replace(random_problem(seed, grids), before=None)
    piece = random_pieces(problem, 2, seed)
    small = contract(problem, piece)
    label = np.random.default_rng(seed).integers(0, grids, len(small.graph))
    merged = piece[problem.graph.edges[:, 0]] == piece[problem.graph.edges[:, 1]]
    costs = [
        cost(graph, each, problem.limits, problem.weights).total
        for graph, each in ((small.graph, label), (problem.graph, label[piece]))
    ]
    inside = problem.weights.border * problem.graph.inside[merged].sum()
    assert costs[0] + inside == pytest.approx(costs[1])


@given(seed=st.integers(0, 10_000), count=st.integers(2, 5), number=st.integers(0, 3))
@settings(max_examples=20)
def test_chain_draws_contiguous_grids(seed, count, number):
    problem = replace(random_problem(seed, count), before=None)
    drawing = run_chain(problem, count, number, 20, seed, NEVER)
    assert is_contiguous(problem.graph, drawing.label)
    assert set(drawing.label) == set(range(count))


@given(seed=st.integers(0, 10_000), grids=st.integers(2, 5))
@settings(max_examples=20)
def test_improvement_is_contiguous_no_dearer_and_keeps_locked_nodes(seed, grids):
    problem = random_problem(seed, grids)
    start = anneal_labels(problem, problem.before.label, 0, 1.0, seed, NEVER)
    better = improve(problem, start, seed, NEVER)
    assert better.cost <= start.cost
    assert is_contiguous(problem.graph, better.label)
    locked = problem.before.locked
    assert (better.label[locked] == start.label[locked]).all()
