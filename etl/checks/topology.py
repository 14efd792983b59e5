"""Topology of communities: gaps and overlaps with neighbours, and land outside the parent.

Slivers, which two surveys of one border always leave, are healed by snapping the delivered border
to the live neighbour. A larger breach that did not exist before is a concern for the guard.
"""

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection, text

from etl.pipeline.delivery import Concern, Delivery
from etl.pipeline.diff import column_differs_sql
from etl.pipeline.staging import Staged
from geo import crs

SLIVER_M = 1.0
"""A thinner gap or overlap is a sliver, by which two surveys of a border differ."""

SPECK_M2 = 0.01
"""Smaller breaches come from rounded coordinates."""

LISTED = 200

_MAX_NEW_SHARE = 0.1
"""Share of a known breach that may be new."""


@dataclass(frozen=True)
class Breach:
    """A gap, an overlap, or land outside the parent division, with the codes involved."""

    kind: str
    codes: tuple[str, ...]
    shape: Any

    @property
    def thickness_m(self) -> float:
        """The mean width: twice the area divided by the perimeter."""
        return float(2 * self.shape.area / max(self.shape.length, 1e-9))


def heal_slivers(
    connection: Connection, staged: Staged, delivery: Delivery
) -> tuple[dict[str, Any], list[Concern]]:
    """Heal the slivers of staged communities; return the breaches and the concerns.

    Returns
    -------
    tuple
        ``healed``, new ``breaches`` and those that are ``known``, with kind, codes, area in square
        metres and place; and a concern if there are new ones.
    """
    if "geom" not in staged.columns:
        return {}, []
    changed = _changed_communities(connection, staged)
    if not changed:
        return {"healed": [], "breaches": []}, []
    after = _read_divisions(
        connection, _AFTER.format(table=staged.table, partial=_kept_divisions_sql(delivery))
    )
    before = _read_divisions(connection, "SELECT code, level, parent_code, geom FROM region")
    metric = crs.metric_crs_of(after)
    after, before = after.to_crs(metric), before.to_crs(metric)
    breaches = find_breaches(after, changed)
    slivers = [breach for breach in breaches if breach.thickness_m < SLIVER_M]
    shapes = _fill_slivers(after, changed, slivers)
    _store_shapes(connection, staged, shapes, metric)
    large = [breach for breach in breaches if breach.thickness_m >= SLIVER_M]
    new, known = _new(large, before) if large else ([], [])
    notes = {
        "healed": _describe_faults(slivers, metric),
        "breaches": _describe_faults(new, metric),
        "known": _describe_faults(known, metric),
    }
    if not new:
        return notes, []
    area = round(sum(breach.shape.area for breach in new), 1)
    return notes, [Concern("topology", {"layer": "region", "count": len(new), "area": area})]


_AFTER = """
SELECT code, level, parent_code, geom FROM region live
WHERE {partial} AND code NOT IN (SELECT code FROM {table} WHERE code IS NOT NULL)
UNION ALL SELECT s.code, s.level, s.parent_code, coalesce(s.geom, live.geom)
FROM {table} s LEFT JOIN region live USING (code)
"""


def _kept_divisions_sql(delivery: Delivery) -> str:
    """Return the condition on live divisions that stay although the delivery lacks them."""
    if delivery.scope.partial:
        return "true"
    source = delivery.scope.source.replace("'", "''").replace(":", "\\:")
    return (
        f"(source <> '{source}' OR code IN "
        f"(SELECT code FROM {delivery.rejected} WHERE layer = 'region'))"
    )


def _changed_communities(connection: Connection, staged: Staged) -> set[str]:
    """Return the communities whose border is another than the one that is live."""
    rows = connection.scalars(
        text(
            f"SELECT staged.code FROM {staged.table} staged LEFT JOIN region live USING (code) "
            "WHERE staged.level = 'community' AND staged.geom IS NOT NULL "
            f"AND {column_differs_sql('geom')}"
        )
    )
    return set(rows)


def _read_divisions(connection: Connection, statement: str) -> gpd.GeoDataFrame:
    rows = connection.exec_driver_sql(
        f"SELECT code, level, parent_code, ST_AsBinary(geom) AS wkb FROM ({statement}) r"
    ).all()
    frame = pd.DataFrame(rows, columns=["code", "level", "parent_code", "wkb"])
    shapes = shapely.from_wkb(frame.pop("wkb").to_numpy(dtype=object))
    return gpd.GeoDataFrame(frame, geometry=shapes, crs=crs.STORAGE)


