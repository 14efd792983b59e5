"""Small communities, in metres, and graphs for the tests of the partition."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from geo.partition.cells.graph import Graph
from geo.partition.community import Community

CRS = "EPSG:4546"
ROAD = {"road_class": "local", "tunnel": False}


def layer(rows: list[dict[str, Any]], *columns: str) -> gpd.GeoDataFrame:
    names = [*columns, "geom"]
    return gpd.GeoDataFrame(rows, columns=names, geometry="geom", crs=CRS)


def community(
    polygon: shapely.Geometry,
    buildings: list[dict[str, Any]],
    *,
    units: list[dict[str, Any]] | None = None,
    compounds: list[dict[str, Any]] | None = None,
    roads: list[dict[str, Any]] | None = None,
    waters: list[dict[str, Any]] | None = None,
    facilities: list[dict[str, Any]] | None = None,
) -> Community:
    rows = [
        {"code": f"b{n:05d}", "name": "", "compound_code": None, "households": 0} | building
        for n, building in enumerate(buildings)
    ]
    return Community(
        "420606007001",
        "test",
        polygon,
        layer(rows, "code", "name", "households", "compound_code"),
        layer(units or [], "code", "building_code", "households"),
        layer(compounds or [], "code", "gated"),
        layer([ROAD | road for road in roads or []], "road_class", "tunnel"),
        layer([], "tunnel"),
        layer([{"covered": False} | water for water in waters or []], "kind", "covered"),
        layer(facilities or [], "category", "name"),
    )


def rows_of_houses(
    columns: int, rows: int, households: int, *, pitch: float = 25.0, side: float = 12.0
) -> list[dict[str, Any]]:
    return [
        {"geom": house(i * pitch + 6, j * pitch + 6, side), "households": households}
        for j in range(rows)
        for i in range(columns)
    ]


def house(x: float, y: float, side: float = 12.0) -> shapely.Polygon:
    return shapely.box(x, y, x + side, y + side)


def scattered(seed: int, count: int, size: float = 400.0) -> list[dict[str, Any]]:
    """Return houses at random places, turned at random, some touching or overlapping."""
    random = np.random.default_rng(seed)
    found = []
    for x, y in random.uniform(15, size - 30, (count, 2)):
        shape = shapely.box(x, y, x + random.uniform(6, 25), y + random.uniform(6, 25))
        turned = shapely.affinity.rotate(shape, random.uniform(0, 90))
        found.append({"geom": turned, "households": int(random.integers(0, 60))})
    return found


def grid_graph(columns: int, rows: int, random: np.random.Generator) -> Graph:
    """Return the graph of a chessboard with random households and border costs."""
    number = np.arange(columns * rows).reshape(rows, columns)
    edges = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    pairs = np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in edges])
    n, m = columns * rows, len(pairs)
    x, y = np.meshgrid(np.arange(columns) * 20.0, np.arange(rows) * 20.0)
    inside = np.where(random.random(m) < 0.1, 20.0, 0.0)
    return Graph(
        households=random.integers(0, 40, n),
        edges=pairs.astype(np.int64),
        cut=random.uniform(2, 20, m),
        inside=inside,
        length=np.full(m, 20.0),
        area=np.full(n, 400.0),
        outline=np.zeros(n),
        xy=np.column_stack([x.ravel(), y.ravel()]),
        compound=random.integers(-1, 4, n),
    )


def is_contiguous(graph: Graph, label: np.ndarray) -> bool:
    return all(
        graph.subgraph(np.flatnonzero(label == g)).components()[0] == 1 for g in np.unique(label)
    )
