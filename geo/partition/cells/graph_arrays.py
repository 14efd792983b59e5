"""Graphs from plain arrays, for people who have cells and borders of their own."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from geo.errors import InputError
from geo.partition.cells.barriers import Kind
from geo.partition.cells.graph import CUT_FACTOR, INSIDE_FACTOR, Graph
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
    """Return the graph of cells and the borders between them.

    Parameters
    ----------
    households
        (n,) whole numbers, not negative.
    edges
        (m, 2) numbers of cells that share a border, from 0; a pair may be given in pieces.
    lengths
        (m,) metres of border.
    kinds
        (m,) what lies on each border: ``open`` (the default), ``wall``, ``alley``, ``street``,
        ``arterial``, ``railway`` or ``river``. A cut costs the length times
        :data:`geo.partition.cells.graph.CUT_FACTOR`; an arterial, railway or river left inside a
        grid its length.
    area, outline
        (n,) m2, and metres of border with nothing beyond; without them compactness has no
        meaning: give ``Weights(compactness=0)``.
    xy
        (n, 2) a point of each cell, metres; it only helps very small graphs to a start.
    compound
        (n,) number of the residential compound of each cell, -1 for none.

    Raises
    ------
    InputError
        If arrays do not fit each other, or hold what can't be.

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
    people = _whole("households", households)
    n = len(people)
    pairs = _whole("edges", edges).reshape(-1, 2)
    length = np.asarray(lengths, dtype=np.float64)
    kind = _kinds(kinds, len(pairs))
    _check(people, pairs, length)
    ends, number = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    cut = np.array([CUT_FACTOR[one] for one in Kind])[kind]
    inside = np.array([INSIDE_FACTOR.get(one, 0.0) for one in Kind])[kind]

    def total(values: Floats) -> Floats:
        return np.bincount(number.ravel(), values, len(ends)).astype(np.float64)

    return Graph(
        people,
        ends,
        total(length * cut),
        total(length * inside),
        total(length),
        _per_cell("area", area, (n,)),
        _per_cell("outline", outline, (n,)),
        _per_cell("xy", xy, (n, 2)),
        np.full(n, -1, dtype=np.int64) if compound is None else _whole("compound", compound),
    )


def _whole(name: str, values: ArrayLike) -> Ints:
    array = np.asarray(values)
    if array.size and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise InputError("array_not_whole", name=name)
    return array.astype(np.int64)


def _kinds(kinds: Sequence[str] | None, count: int) -> Ints:
    if kinds is None:
        return np.zeros(count, dtype=np.int64)
    unknown = sorted(set(kinds) - set(_KINDS))
    if unknown:
        raise InputError("unknown_kind", name=unknown[0], known=", ".join(_KINDS))
    if len(kinds) != count:
        raise InputError("arrays_unlike", name="kinds", count=len(kinds), wanted=count)
    return np.array([_KINDS[name] for name in kinds], dtype=np.int64)


def _check(households: Ints, edges: Ints, lengths: Floats) -> None:
    if len(lengths) != len(edges):
        raise InputError("arrays_unlike", name="lengths", count=len(lengths), wanted=len(edges))
    if (households < 0).any():
        raise InputError("array_negative", name="households", at=int((households < 0).argmax()))
    if not (np.isfinite(lengths) & (lengths >= 0)).all():
        raise InputError("array_negative", name="lengths", at=int((~(lengths >= 0)).argmax()))
    bad = (edges < 0) | (edges >= len(households)) | (edges[:, :1] == edges[:, 1:])
    if bad.any():
        at = int(bad.any(axis=1).argmax())
        raise InputError(
            "edge_impossible", at=at, edge=edges[at].tolist(), last=len(households) - 1
        )


def _per_cell(name: str, values: ArrayLike | None, shape: tuple[int, ...]) -> Floats:
    if values is None:
        return np.ones(shape) if name == "area" else np.zeros(shape)
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise InputError("arrays_unlike", name=name, count=len(array), wanted=shape[0])
    return array
