"""Graphs from plain arrays, for people with cells and borders of their own."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from geo.errors import InputError
from geo.partition.cells.barriers import Kind
from geo.partition.cells.graph import CUT_FACTOR, INSIDE_FACTOR, Graph, merge_parallel_edges
from geo.types import Floats, Ints

_KINDS = {kind.name.lower(): kind for kind in Kind}


def graph_from_arrays(
    households: ArrayLike,
    edges: ArrayLike,
    lengths: ArrayLike,
    kinds: Sequence[str] | None = None,
    *,
    area: ArrayLike | None = None,
    outline: ArrayLike | None = None,
    xy: ArrayLike | None = None,
    compound: ArrayLike | None = None,
) -> Graph:
    """Build the graph of cells and the borders between them.

    Parameters
    ----------
    households
        (n,) whole numbers, not negative.
    edges
        (m, 2) numbers of cells that share a border, from 0; the border of a pair may be given in
        several edges.
    lengths
        (m,) metres of border, not negative.
    kinds
        (m,) kind of barrier on each border: ``open`` (the default), ``wall``, ``alley``,
        ``street``, ``arterial``, ``railway`` or ``river``. A cut costs the length times
        :data:`geo.partition.cells.graph.CUT_FACTOR`; an arterial, railway or river left inside a
        grid costs its length.
    area, outline
        (n,) m2, and (n,) metres of border without a cell on the other side: both or none. Without
        them compactness has no meaning: use ``Weights(compactness=0)``.
    xy
        (n, 2) a point of each cell, metres; used only to start the search on very small graphs.
    compound
        (n,) any whole number for the residential compound of each cell, negative for none.

    Raises
    ------
    InputError
        If the shapes of arrays do not match, or values are not finite, negative or impossible.

    Examples
    --------
    Four cells in a row, a street between the second and the third:

    >>> from geo.partition import Limits, Weights, cost, graph_from_arrays, prove, search_parts
    >>> graph = graph_from_arrays(
    ...     [200, 180, 210, 190], [(0, 1), (1, 2), (2, 3)], [30, 30, 30],
    ...     ["open", "street", "open"],
    ... )
    >>> weights = Weights(compactness=0)
    >>> label = search_parts(graph, weights=weights)
    >>> label.tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])
    True
    >>> cost(graph, label, Limits(), weights).border  # 30 m of street at 0.3
    9.0
    >>> prove(graph, label, weights=weights).optimal
    True
    """
    people = _to_integers("households", households)
    n = len(people)
    _check_shape("households", people, (n,))
    _check_not_negative("households", people)
    pairs = _to_integers("edges", edges)
    pairs = pairs if pairs.size else pairs.reshape(0, 2)
    _check_shape("edges", pairs, (len(pairs), 2))
    _check_edges(pairs, n)
    length = _to_floats("lengths", lengths, (len(pairs),))
    kind = _to_kinds(kinds, len(pairs))
    if (area is None) != (outline is None):
        given, missing = ("area", "outline") if outline is None else ("outline", "area")
        raise InputError("array_missing", name=given, missing=missing)
    ends, number = merge_parallel_edges(pairs)
    cut = np.array([CUT_FACTOR[each] for each in Kind])[kind]
    inside = np.array([INSIDE_FACTOR.get(each, 0.0) for each in Kind])[kind]

    def total(values: Floats) -> Floats:
        return np.bincount(number, values, len(ends)).astype(np.float64)

    return Graph(
        people,
        ends,
        total(length * cut),
        total(length * inside),
        total(length),
        np.ones(n) if area is None else _to_floats("area", area, (n,)),
        np.zeros(n) if outline is None else _to_floats("outline", outline, (n,)),
        np.zeros((n, 2)) if xy is None else _to_floats("xy", xy, (n, 2), signed=True),
        _number_compounds(compound, n),
    )


def _to_integers(name: str, values: ArrayLike) -> Ints:
    array = np.asarray(values)
    if array.size and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise InputError("array_not_whole", name=name)
    return array.astype(np.int64)


def _to_floats(
    name: str, values: ArrayLike, shape: tuple[int, ...], *, signed: bool = False
) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    _check_shape(name, array, shape)
    if not np.isfinite(array).all():
        raise InputError("array_not_finite", name=name)
    if not signed:
        _check_not_negative(name, array)
    return array


def _check_shape(name: str, array: Ints | Floats, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError("arrays_unlike", name=name, shape=array.shape, wanted=shape)


def _check_not_negative(name: str, array: Ints | Floats) -> None:
    if (array < 0).any():
        raise InputError("array_negative", name=name, at=int((array < 0).argmax()))


def _check_edges(edges: Ints, nodes: int) -> None:
    impossible = (edges < 0) | (edges >= nodes) | (edges[:, :1] == edges[:, 1:])
    if impossible.any():
        at = int(impossible.any(axis=1).argmax())
        raise InputError("edge_impossible", at=at, edge=edges[at].tolist(), last=nodes - 1)


def _to_kinds(kinds: Sequence[str] | None, count: int) -> Ints:
    if kinds is None:
        return np.zeros(count, dtype=np.int64)
    unknown = sorted(set(kinds) - set(_KINDS))
    if unknown:
        raise InputError("unknown_kind", name=unknown[0], known=", ".join(_KINDS))
    array = np.array([_KINDS[name] for name in kinds], dtype=np.int64)
    _check_shape("kinds", array, (count,))
    return array


def _number_compounds(compound: ArrayLike | None, nodes: int) -> Ints:
    """Return (n,) compounds numbered from 0 without gaps, so that large numbers need no memory."""
    number = np.full(nodes, -1, dtype=np.int64)
    if compound is not None:
        given = _to_integers("compound", compound)
        _check_shape("compound", given, (nodes,))
        number[given >= 0] = np.unique(given[given >= 0], return_inverse=True)[1]
    return number
