"""Drawing grids: cells -> graph -> search -> plan -> score.

The whole way, from a community's layers to polygons with codes, is :func:`geo.partition.draw.draw`.
People with a graph of their own need neither database nor geometry:

- :func:`graph_from_arrays` makes a :class:`Graph` of households, edges, lengths and kinds;
- :func:`search_parts` returns a grid for every node;
- :func:`cost` says what a drawing costs, :func:`prove` what none can be cheaper than.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geo.partition.cells.barriers import Kind
    from geo.partition.cells.graph import Graph
    from geo.partition.cells.graph_arrays import graph_from_arrays
    from geo.partition.proof.lower_bound import Proof, prove
    from geo.partition.scoring.objective import Cost, Limits, Weights, cost
    from geo.partition.search.chains import PreviousLabels
    from geo.partition.search.strategy import Effort, search_parts
_HOMES = {
    "PreviousLabels": "search.chains",
    "Cost": "scoring.objective",
    "Effort": "search.strategy",
    "Graph": "cells.graph",
    "Kind": "cells.barriers",
    "Limits": "scoring.objective",
    "Proof": "proof.lower_bound",
    "Weights": "scoring.objective",
    "cost": "scoring.objective",
    "graph_from_arrays": "cells.graph_arrays",
    "prove": "proof.lower_bound",
    "search_parts": "search.strategy",
}


def __getattr__(name: str) -> Any:
    """Return what this package offers, loaded when it is first asked for.

    The search brings Numba's compiler along, which a server that only shows plans need not hold.

    Raises
    ------
    AttributeError
        If the package does not offer the name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