def find_breaches(regions: gpd.GeoDataFrame, concerned: set[str]) -> list[Breach]:
    """Return the gaps and overlaps at some communities.

    Parameters
    ----------
    regions
        Divisions of all levels in metres: ``code``, ``level``, ``parent_code``.
    concerned
        Codes of the communities whose borders are looked at.
    """
    with_land = regions[~regions.geometry.is_empty & regions.geometry.notna()]
    communities = with_land[with_land["level"] == "community"].reset_index(drop=True)
    breaches = _overlaps(communities, concerned)
    parents = with_land.set_index("code").geometry
    for code, children in communities.groupby("parent_code"):
        if concerned.isdisjoint(children["code"]):
            continue
        land = shapely.union_all(children.geometry.to_numpy())
        if code in parents.index:
            breaches += _against_parent(str(code), parents[code], children, concerned, land)
        else:
            breaches += _holes(land, children, concerned)
    return [breach for breach in breaches if breach.shape.area >= SPECK_M2]


def _overlaps(communities: gpd.GeoDataFrame, concerned: set[str]) -> list[Breach]:
    shapes = communities.geometry.to_numpy()
    codes = communities["code"].to_numpy()
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    chosen = first < second
    chosen &= np.isin(codes[first], [*concerned]) | np.isin(codes[second], [*concerned])
    first, second = first[chosen], second[chosen]
    shared = shapely.intersection(shapes[first], shapes[second])
    return [
        Breach("overlap", (codes[a], codes[b]), part)
        for a, b, shape in zip(first, second, shared, strict=True)
        for part in _parts(shape)
    ]


