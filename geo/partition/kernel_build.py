"""Compilation of the kernels for all who draw: ``python -m geo.partition.kernel_build GROUP FILE``.

:mod:`geo.geometry.kernel_file` runs it in a process of its own, whose memory ends with it.
"""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numba.core.targetconfig import TargetConfig

from geo.geometry import kernel_file
from geo.geometry.compile import dump_kernels
from geo.partition import graph_from_arrays, prove, search_parts
from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.problem import build_problem
from geo.partition.search.strategy import Effort

TASKS = {"draw": ("cells", "search"), "proof": ("proof",)}
"""Tasks that call all kernels of a group, each at most half of the work."""

PITCH_M, SIDE_M = 25.0, 12.0


def build(group: str, file: Path) -> None:
    """Compile the kernels of a group, each task on a processor, and store their machine code."""
    tasks = TASKS[group]
    if len(tasks) == 1 or os.cpu_count() == 1:
        parts = [_compile_kernels(task) for task in tasks]
    else:
        with ProcessPoolExecutor(len(tasks), get_context("spawn")) as pool:
            parts = list(pool.map(_compile_kernels, tasks))
    kernel_file.write(file, {name: code for part in parts for name, code in part.items()})


def _compile_kernels(task: str) -> dict[str, bytes]:
    """Compile the kernels that a task calls, by carrying it out for a hamlet."""
    _compare_flags_quickly()
    graph = graph_from_arrays([200, 180, 210, 190], [(0, 1), (1, 2), (2, 3)], [30.0, 30.0, 30.0])
    if task == "search":
        search_parts(graph, effort=Effort(generations=1, moves_per_node=1))
    elif task == "cells":
        build_problem(_hamlet(), Constraints(), None)
    else:
        prove(graph, np.array([0, 0, 1, 1]))
    return dump_kernels()


def _compare_flags_quickly() -> None:
    """Let Numba compare the flags of a compilation as dictionaries.

    Whenever it looks for a function of its library, Numba 0.68 compares thirty options one by one
    through properties: that is a third of the whole compilation. The result is the same.
    """

    def values(flags: Any) -> dict[str, Any]:
        options = type(flags).options
        if id(options) not in defaults:
            defaults[id(options)] = {name: option.default for name, option in options.items()}
        return {**defaults[id(options)], **flags._values}

    def is_equal(flags: Any, other: Any) -> Any:
        if flags is other:
            return True
        return values(flags) == values(other) if isinstance(other, TargetConfig) else NotImplemented

    defaults: dict[int, dict[str, Any]] = {}
    config: Any = TargetConfig
    config.__eq__, config.__hash__ = is_equal, lambda flags: hash(type(flags))


def _hamlet() -> Community:
    """Return a community of a few houses on both sides of a street and of a ditch."""
    corners = [(x * PITCH_M, y * PITCH_M) for x in range(4) for y in range(4)]
    houses = [shapely.box(x + 6, y + 6, x + 6 + SIDE_M, y + 6 + SIDE_M) for x, y in corners]
    land = shapely.box(0, 0, 4 * PITCH_M, 4 * PITCH_M)
    street = shapely.LineString([(2 * PITCH_M, -10), (2 * PITCH_M, 4 * PITCH_M + 10)])
    ditch = shapely.LineString([(-10, 2 * PITCH_M), (4 * PITCH_M + 10, 2 * PITCH_M)])
    count = len(houses)
    return Community(
        "420606007001",
        "",
        land,
        _layer(
            houses,
            code=[f"b{number}" for number in range(count)],
            name=[""] * count,
            households=[40] * count,
            compound_code=[None] * count,
        ),
        _layer([], code=[], building_code=[], households=[]),
        _layer([], code=[], gated=[]),
        _layer([street], road_class=["local"], tunnel=[False]),
        _layer([], tunnel=[]),
        _layer([ditch], kind=["canal"], covered=[False]),
        _layer([], category=[], name=[]),
    )


def _layer(shapes: Sequence[shapely.Geometry], **columns: list[Any]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({**columns, "geom": shapes}, geometry="geom", crs="EPSG:4546")


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]))
