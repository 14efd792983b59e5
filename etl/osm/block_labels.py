"""Label street blocks with the community they belong to, by their borders with each other."""

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from geo.geometry.shared_borders import find_borders
from geo.partition.cells.barriers import (
    Barriers,
    Kind,
    find_barrier_kinds,
)
from geo.types import Floats, Geometries, Ints

CROSSING_M = {Kind.ARTERIAL: 300.0, Kind.RAILWAY: 400.0, Kind.RIVER: 400.0, Kind.STREET: 40.0}
"""Metres added to the distance between a block and a place for crossing a barrier."""

SMOOTHING_ROUNDS = 6


@dataclass(frozen=True)
class Neighbours:
    """Pairs of neighbouring blocks with the length of their border, and its segments.

    Attributes
    ----------
    pairs
        Indices of blocks, int64, shape (p, 2).
    length
        Length of the border of each pair in metres, float64, shape (p,).
    left, right
        Indices of the blocks beside each segment of a border, int64, shape (s,).
    middles
        Middle of each segment, float64, shape (s, 2).
    """

    pairs: Ints
    length: Floats
    left: Ints
    right: Ints
    middles: Floats


def find_neighbours(blocks: Geometries) -> Neighbours:
    """Return which of the blocks, an object array of shape (n,), share a border."""
    shared = find_borders(blocks)
    inner = shared.left >= 0
    left, right = shared.left[inner], shared.right[inner]
    pairs, pair = np.unique(np.stack([left, right], axis=1), axis=0, return_inverse=True)
    length = np.zeros(len(pairs))
    np.add.at(length, pair.ravel(), shared.length[inner])
    return Neighbours(pairs, length, left, right, shared.midpoints()[inner])


def nearest_home(blocks: Geometries, home: Ints, barriers: Barriers) -> Ints:
    """Return for each block the index of its nearest home block, over neighbouring blocks.

    Objects of shape (n,) for the blocks; indices are int64, ``home`` of shape (k,) and the result
    of shape (n,).
    """
    neighbours = find_neighbours(blocks)
    kind = find_barrier_kinds(neighbours.middles, barriers)
    detour = np.array([CROSSING_M.get(k, 0.0) for k in Kind])[kind]
    centre = shapely.get_coordinates(shapely.centroid(blocks))
    step = np.hypot(*(centre[neighbours.left] - centre[neighbours.right]).T) + detour + 1.0
    segments = np.stack([neighbours.left, neighbours.right], axis=1)
    pairs, pair = np.unique(segments, axis=0, return_inverse=True)
    least = np.full(len(pairs), np.inf)
    np.minimum.at(least, pair.ravel(), step)
    matrix = coo_array((least, pairs.T), shape=(len(blocks), len(blocks))).tocsr()
    distance, _, source = dijkstra(
        matrix, directed=False, indices=home, min_only=True, return_predecessors=True
    )
    number = np.full(len(blocks) + 1, -1, dtype=np.int64)
    number[home] = np.arange(len(home))
    nearest = number[np.where(np.isfinite(distance), source, -1)]
    # Blocks on a piece of land without a place get the nearest place in a straight line.
    unreached = np.flatnonzero(nearest < 0)
    if len(unreached):
        tree = shapely.STRtree(np.asarray(shapely.points(centre[home]), dtype=object))
        nearest[unreached] = tree.nearest(
            np.asarray(shapely.points(centre[unreached]), dtype=object)
        )
    return nearest


def border_by_label(neighbours: Neighbours, label: Ints, count: int) -> coo_array:
    """Return the length of border that each block has with the blocks of each label.

    ``label`` is int64 of shape (n,); the result has the shape (n, count), in metres.
    """
    left, right = neighbours.pairs.T
    rows = np.concatenate([left, right])
    columns = np.concatenate([label[right], label[left]])
    known = columns >= 0
    values = np.concatenate([neighbours.length, neighbours.length])
    shape = (len(label), count)
    return coo_array((values[known], (rows[known], columns[known])), shape=shape)


def smooth_labels(blocks: Geometries, label: Ints, home: Ints) -> Ints:
    """Relabel blocks that have twice as much border with another label; return the labels.

    Blocks and labels, int64, have the shape (n,); ``home`` are indices of blocks, int64, (k,).
    """
    neighbours = find_neighbours(blocks)
    for _ in range(SMOOTHING_ROUNDS):
        table = border_by_label(neighbours, label, len(home)).tocsr()
        best = np.asarray(table.argmax(axis=1)).ravel()
        rows = np.arange(len(label))
        most = np.asarray(table[rows, best]).ravel()
        current = np.asarray(table[rows, label]).ravel()
        moving = most > 2.0 * current
        moving[home] = False
        if not moving.any():
            break
        label = reattach_pieces(
            neighbours.pairs, neighbours.length, np.where(moving, best, label), home
        )
    return label


def reattach_pieces(pairs: Ints, length: Floats, label: Ints, home: Ints) -> Ints:
    """Relabel pieces so that those of each label are connected with its home.

    Parameters
    ----------
    pairs, length
        (e, 2) int, neighbouring pieces, and (e,) float, length of their border in metres.
    label
        (n,) int, label of each piece.
    home
        (k,) int, home piece of each label.

    Returns
    -------
    ndarray of int
        (n,) label of each piece. A piece without neighbours keeps its label.
    """
    neighbours = Neighbours(pairs, length, np.empty(0, int), np.empty(0, int), np.empty(0, object))
    same = label[pairs[:, 0]] == label[pairs[:, 1]]
    graph = coo_array((np.ones(same.sum()), pairs[same].T), shape=(len(label), len(label)))
    part = connected_components(graph, directed=False)[1]
    now = np.where(part == part[home[label]], label, -1)
    while (now < 0).any():
        table = border_by_label(neighbours, now, len(home)).tocsr()
        best = np.asarray(table.argmax(axis=1)).ravel()
        reached = (now < 0) & (np.asarray(table[np.arange(len(now)), best]).ravel() > 0)
        if not reached.any():
            break
        now = np.where(reached, best, now)
    return np.where(now < 0, label, now)
