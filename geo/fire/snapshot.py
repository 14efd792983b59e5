"""A snapshot of one city's layers in memory, in metres; only changed layers are read again."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Text, cast, func, literal_column, select

from geo import crs as systems
from geo.db.layer_frames import read_frame, wkb
from geo.fire import reviews, road_access
from geo.fire.cities import STATION_MARGIN_DEGREES, Box, city_extent
from geo.fire.layer_state import read_layer_changes
from geo.fire.road_access import BuildingAnchors, RoadAccess, RoadPositions
from geo.model import STORAGE_SRID, Base
from geo.network.road_joins import RoadJoin
from geo.network.roads import RoadGraph, road_widths
from geo.types import Bools, Floats, Geometries, Ints

LAYER_COLUMNS: dict[str, tuple[str, ...]] = {
    "building": (
        *("name", "address", "use", "storeys_above", "storeys_below", "height_m", "structure"),
        *("fire_class", "year_built", "high_rise", "households", "population"),
        *("households_source", "compound_code", "region_code", "valid_from"),
    ),
    "facility": (
        *("category", "name", "phone", "address", "region_code", "staff_count", "station_class"),
    ),
    "road": (
        *("road_class", "name", "width_m", "clear_height_m", "max_weight_t", "slope_percent"),
        *("oneway", "fire_lane", "bridge", "tunnel"),
    ),
    "railway": ("bridge", "tunnel"),
    "water": ("kind", "width_m", "covered"),
    "compound": ("name", "gated"),
    "pipe_node": ("network", "kind", "in_service", "flow_l_s", "pressure_mpa", "hydrant_type"),
    "region": ("name", "level"),
}
"""Columns read of each layer; of pipe nodes only hydrants, of regions only communities."""


@dataclass(frozen=True)
class CitySnapshot:
    """A city's layers as metric frames sorted by code, and what is derived from them.

    Rows of ``building``, ``hydrant``, ``road`` and ``station`` are numbered from 0; other arrays of
    the fire package refer to features by these rows.

    Attributes
    ----------
    city
        The four digits that the codes of its regions begin with; empty where no region is known.
    layer_changes
        Change counts of the layers when this was read.
    horizon
        Number of a transaction: what earlier ones wrote was read, what this one and later ones
        wrote may not have been.
    failed_hydrants
        Codes of hydrants whose last inspection failed.
    road_joins
        Gaps in the data of the roads, across which the graph joins them.
    area
        In and around the city, metres; None if every road lies there.
    """

    city: str
    crs: pyproj.CRS
    layer_changes: Mapping[str, int]
    horizon: str
    failed_hydrants: frozenset[str]
    building: gpd.GeoDataFrame
    facility: gpd.GeoDataFrame
    road: gpd.GeoDataFrame
    railway: gpd.GeoDataFrame
    water: gpd.GeoDataFrame
    compound: gpd.GeoDataFrame
    hydrant: gpd.GeoDataFrame
    region: gpd.GeoDataFrame
    graph: RoadGraph
    road_joins: list[RoadJoin]
    anchors: BuildingAnchors
    hydrant_positions: RoadPositions
    area: shapely.Polygon | None = None

    @cached_property
    def walls(self) -> Geometries:
        """(b,) prepared outlines of the buildings."""
        outlines: Geometries = self.building.geometry.to_numpy()
        shapely.prepare(outlines)
        return outlines

    @cached_property
    def wall_tree(self) -> shapely.STRtree:
        """Spatial index of the buildings' outlines."""
        return shapely.STRtree(self.walls)

    @cached_property
    def codes(self) -> NDArray[np.object_]:
        """(b,) codes of the buildings."""
        return np.array(self.building["code"].tolist(), dtype=object)

    @cached_property
    def compound_fences(self) -> Geometries:
        """(k,) boundaries of the gated compounds."""
        gated = self.compound[self.compound["gated"].eq(True).to_numpy(dtype=bool)]
        return np.asarray(shapely.boundary(gated.geometry.to_numpy()), dtype=object)

    @cached_property
    def barriers(self) -> Geometries:
        """(k,) obstacles to an engine apart from buildings: open water, rails and fences."""
        water = self.water[~self.water["covered"].to_numpy(dtype=bool)]
        half_width = water["width_m"].to_numpy(dtype=float, na_value=0.0) / 2
        wet = shapely.buffer(water.geometry.to_numpy(), half_width)
        off_ground = (self.railway["bridge"] | self.railway["tunnel"]).to_numpy(dtype=bool)
        rails = self.railway.geometry.to_numpy()[~off_ground]
        return np.concatenate([wet, rails, self.compound_fences])

    @cached_property
    def barrier_tree(self) -> shapely.STRtree:
        """Spatial index of the barriers."""
        return shapely.STRtree(self.barriers)

    @cached_property
    def road_width(self) -> Floats:
        """(r,) float64 widths of the roads, metres; by their class where none is on record."""
        return road_widths(self.road)

    @cached_property
    def own_roads(self) -> Ints:
        """(k,) int64 rows of the roads in and around the city; others lead to stations outside."""
        if self.area is None:
            return np.arange(len(self.road))
        shapely.prepare(self.area)
        return np.flatnonzero(shapely.intersects(self.area, self.road.geometry.to_numpy()))

    @cached_property
    def roads_through_buildings(self) -> Bools:
        """(r,) whether each road passes through a building."""
        lines = self.road.geometry.to_numpy()
        crosses = np.zeros(len(lines), dtype=bool)
        if len(self.walls) and len(lines):
            crosses[self.wall_tree.query(lines, predicate="crosses")[0]] = True
        return crosses

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each building by its code."""
        return {code: row for row, code in enumerate(self.codes.tolist())}

    @cached_property
    def hydrant_works(self) -> Bools:
        """(h,) whether each hydrant can be used: in service, and its last inspection not failed."""
        out = self.hydrant["in_service"].eq(False).to_numpy(dtype=bool)
        failed: Bools = self.hydrant["code"].isin(self.failed_hydrants).to_numpy()
        return np.asarray(~out & ~failed)

    @cached_property
    def access(self) -> RoadAccess:
        """Where buildings, hydrants and stations are reached from the roads."""
        stations = road_access.locate_points(self.graph, self.station.geometry.to_numpy())
        positions = self.anchors, self.hydrant_positions, stations
        return road_access.build_road_access(self.graph, *positions)

    @cached_property
    def station(self) -> gpd.GeoDataFrame:
        """The fire stations as points."""
        return self._facilities_as_points("fire_station")

    @cached_property
    def micro_station(self) -> gpd.GeoDataFrame:
        """The community micro-stations as points."""
        return self._facilities_as_points("micro_station")

    def _facilities_as_points(self, category: str) -> gpd.GeoDataFrame:
        facilities = self.facility[self.facility["category"] == category]
        points = shapely.centroid(facilities.geometry.to_numpy())
        return facilities.set_geometry(points, crs=facilities.crs).reset_index(drop=True)

    def to_degrees(self, geometries: Any) -> Any:
        """Return geometries in longitude and latitude."""
        return systems.transform(geometries, self.crs, systems.STORAGE)

    def to_metres(self, geometries: Any) -> Any:
        """Return geometries in the city's metric system."""
        return systems.transform(geometries, systems.STORAGE, self.crs)

    def to_metric_point(self, lon: float, lat: float) -> shapely.Point:
        """Return a place given in degrees as a point in metres."""
        point: shapely.Point = self.to_metres(shapely.Point(lon, lat))
        return point

    def community_of(self, geometries: Geometries) -> NDArray[np.object_]:
        """Return the code of the community that a point of each geometry lies in, or None.

        Parameters
        ----------
        geometries
            (k,) object array of geometries, metres.
        """
        codes = np.full(len(geometries), None, dtype=object)
        points = shapely.point_on_surface(geometries)
        communities = shapely.STRtree(self.region.geometry.to_numpy())
        which, where = communities.query(points, predicate="intersects")
        codes[which[::-1]] = self.region["code"].to_numpy()[where[::-1]]
        return codes


