"""Plain arrays in, grids out: no database, no geometry."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.errors import InputError
from geo.partition import Effort, Limits, Weights, cost, graph_from_arrays, search_parts
from geo.partition.cells import graph_arrays

ROW = {"households": [300, 300], "edges": [(0, 1)], "lengths": [10.0]}


def test_example_of_the_docstring_runs():
    assert doctest.testmod(graph_arrays).failed == 0


def test_border_given_in_pieces_is_one_edge():
    graph = graph_from_arrays([1, 1], [(0, 1), (1, 0)], [10, 20], ["open", "arterial"])
    assert graph.edges.tolist() == [[0, 1]]
    assert (graph.length[0], graph.cut[0], graph.inside[0]) == (30.0, 14.0, 20.0)


@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
@settings(max_examples=25)
def test_any_tree_with_more_edges_is_drawn_contiguously(seed, count):
    random = np.random.default_rng(seed)
    tree = [(int(random.integers(0, n)), n) for n in range(1, count)]
    more = [tuple(pair) for pair in random.integers(0, count, (count, 2)) if pair[0] != pair[1]]
    lengths = random.uniform(0, 50, len(tree + more))
    graph = graph_from_arrays(random.integers(0, 200, count), tree + more, lengths)
    effort = Effort(generations=1, moves_per_node=50)
    label = search_parts(graph, weights=Weights(compactness=0), effort=effort, seed=seed)
    parts = (graph.subgraph(np.flatnonzero(label == g)).components()[0] for g in np.unique(label))
    assert set(parts) == {1}
    assert cost(graph, label, Limits(), Weights(compactness=0)).total >= 0


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"households": [1.5, 2]}, "array_not_whole"),
        ({"households": [-1, 2]}, "array_negative"),
        ({"lengths": [-3.0]}, "array_negative"),
        ({"lengths": [np.nan]}, "array_not_finite"),
        ({"edges": [(0, 1, 1)]}, "arrays_unlike"),
        ({"households": [[300, 300]]}, "arrays_unlike"),
        ({"households": [np.nan, 2]}, "array_not_whole"),
        ({"area": [9.0, 9.0]}, "array_missing"),
        ({"outline": [9.0, 9.0]}, "array_missing"),
        ({"area": [np.nan, 9.0], "outline": [9.0, 9.0]}, "array_not_finite"),
        ({"area": [9.0, 9.0], "outline": [9.0, -9.0]}, "array_negative"),
        ({"xy": [(0.0, 0.0), (np.inf, 0.0)]}, "array_not_finite"),
        ({"compound": [1]}, "arrays_unlike"),
        ({"lengths": [1.0, 2.0]}, "arrays_unlike"),
        ({"edges": [(0, 2)]}, "edge_impossible"),
        ({"edges": [(1, 1)]}, "edge_impossible"),
        ({"kinds": ["canyon"]}, "unknown_kind"),
        ({"kinds": []}, "arrays_unlike"),
        ({"area": [1.0], "outline": [1.0, 1.0]}, "arrays_unlike"),
    ],
)
def test_invalid_arrays_are_refused(wrong, key):
    with pytest.raises(InputError) as refused:
        graph_from_arrays(**(ROW | wrong))
    assert refused.value.key == key
    assert refused.value.message("zh")
    assert refused.value.message("en")


@pytest.mark.parametrize(
    "limits", [{"lower": 0}, {"lower": -1}, {"lower": 450}, {"upper": 350}, {"lower": 600}]
)
def test_limits_out_of_order_are_refused(limits):
    with pytest.raises(InputError) as refused:
        Limits(**limits)
    assert refused.value.key == "limits_disordered"


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_invalid_weights_are_refused(value):
    with pytest.raises(InputError) as refused:
        Weights(border=value)
    assert refused.value.key == "weight_invalid"
    assert "border" in refused.value.message("en")


def test_compounds_with_large_numbers_are_renumbered():
    graph = graph_from_arrays(**ROW, compound=[10**7, -5])
    assert graph.compound.tolist() == [0, -1]
