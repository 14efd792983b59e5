"""The ground of one city in memory, in metres: read once, and again only where it changed."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Text, cast, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on

from geo import crs as systems
from geo.db.layer_frames import read_frame, wkb
from geo.errors import NotFoundError
from geo.fire import road_access
from geo.fire.road_access import Access, Anchors, Spots
from geo.model import STORAGE_SRID, Base, Building, LayerChange, LayerRevision, Region
from geo.model.fire import HydrantInspection
from geo.network import roads as road_graph
from geo.network.roads import RoadGraph
from geo.types import Geometries, Ints

Box = tuple[float, float, float, float]

AROUND_DEGREES = 0.03
"""How far beyond its border a city's roads and hydrants are read: some 3 km."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "building": (
        *("name", "address", "use", "storeys_above", "storeys_below", "height_m", "structure"),
        *("fire_class", "year_built", "high_rise", "households", "population"),
        *("households_source", "compound_code", "region_code", "valid_from"),
    ),
    "facility": ("category", "name", "phone", "address", "region_code"),
    "road": (
        *("road_class", "name", "width_m", "clear_height_m", "max_weight_t", "slope_percent"),
        *("oneway", "fire_lane", "bridge", "tunnel"),
    ),
    "water": ("kind", "width_m", "covered"),
    "compound": ("name", "gated"),
    "pipe_node": ("network", "kind", "in_service", "flow_l_s", "pressure_mpa"),
    "region": ("name", "level"),
}
"""What is read of each layer; of nodes only hydrants, of regions communities."""