def _anchor_buildings(
    previous: CitySnapshot | None, building: gpd.GeoDataFrame, graph: RoadGraph
) -> BuildingAnchors:
    """Return where buildings are reached from, computed again only near changed buildings."""
    walls = building.geometry.to_numpy()
    tree = shapely.STRtree(walls)
    if previous is None or previous.graph is not graph:
        return road_access.anchor_buildings(graph, walls, tree)
    if previous.building is building:
        return previous.anchors
    previous_row, changed, outlines = _diff_buildings(previous, building)
    near = tree.query(outlines, predicate="dwithin", distance=road_access.OPEN_WAY_RADIUS_M)[1]
    rows = np.unique(np.concatenate([changed, near]))
    updates = road_access.anchor_buildings(graph, walls, tree, rows)
    columns = {}
    for field in dataclasses.fields(BuildingAnchors):
        values = getattr(previous.anchors, field.name)[previous_row]
        values[rows] = getattr(updates, field.name)
        columns[field.name] = values
    return BuildingAnchors(**columns)


def _diff_buildings(
    previous: CitySnapshot, building: gpd.GeoDataFrame
) -> tuple[Ints, Ints, Geometries]:
    """Return how buildings changed.

    Returns
    -------
    previous_row
        (b,) row of each building in the previous snapshot, -1 for none.
    changed
        Rows of the new and changed buildings.
    outlines
        Outlines of new, changed and removed buildings, before and after.
    """
    rows = (previous.row_of.get(code, -1) for code in building["code"].tolist())
    previous_row = np.fromiter(rows, dtype=np.int64, count=len(building))
    valid_from = previous.building["valid_from"].to_numpy()
    same = (previous_row >= 0) & (valid_from[previous_row] == building["valid_from"].to_numpy())
    changed = np.flatnonzero(~same)
    is_gone = np.ones(len(valid_from), dtype=bool)
    is_gone[previous_row[same]] = False
    after = building.geometry.to_numpy()[changed]
    return previous_row, changed, np.concatenate([after, previous.walls[is_gone]])


