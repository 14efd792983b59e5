"""Drawing grids: cells -> graph -> search -> plan -> score.

The whole way, from a community's layers to polygons with codes, is :func:`geo.partition.plan.draw`.
People with a graph of their own need neither database nor geometry:

- :func:`graph_from_arrays` makes a :class:`Graph` of households, edges, lengths and kinds;
- :func:`search_parts` returns a grid for every node;
- :func:`cost` says what a drawing costs, :func:`prove` what none can be cheaper than.
"""

from geo.partition.arrays import graph_from_arrays
from geo.partition.barriers import Kind
from geo.partition.bound import Proof, prove
from geo.partition.graph import Graph
from geo.partition.objective import Cost, Limits, Weights, cost
from geo.partition.search import Before, Effort, search_parts

__all__ = [
    "Before",
    "Cost",
    "Effort",
    "Graph",
    "Kind",
    "Limits",
    "Proof",
    "Weights",
    "cost",
    "graph_from_arrays",
    "prove",
    "search_parts",
]
