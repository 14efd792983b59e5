"""Requests to ``/ogc`` and the same to tipg alone, for ratios in one run."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from geo import db

CLIENTS = 8
PROPERTIES = "code,name,address,use,storeys_above"
"""Attributes of buildings that the public may see; tipg is asked for the same."""

LIMITS = (10, 1_000)
ZOOM = 16


@dataclass(frozen=True)
class Comparison:
    """A request by its name, with the paths that do the same on both servers."""

    name: str
    ours: Sequence[str]
    theirs: Sequence[str]


def comparisons(tiles: Sequence[str]) -> list[Comparison]:
    """Return the requests to compare.

    Parameters
    ----------
    tiles
        Zoom, column and row of tiles as paths.
    """
    with db.get_engine().connect() as connection:
        query = text("SELECT code FROM building ORDER BY random() LIMIT 200")
        codes = list(connection.execute(query).scalars())
    ours, theirs = "/ogc/collections/building", "/collections/public.building"
    pages = [
        Comparison(
            f"items, {limit}",
            [f"{ours}/items?limit={limit}"],
            [f"{theirs}/items?limit={limit}&properties={PROPERTIES}"],
        )
        for limit in LIMITS
    ]
    return [
        Comparison("landing page", ["/ogc/"], ["/"]),
        Comparison("collections", ["/ogc/collections"], ["/collections"]),
        Comparison("collection", [ours], [theirs]),
        *pages,
        Comparison(
            "one item",
            [f"{ours}/items/{code}" for code in codes],
            [f"{theirs}/items/{code}?properties={PROPERTIES}" for code in codes],
        ),
        Comparison(
            f"tile of one layer, zoom {ZOOM}",
            [f"{ours}/tiles/WebMercatorQuad/{tile}" for tile in tiles],
            [f"{theirs}/tiles/WebMercatorQuad/{tile}" for tile in tiles],
        ),
    ]