def load_snapshot(
    connection: Connection, city: str, previous: CitySnapshot | None = None
) -> CitySnapshot:
    """Read a city; layers that have not changed since a previous snapshot are taken from it.

    Raises
    ------
    NotFoundError
        If there are no regions, buildings or roads.
    """
    layer_changes, horizon = read_layer_changes(connection), _oldest_open_transaction(connection)
    box = city_extent(connection, city)
    wide_box = city_extent(connection, city, STATION_MARGIN_DEGREES)
    if previous is None:
        crs = systems.metric_crs((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    else:
        crs = previous.crs
    frames = {}
    for layer in LAYER_COLUMNS:
        name = _FRAME_NAMES.get(layer, layer)
        within = wide_box if layer in _SERVING_LAYERS else box
        if previous is None:
            frames[name] = _read_layer(connection, layer, within, crs)
        elif previous.layer_changes.get(layer) == layer_changes.get(layer):
            frames[name] = getattr(previous, name)
        elif layer == "building":
            frames[name] = _read_changed_buildings(connection, previous, box)
        else:
            frames[name] = _read_layer(connection, layer, within, crs)
    last = reviews.last_inspections()
    failing = select(last.c.hydrant_code).where(~last.c.passed)
    failed = frozenset(connection.execute(failing).scalars())
    snapshot = snapshot_from_frames(city, crs, frames, layer_changes, horizon, failed, previous)
    area = systems.transform(shapely.box(*box), systems.STORAGE, crs)
    return dataclasses.replace(snapshot, area=area)


_FRAME_NAMES = {"pipe_node": "hydrant"}
"""Names of frames that differ from their layer's."""

_SERVING_LAYERS = ("facility", "road")
"""Layers read farther out, because stations outside a city serve it."""


def _oldest_open_transaction(connection: Connection) -> str:
    """Return the oldest transaction whose rows may still be invisible."""
    oldest = func.pg_snapshot_xmin(func.pg_current_snapshot())
    return connection.execute(select(cast(oldest, Text))).scalar_one()


def snapshot_from_frames(
    city: str,
    crs: pyproj.CRS,
    frames: Mapping[str, gpd.GeoDataFrame],
    layer_changes: Mapping[str, int],
    horizon: str = "0",
    failed_hydrants: frozenset[str] = frozenset(),
    previous: CitySnapshot | None = None,
) -> CitySnapshot:
    """Return the snapshot of metric frames, given by the names of the snapshot's attributes."""
    same_roads = previous is not None and frames["road"] is previous.road
    if previous is not None and same_roads and frames["compound"] is previous.compound:
        graph, joins = previous.graph, previous.road_joins
    else:
        graph, joins = road_access.build_joined_graph(frames["road"], frames["compound"])
    anchors = _anchor_buildings(previous, frames["building"], graph)
    if previous is not None and graph is previous.graph and frames["hydrant"] is previous.hydrant:
        positions = previous.hydrant_positions
    else:
        positions = road_access.locate_points(graph, frames["hydrant"].geometry.to_numpy())
    return CitySnapshot(
        city,
        crs,
        layer_changes,
        horizon,
        failed_hydrants,
        graph=graph,
        road_joins=joins,
        anchors=anchors,
        hydrant_positions=positions,
        **frames,
    )


def _read_changed_buildings(
    connection: Connection, previous: CitySnapshot, box: Box
) -> gpd.GeoDataFrame:
    """Return the current buildings, reading only rows written since the previous snapshot."""
    table = Base.metadata.tables["building"]
    inside = table.c.geom.op("&&")(func.ST_MakeEnvelope(*box, STORAGE_SRID))
    written = func.age(literal_column("building.xmin"))
    since = func.age(func.xid(cast(previous.horizon, Text)))
    fresh = _read_layer(connection, "building", box, previous.crs, written <= since)
    before, row_of = previous.building, previous.row_of
    unchanged = np.ones(len(before), dtype=bool)
    unchanged[[row_of[code] for code in fresh["code"] if code in row_of]] = False
    count = connection.execute(select(func.count()).select_from(table).where(inside)).scalar_one()
    if count != unchanged.sum() + len(fresh):  # only where rows are gone are all codes read
        codes = connection.execute(select(table.c.code).where(inside)).scalars().all()
        unchanged &= before["code"].isin(codes).to_numpy()
    merged = pd.DataFrame(
        {name: _concat_series(before[name][unchanged], fresh[name]) for name in before.columns}
    )
    return gpd.GeoDataFrame(merged.sort_values("code", ignore_index=True), geometry="geom")


def _concat_series(before: pd.Series, fresh: pd.Series) -> pd.Series:
    """Return two series as one, with the type it would have if all were read at once."""
    if before.dtype.kind in "iub" and fresh.isna().any():
        return pd.Series([*before.tolist(), *fresh.tolist()])
    typed = fresh if fresh.dtype == before.dtype else fresh.astype(before.dtype)
    return pd.concat([before, typed], ignore_index=True)


def _read_layer(
    connection: Connection,
    layer: str,
    box: Box,
    crs: pyproj.CRS,
    condition: ColumnElement[bool] | None = None,
) -> gpd.GeoDataFrame:
    """Return a layer's columns within a box as a metric frame sorted by code."""
    table = Base.metadata.tables[layer]
    columns = [table.c[name] for name in ("code", *LAYER_COLUMNS[layer])]
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