@dataclass(frozen=True)
class CitySnapshot:
    """A city's layers as metric frames sorted by code, and what follows from them.

    Attributes
    ----------
    city
        The four digits that the codes of its regions begin with; empty where no region is known.
    changes
        How often each layer had changed when this was read.
    horizon
        Number of a transaction: what those before it wrote was read, what this one and later ones
        wrote may not have been.
    failed
        Codes of hydrants whose last inspection failed.
    """

    city: str
    crs: pyproj.CRS
    changes: Mapping[str, int]
    horizon: str
    failed: frozenset[str]
    building: gpd.GeoDataFrame
    facility: gpd.GeoDataFrame
    road: gpd.GeoDataFrame
    water: gpd.GeoDataFrame
    compound: gpd.GeoDataFrame
    hydrant: gpd.GeoDataFrame
    region: gpd.GeoDataFrame
    graph: RoadGraph
    anchors: Anchors
    hydrant_spots: Spots

    @cached_property
    def walls(self) -> NDArray[np.object_]:
        """Return the outlines of the buildings."""
        outlines: NDArray[np.object_] = self.building.geometry.to_numpy()
        shapely.prepare(outlines)
        return outlines

    @cached_property
    def wall_tree(self) -> shapely.STRtree:
        """Return the index of the buildings."""
        return shapely.STRtree(self.walls)

    @cached_property
    def codes(self) -> NDArray[np.object_]:
        """Return the codes of the buildings."""
        return np.array(self.building["code"].tolist(), dtype=object)

    @cached_property
    def hard(self) -> Geometries:
        """Return what an engine can't drive over, buildings aside: open water, fences."""
        water = self.water[~self.water["covered"].to_numpy(dtype=bool)]
        half = water["width_m"].to_numpy(dtype=float, na_value=0.0) / 2
        wet = shapely.buffer(water.geometry.to_numpy(), half)
        gated = self.compound[self.compound["gated"].eq(True).to_numpy(dtype=bool)]
        fences = shapely.boundary(gated.geometry.to_numpy())
        return np.concatenate([wet, fences])

    @cached_property
    def hard_tree(self) -> shapely.STRtree:
        """Return the index of what an engine can't drive over."""
        return shapely.STRtree(self.hard)

    @cached_property
    def under(self) -> NDArray[np.bool_]:
        """Return which roads pass through a building."""
        lines = self.road.geometry.to_numpy()
        found = np.zeros(len(lines), dtype=bool)
        if len(self.walls) and len(lines):
            found[self.wall_tree.query(lines, predicate="crosses")[0]] = True
        return found

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Return the row of each building by its code."""
        return {code: row for row, code in enumerate(self.codes.tolist())}

    @cached_property
    def working(self) -> NDArray[np.bool_]:
        """Return which hydrants can be used: not out of service, last inspection not failed."""
        out = self.hydrant["in_service"].eq(False).to_numpy(dtype=bool)
        failed: NDArray[np.bool_] = self.hydrant["code"].isin(self.failed).to_numpy()
        return np.asarray(~out & ~failed)

    @cached_property
    def access(self) -> Access:
        """Return how places stand to the roads."""
        stations = road_access.spots(self.graph, self.station.geometry.to_numpy())
        return road_access.find(self.graph, self.anchors, self.hydrant_spots, stations)

    @cached_property
    def station(self) -> gpd.GeoDataFrame:
        """Return the fire stations as points."""
        found = self.facility[self.facility["category"] == "fire_station"]
        points = shapely.centroid(found.geometry.to_numpy())
        return found.set_geometry(points, crs=found.crs).reset_index(drop=True)

    def to_degrees(self, geometries: Any) -> Any:
        """Return geometries in longitude and latitude."""
        return systems.transform(geometries, self.crs, systems.STORAGE)

    def to_metres(self, geometries: Any) -> Any:
        """Return geometries in the city's metric system."""
        return systems.transform(geometries, systems.STORAGE, self.crs)

    def place(self, lon: float, lat: float) -> shapely.Point:
        """Return a place in metres."""
        point: shapely.Point = self.to_metres(shapely.Point(lon, lat))
        return point

    def region_of(self, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return the code of the community that each geometry's middle lies in, or None."""
        found = np.full(len(geometries), None, dtype=object)
        land = self.region.geometry.to_numpy()
        points = shapely.point_on_surface(geometries)
        which, where = shapely.STRtree(land).query(points, predicate="intersects")
        found[which[::-1]] = self.region["code"].to_numpy()[where[::-1]]
        return found


def _anchors(before: CitySnapshot | None, building: gpd.GeoDataFrame, graph: RoadGraph) -> Anchors:
    """Return where buildings are reached from; what has not changed around them is kept."""
    walls = building.geometry.to_numpy()
    tree = shapely.STRtree(walls)
    if before is None or before.graph is not graph:
        return road_access.anchor(graph, walls, tree)
    if before.building is building:
        return before.anchors
    held_row, rows, outlines = _diff_buildings(before, building)
    near = tree.query(outlines, predicate="dwithin", distance=road_access.OTHER_WAYS_M)[1]
    rows = np.unique(np.concatenate([rows, near]))
    fresh = road_access.anchor(graph, walls, tree, rows)
    kept = [getattr(before.anchors, name)[held_row] for name in road_access.ANCHORED]
    for values, name in zip(kept, road_access.ANCHORED, strict=True):
        values[rows] = getattr(fresh, name)
    return Anchors(*kept)


def _diff_buildings(before: CitySnapshot, now: gpd.GeoDataFrame) -> tuple[Ints, Ints, Geometries]:
    """Return how buildings changed.

    Returns
    -------
    held_row
        Row that each building had before, -1 for none.
    rows
        Rows of those that are new or changed.
    outlines
        Those of the new, the changed and the gone ones, then and now.
    """
    held_row = np.array([before.row_of.get(code, -1) for code in now["code"].tolist()], dtype=int)
    held = before.building["valid_from"].to_numpy()
    same = (held_row >= 0) & (held[held_row] == now["valid_from"].to_numpy())
    rows = np.flatnonzero(~same)
    gone = np.ones(len(held), dtype=bool)
    gone[held_row[same]] = False
    return held_row, rows, np.concatenate([now.geometry.to_numpy()[rows], before.walls[gone]])


_REPLACED = {"pipe_node": "hydrant"}
"""Layers whose frame has another name here."""


def city_of(connection: Connection, code: str) -> str:
    """Return the city of a region, grid or building by its code: its first four digits."""
    known = select(Region.code).where(Region.code == f"{code[:4]}00000000").limit(1)
    if code[:4].isdecimal() and connection.execute(known).first():
        return code[:4]
    own = select(Building.region_code).where(Building.code == code)
    region = connection.execute(own).scalar()
    return region[:4] if region else ""


def city_at(connection: Connection, lon: float, lat: float) -> str:
    """Return the city whose land a place lies in, or is nearest to."""
    point = func.ST_SetSRID(func.ST_MakePoint(lon, lat), STORAGE_SRID)
    nearest = (
        select(Region.code)
        .where(Region.geom.is_not(None), Region.level == "city")
        .order_by(Region.geom.op("<->")(point))
        .limit(1)
    )
    code = connection.execute(nearest).scalar()
    return code[:4] if code else ""


def cities(connection: Connection) -> list[str]:
    """Return the cities with buildings, each by its first four digits."""
    statement = select(Region.code).where(Region.level == "city", Region.geom.is_not(None))
    found = [code[:4] for code in connection.execute(statement.order_by(Region.code)).scalars()]
    return found or [""]


INSPECTION = "inspection"
"""What stands among the changes for the hydrants' inspections: the last one's number."""


def changes(connection: Connection) -> dict[str, int]:
    """Return how often each layer was changed, by whatever way, and the inspections' last number.

    The database counts: imports, corrections and edits written in plain SQL are all noticed.
    """
    last = func.coalesce(func.max(HydrantInspection.id), 0)
    statement = select(LayerChange.layer, LayerChange.changes).union_all(
        select(literal(INSPECTION), last)
    )
    return {row.layer: row.changes for row in connection.execute(statement)}


def data_age(connection: Connection, layers: Sequence[str]) -> dict[str, Any]:
    """Return how old the data of some layers is; the oldest decides.

    In whole minutes, so that an answer's entity tag holds for one.
    """
    columns = LayerRevision.layer, LayerRevision.revision, LayerRevision.published_at
    rows = connection.execute(select(*columns).where(LayerRevision.layer.in_(layers))).all()
    times = {row.layer: row.published_at.astimezone(UTC) for row in rows}
    oldest = min(times.values(), default=None)
    age = None if oldest is None else (datetime.now(UTC) - oldest) // timedelta(minutes=1) * 60
    return {
        "revision": max((row.revision for row in rows), default=0),
        "published_at": oldest,
        "age_s": age,
        "layers": {layer: times.get(layer) for layer in layers},
    }


def load(connection: Connection, city: str, before: CitySnapshot | None = None) -> CitySnapshot:
    """Return the ground of a city; layers that did not change since ``before`` are kept.

    Raises
    ------
    NotFoundError
        If the city has no buildings and no roads.
    """
    state, horizon = changes(connection), _horizon(connection)
    box = extent(connection, city)
    crs = before.crs if before else systems.metric_crs((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    frames = {}
    for layer in COLUMNS:
        name = _REPLACED.get(layer, layer)
        same = before is not None and before.changes.get(layer) == state.get(layer)
        if same:
            frames[name] = getattr(before, name)
        elif before is not None and layer == "building":
            frames[name] = _read_changes(connection, before, box)
        else:
            frames[name] = _read(connection, layer, box, crs)
    failed = frozenset(connection.execute(_failed_inspection_query()).scalars())
    return of_frames(city, crs, frames, state, horizon, failed, before)


def _horizon(connection: Connection) -> str:
    """Return the oldest transaction that may still write unseen."""
    oldest = func.pg_snapshot_xmin(func.pg_current_snapshot())
    return connection.execute(select(cast(oldest, Text))).scalar_one()


def of_frames(
    city: str,
    crs: pyproj.CRS,
    frames: Mapping[str, gpd.GeoDataFrame],
    state: Mapping[str, int],
    horizon: str = "0",
    failed: frozenset[str] = frozenset(),
    before: CitySnapshot | None = None,
) -> CitySnapshot:
    """Return the ground that metric frames make, by the names of the attributes."""
    if before is not None and frames["road"] is before.road:
        graph = before.graph
    else:
        graph = road_graph.build(frames["road"])
    anchors = _anchors(before, frames["building"], graph)
    if before is not None and graph is before.graph and frames["hydrant"] is before.hydrant:
        spots = before.hydrant_spots
    else:
        spots = road_access.spots(graph, frames["hydrant"].geometry.to_numpy())
    return CitySnapshot(
        city,
        crs,
        state,
        horizon,
        failed,
        graph=graph,
        anchors=anchors,
        hydrant_spots=spots,
        **frames,
    )


def _failed_inspection_query() -> Any:
    """Return the query for hydrants whose last inspection failed."""
    last = (
        select(HydrantInspection.hydrant_code, HydrantInspection.passed)
        .ext(distinct_on(HydrantInspection.hydrant_code))
        .order_by(
            HydrantInspection.hydrant_code,
            HydrantInspection.inspected_on.desc(),
            HydrantInspection.id.desc(),
        )
        .subquery("last")
    )
    return select(last.c.hydrant_code).where(~last.c.passed)


def extent(connection: Connection, city: str) -> Box:
    """Return the box that a city is read in: its regions' land, else all buildings and roads."""
    land = Region.geom.is_not(None) & Region.code.startswith(city or "#")
    sides = _sides(connection, select(func.ST_Extent(Region.geom).label("box")).where(land))
    if sides is None:
        for table in (Building.__table__, Base.metadata.tables["road"]):
            sides = _sides(connection, select(func.ST_Extent(table.c.geom).label("box")))
            if sides is not None:
                break
    if sides is None:
        raise NotFoundError("no_ground", city=city or "*")
    west, south, east, north = sides
    around = AROUND_DEGREES
    return west - around, south - around, east + around, north + around


def _sides(connection: Connection, extent: Any) -> Box | None:
    box = extent.subquery("extent").c.box
    sides = func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box)
    found = connection.execute(select(*sides)).one()
    return None if found[0] is None else tuple(found)


def _read_changes(connection: Connection, before: CitySnapshot, box: Box) -> gpd.GeoDataFrame:
    """Return the buildings as they are, reading only those written since they were read before."""
    table = Base.metadata.tables["building"]
    inside = table.c.geom.op("&&")(func.ST_MakeEnvelope(*box, STORAGE_SRID))
    written = func.age(literal_column("building.xmin"))
    since = func.age(func.xid(cast(before.horizon, Text)))
    fresh = _read(connection, "building", box, before.crs, written <= since)
    held = before.building
    kept = np.ones(len(held), dtype=bool)
    kept[[before.row_of[code] for code in fresh["code"] if code in before.row_of]] = False
    count = connection.execute(select(func.count()).select_from(table).where(inside)).scalar_one()
    if count != kept.sum() + len(fresh):  # some are gone: only then are all codes read
        codes = connection.execute(select(table.c.code).where(inside)).scalars().all()
        kept &= held["code"].isin(codes).to_numpy()
    whole = pd.DataFrame(
        {name: _concat_series(held[name][kept], fresh[name]) for name in held.columns}
    )
    return gpd.GeoDataFrame(whole.sort_values("code", ignore_index=True), geometry="geom")


def _concat_series(kept: pd.Series, fresh: pd.Series) -> pd.Series:
    """Return values that were held and those read since, typed as if all were read at once."""
    if kept.dtype.kind in "iub" and fresh.isna().any():
        return pd.Series([*kept.tolist(), *fresh.tolist()])
    typed = fresh if fresh.dtype == kept.dtype else fresh.astype(kept.dtype)
    return pd.concat([kept, typed], ignore_index=True)


def _read(
    connection: Connection,
    layer: str,
    box: Box,
    crs: pyproj.CRS,
    condition: ColumnElement[bool] | None = None,
) -> gpd.GeoDataFrame:
    table = Base.metadata.tables[layer]
    columns = [table.c[name] for name in ("code", *COLUMNS[layer])]
    statement = select(*columns, wkb(table.c.geom)).where(
        table.c.geom.op("&&")(func.ST_MakeEnvelope(*box, STORAGE_SRID))
    )
    if condition is not None:
        statement = statement.where(condition)
    if layer == "pipe_node":
        statement = statement.where(table.c.kind == "hydrant", table.c.network == "water")
    if layer == "region":
        statement = statement.where(table.c.level == "community")
    frame = read_frame(connection, statement.order_by(table.c.code))
    metric = systems.transform(frame.geometry.to_numpy(), systems.STORAGE, crs)
    return frame.set_geometry(gpd.GeoSeries(metric, index=frame.index, crs=crs))


class SnapshotCache:
    """The grounds of an installation's cities, each read anew when a layer was changed."""

    def __init__(self) -> None:
        self._held: dict[str, CitySnapshot] = {}
        self._lock = threading.Lock()

    def of(
        self, connection: Connection, city: str, state: Mapping[str, int] | None = None
    ) -> CitySnapshot:
        """Return the ground of a city as it is now.

        Parameters
        ----------
        state
            How often the layers were changed, if that is known.
        """
        state = changes(connection) if state is None else state
        held = self._held.get(city)
        if held is not None and self._is_current(state, held):
            return held
        with self._lock:
            held = self._held.get(city)
            if held is None or not self._is_current(state, held):
                held = load(connection, city, held)
                self._held[city] = held
            return held

    def _is_current(self, state: Mapping[str, int], held: CitySnapshot) -> bool:
        return all(state.get(name) == held.changes.get(name) for name in (*COLUMNS, INSPECTION))
