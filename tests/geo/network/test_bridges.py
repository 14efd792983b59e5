"""Bridges of graphs, compared with an independent search."""

import numpy as np
import pytest
import rustworkx

from geo.network.bridges import find_bridges


@pytest.mark.parametrize(
    ("ends", "bridges"),
    [
        ([(0, 1), (1, 2), (2, 0), (2, 3)], [False, False, False, True]),
        ([(0, 1), (0, 1), (1, 2)], [False, False, True]),
        ([(0, 0), (0, 1)], [False, True]),
        ([(0, 1), (2, 3), (3, 4), (4, 2)], [True, False, False, False]),
    ],
    ids=["ring_and_stub", "parallel_pipes", "loop", "two_parts"],
)
def test_only_edges_on_no_ring_are_bridges(ends, bridges):
    assert find_bridges(np.array(ends), 6).tolist() == bridges


@pytest.mark.parametrize("seed", range(20))
def test_bridges_of_random_graphs_are_those_of_an_independent_search(seed):
    random = np.random.default_rng(seed)
    nodes = 60
    pairs = random.integers(0, nodes, (65, 2))
    ends = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from_no_data([tuple(pair) for pair in ends.tolist()])
    expected = {tuple(sorted(pair)) for pair in rustworkx.bridges(graph)}
    found = {tuple(pair) for pair in ends[find_bridges(ends, nodes)].tolist()}
    assert found == expected
