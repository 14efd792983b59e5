"""Lines that borders of grids follow: named roads, walls, railways and waters of a community."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Subquery, case, func, literal, or_, select, union_all

from geo.model import Compound, Railway, Region, Road, Water
from geo.partition.cells.barriers import ROAD_KIND
from geo.partition.community import STREAM_KINDS, SURFACE_KINDS

KINDS = ("arterial", "street", "alley", "wall", "railway", "river")
"""Kinds of lines, in the order in which they are listed."""


def select_barrier_lines(community: str) -> Subquery:
    """Return the query for the barriers of a community, the pieces of one name as one line.

    Railways and roads in tunnels and covered waters are left out: borders don't follow them.

    Returns
    -------
    Subquery
        ``kind`` (one of :data:`KINDS`), ``name``, and ``geom``: the lines inside the community.
    """
    pieces = union_all(
        *(
            _query_lines(community, *piece)
            for piece in (_roads(), _railways(), *_waters(), _walls())
        )
    ).subquery("pieces")
    geom = func.ST_LineMerge(func.ST_Union(pieces.c.geom)).label("geom")
    return (
        select(pieces.c.kind, pieces.c.name, geom)
        .group_by(pieces.c.kind, pieces.c.name, pieces.c.key)
        .having(func.ST_Length(func.ST_Union(pieces.c.geom)) > 0)
        .subquery("barrier_lines")
    )


def select_street_lines(communities: Sequence[str]) -> Subquery:
    """Return the query for streets, railways and waters of communities, along which a border runs.

    Returns
    -------
    Subquery
        ``kind`` (one of :data:`KINDS`), ``code`` of one of its parts, ``name``, and ``geom``: the
        lines inside the communities, those of one name as one.
    """
    sources = (_roads(), _railways(), *_waters())
    pieces = union_all(
        *(_query_lines(code, *source) for code in communities for source in sources)
    ).subquery("pieces")
    geom = func.ST_LineMerge(func.ST_Union(pieces.c.geom)).label("geom")
    kind, code = func.min(pieces.c.kind).label("kind"), func.min(pieces.c.code).label("code")
    return (
        select(kind, code, pieces.c.name, geom)
        .group_by(pieces.c.name, pieces.c.key)
        .having(func.ST_Length(func.ST_Union(pieces.c.geom)) > 0)
        .subquery("street_lines")
    )


Source = tuple[Any, ColumnElement[str], Any, ColumnElement[bool]]
"""Table, kind of the line, its geometry, and which rows count."""


def _roads() -> Source:
    kinds = {name: kind.name.lower() for name, kind in ROAD_KIND.items()}
    kind = case(kinds, value=Road.road_class)
    return Road, kind, Road.geom, Road.road_class.in_(ROAD_KIND) & Road.tunnel.is_(False)


def _railways() -> Source:
    return Railway, literal("railway"), Railway.geom, Railway.tunnel.is_(False)


def _waters() -> tuple[Source, Source]:
    river, dimension = literal("river"), func.ST_Dimension(Water.geom)
    streams = Water.kind.in_(STREAM_KINDS) & (dimension == 1) & Water.covered.is_(False)
    surfaces = Water.kind.in_(SURFACE_KINDS) & (dimension == 2)
    return (
        (Water, river, Water.geom, streams),
        (Water, river, func.ST_Boundary(Water.geom), surfaces),
    )


def _walls() -> Source:
    has_wall = or_(Compound.gated.is_(None), Compound.gated.is_(True))
    return Compound, literal("wall"), func.ST_Boundary(Compound.geom), has_wall


def _query_lines(
    community: str,
    table: Any,
    kind: ColumnElement[str],
    geom: ColumnElement[Any],
    counts: ColumnElement[bool],
) -> Any:
    """Return the query for the lines of a table inside a community; nameless ones stay apart."""
    key = case((table.name == "", table.code), else_="")
    inside = func.ST_CollectionExtract(func.ST_Intersection(geom, Region.geom), 2)
    columns = {"kind": kind, "code": table.code, "name": table.name, "key": key, "geom": inside}
    return (
        select(*(column.label(name) for name, column in columns.items()))
        .select_from(table)
        .join(Region, func.ST_Intersects(table.geom, Region.geom))
        .where(Region.code == community, counts)
    )