def _parts(shape: shapely.Geometry) -> list[shapely.Polygon]:
    return [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon" and p.area > 0]


def _against_parent(
    parent: str,
    border: shapely.Geometry,
    children: gpd.GeoDataFrame,
    concerned: set[str],
    land: shapely.Geometry,
) -> list[Breach]:
    gaps = [
        Breach("gap", _beside(part, children), part)
        for piece in _parts(shapely.difference(border, land))
        for part in _split_off_slivers(piece, children)
    ]
    own = children[children["code"].isin(concerned)]
    outside = [
        Breach("outside", (code, parent), part)
        for code, shape in zip(own["code"], own.geometry, strict=True)
        for part in _parts(shapely.difference(shape, border))
    ]
    return [gap for gap in gaps if concerned & set(gap.codes)] + outside


def _split_off_slivers(gap: Any, communities: gpd.GeoDataFrame) -> list[Any]:
    """Return the wide parts of a gap, and the slivers between two communities that lead to them."""
    wide = shapely.buffer(
        shapely.buffer(gap, -SLIVER_M / 2, join_style="mitre"), SLIVER_M / 2, join_style="mitre"
    )
    if shapely.is_empty(wide):
        return [gap]
    thin = [
        part
        for part in _parts(shapely.difference(gap, wide))
        if part.area >= SPECK_M2 and len(_beside(part, communities)) > 1
    ]
    return [*_parts(shapely.difference(gap, shapely.union_all(thin))), *thin] if thin else [gap]


def _holes(land: shapely.Geometry, children: gpd.GeoDataFrame, concerned: set[str]) -> list[Breach]:
    """Return the gaps between communities of a division without a border of its own."""
    closed = shapely.buffer(
        shapely.buffer(land, SLIVER_M, join_style="mitre"), -SLIVER_M, join_style="mitre"
    )
    holes = [
        shapely.Polygon(ring)
        for part in shapely.get_parts(closed)
        for ring in getattr(part, "interiors", ())
    ]
    thin = _parts(shapely.difference(closed, land))
    gaps = [Breach("gap", _beside(part, children), part) for part in [*holes, *thin]]
    return [gap for gap in gaps if concerned & set(gap.codes)]


def _beside(part: shapely.Geometry, communities: gpd.GeoDataFrame) -> tuple[str, ...]:
    """Return the communities that border on a gap, the one with the longest border first."""
    shapes = communities.geometry.to_numpy()
    near = np.unique(shapely.STRtree(shapes).query(part, predicate="dwithin", distance=1e-3))
    edge = shapely.buffer(part, 1e-3)
    length = shapely.length(shapely.intersection(shapely.boundary(shapes[near]), edge))
    order = near[np.argsort(-length, kind="stable")]
    return tuple(communities["code"].to_numpy()[order])


def _fill_slivers(
    regions: gpd.GeoDataFrame, changed: set[str], slivers: list[Breach]
) -> dict[str, shapely.Geometry]:
    """Return the delivered communities with their slivers taken away or filled."""
    shapes: dict[str, shapely.Geometry] = dict(zip(regions["code"], regions.geometry, strict=True))
    touched: dict[str, shapely.Geometry] = {}
    for breach in slivers:
        ours = [code for code in breach.codes if code in changed]
        if not ours:
            continue
        if breach.kind == "gap":
            code = ours[0]
            touched[code] = shapely.union(touched.get(code, shapes[code]), breach.shape)
            continue
        # Of an overlap the neighbour that stays as it is keeps the land; of two new ones the first.
        code = ours[-1] if breach.kind == "overlap" else ours[0]
        other = shapes.get(next(c for c in breach.codes if c != code))
        mine = touched.get(code, shapes[code])
        taken = other if breach.kind == "overlap" and other is not None else breach.shape
        touched[code] = shapely.difference(
            mine, shapely.intersection(taken, shapely.buffer(breach.shape, 0.01))
        )
    return {code: shapely.multipolygons(_parts(shape)) for code, shape in touched.items()}


def _store_shapes(
    connection: Connection, staged: Staged, shapes: dict[str, shapely.Geometry], metric: Any
) -> None:
    if not shapes:
        return
    degrees = gpd.GeoSeries(list(shapes.values()), crs=metric).to_crs(crs.STORAGE)
    rows = [
        {"code": code, "geom": shapely.to_wkb(shape)}
        for code, shape in zip(shapes, degrees, strict=True)
    ]
    connection.execute(
        text(
            f"UPDATE {staged.table} SET geom = ST_SetSRID(ST_GeomFromWKB(:geom), 4490) "
            "WHERE code = :code"
        ),
        rows,
    )


def _new(large: list[Breach], before: gpd.GeoDataFrame) -> tuple[list[Breach], list[Breach]]:
    """Divide breaches into new ones and those that exist in the live layer.

    The part of a gap is new that belonged to a community before.
    """
    old = find_breaches(before, set(before["code"]))
    communities = before[(before["level"] == "community") & before.geometry.notna()]
    land = shapely.union_all(communities.geometry.to_numpy())
    new, known = list[Breach](), list[Breach]()
    for breach in large:
        if breach.kind == "gap":
            lost = _parts(shapely.intersection(breach.shape, land))
            parts = [Breach("gap", _beside(part, communities), part) for part in lost]
            parts = [part for part in parts if part.thickness_m >= SLIVER_M]
            new += parts
            known += [] if parts else [breach]
        elif _is_known(breach, old):
            known.append(breach)
        else:
            new.append(breach)
    return new, known


def _is_known(breach: Breach, old: list[Breach]) -> bool:
    """Return whether most of a breach exists in the live layer."""
    shared = sum(
        shapely.area(shapely.intersection(breach.shape, other.shape))
        for other in old
        if other.kind == breach.kind and shapely.intersects(breach.shape, other.shape)
    )
    return bool(shared >= (1 - _MAX_NEW_SHARE) * breach.shape.area)


def _describe_faults(breaches: list[Breach], metric: Any) -> list[dict[str, Any]]:
    """Return the largest breaches as plain values, each with a point in degrees."""
    listed = sorted(breaches, key=lambda breach: -breach.shape.area)[:LISTED]
    places = gpd.GeoSeries(
        [shapely.point_on_surface(breach.shape) for breach in listed], crs=metric
    ).to_crs(crs.STORAGE)
    return [
        {
            "kind": breach.kind,
            "codes": list(breach.codes[:3]),
            "area_m2": round(breach.shape.area, 2),
            "lon": round(place.x, 7),
            "lat": round(place.y, 7),
        }
        for breach, place in zip(listed, places, strict=True)
    ]
