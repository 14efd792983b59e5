"""Depths of a pipe's top and bottom, from what its depth on record is measured to."""

import numpy as np
import pandas as pd

from geo.model.pipe import DepthOf, Laying
from geo.network.pipe_faults import GRAVITY_NETWORKS
from geo.network.pipes import PipeGraph
from geo.types import Bools, Floats, Ints


def diameters(graph: PipeGraph) -> Floats:
    """Return (s,) float64 diameters in metres, NaN where none is on record."""
    return graph.figures("diameter_mm") / 1000


def is_measured_to_invert(graph: PipeGraph) -> Bools:
    """Return (s,) whether the depths are those of the inner bottom."""
    pairs = pd.Series(graph.words("depth_of") + "|" + graph.words("laying"))
    measured_to = {
        pair: depth_of_record(graph.network, *pair.split("|")) for pair in pairs.unique()
    }
    return np.asarray(pairs.map(measured_to) == DepthOf.INVERT)


def depth_of_record(network: str, depth_of: str | None, laying: str | None) -> DepthOf:
    """Return what a depth is measured to.

    Where the record does not say, as surveys measure (CJJ 61-2017): drains and pipes in trenches
    to the inner bottom, others to the outer top.
    """
    if depth_of:
        return DepthOf(depth_of)
    is_by_bottom = network in GRAVITY_NETWORKS or laying == Laying.TRENCH
    return DepthOf.INVERT if is_by_bottom else DepthOf.TOP


def end_depths(graph: PipeGraph) -> Floats:
    """Return (s, 2) float64 the depths on record at both ends of each segment, NaN for none."""
    whole = graph.figures("burial_depth_m")
    ends = [graph.figures(name) for name in ("depth_from_m", "depth_to_m")]
    return np.column_stack([np.where(np.isnan(end), whole, end) for end in ends])


def depths_of_top(graph: PipeGraph, rows: Ints, fraction: Floats) -> Floats:
    """Return (k,) float64 metres from the surface to the outer top of some segments.

    Parameters
    ----------
    rows
        (k,) int64 segments.
    fraction
        (k,) float64 where along each, 0 to 1.

    Returns
    -------
    ndarray of float64
        NaN where a depth, or the diameter that leads from the bottom to the top, is not on record.
    """
    ends = end_depths(graph)[rows]
    # Not ends[:, 0] + fraction * rise: a missing depth of the other end must not matter at an end.
    start = np.where(fraction < 1, ends[:, 0] * (1 - fraction), 0.0)
    depth = start + np.where(fraction > 0, ends[:, 1] * fraction, 0.0)
    height = np.where(is_measured_to_invert(graph), diameters(graph), 0.0)
    top: Floats = depth - height[rows]
    return top


def find_gap_between(
    first: PipeGraph, other: PipeGraph, rows: tuple[Ints, Ints], fractions: tuple[Floats, Floats]
) -> Floats:
    """Return (k,) float64 the metres of earth between pipes that cross, never below nought.

    Parameters
    ----------
    rows
        (k,) int64 segments of the first and of the other network.
    fractions
        (k,) float64 where along each of them they cross.
    """
    one, two = (
        depths_of_top(graph, row, fraction)
        for graph, row, fraction in zip((first, other), rows, fractions, strict=True)
    )
    sizes = [
        np.nan_to_num(diameters(graph))[row]
        for graph, row in zip((first, other), rows, strict=True)
    ]
    upper_size = np.where(one <= two, sizes[0], sizes[1])
    gap: Floats = np.maximum(np.abs(one - two) - upper_size, 0.0)
    return gap
