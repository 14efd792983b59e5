"""Build the sample city, one street office at a time."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from shapely.geometry.base import BaseGeometry

from etl.sample import pipe_networks, planted_faults, quarters, street_plan, streets
from etl.sample.dwellings import build_register
from etl.sample.office_rows import ANSWER_COLUMNS, PARK_BLOCK, OfficeRows
from etl.sample.pipe_rows import Pipes
from etl.sample.street_plan import CITY, CITY_NAME, METRIC, OFFICE_BLOCKS, Office
from geo import crs
from geo.errors import InputError
from geo.progress import Progress, silent

LayerSet = dict[str, gpd.GeoDataFrame]

SAMPLE_FILE = street_plan.SAMPLES / "sample_s.gpkg"
"""The city of size S with seed 1."""


_INTEGERS = (
    *("storeys_above", "storeys_below", "fire_class", "year_built", "households", "population"),
    *("lanes", "storeys", "ducts"),
)


def sample_offices(size: str, seed: int) -> Iterator[tuple[Office, LayerSet]]:
    """Yield the layers of each street office; the first includes the divisions above it.

    Each office depends only on the seed, its place and its neighbours. They come from the
    north-east on, because pipes end in nodes of the offices to the east and north.

    Parameters
    ----------
    size
        S (one office), M (25) or L (256).
    seed
        Seed of the random numbers.
    """
    offices = sorted(street_plan.offices(size), key=lambda office: (-office.row, -office.column))
    filled = _FilledOffices(offices, seed)
    for office in offices:
        layers = _build_office(office, filled, f"sample:{size}:{seed}")
        if office is offices[0]:
            above = _regions_above(offices, f"sample:{size}:{seed}")
            layers["region"] = _concat_frames([above, layers["region"]])
        yield office, layers


def sample_city(size: str, seed: int, progress: Progress = silent) -> LayerSet:
    """Build the layers of a whole city, which must fit into memory (S or M)."""
    total = len(street_plan.offices(size))
    parts: dict[str, list[gpd.GeoDataFrame]] = defaultdict(list)
    for done, (_, layers) in enumerate(sample_offices(size, seed)):
        progress("sample", done, total)
        for name, frame in layers.items():
            parts[name].append(frame)
    progress("sample", total, total)
    return {name: _concat_frames(frames) for name, frames in parts.items()}


def add_register(layers: LayerSet, seed: int) -> LayerSet:
    """Return the layers with invented dwellings and organisations (:mod:`etl.sample.dwellings`)."""
    return layers | build_register(layers["building"], layers["building_unit"], seed)


def write_geopackage(layers: LayerSet, file: Path) -> None:
    """Write layers as a GeoPackage, which is replaced only when all is written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.gpkg")
    part.unlink(missing_ok=True)
    for name, frame in layers.items():
        frame.to_file(part, layer=name, driver="GPKG", SPATIAL_INDEX="NO")
    part.replace(file)


def write_parquet(size: str, seed: int, folder: Path, progress: Progress = silent) -> None:
    """Write a city as GeoParquet, one file for each layer and office, one office at a time."""
    total = len(street_plan.offices(size))
    for done, (office, layers) in enumerate(sample_offices(size, seed)):
        progress("sample", done, total)
        for name, frame in add_register(layers, seed).items():
            target = folder / name / f"{office.code}.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(target)
    progress("sample", total, total)


def read_sample(path: Path) -> LayerSet:
    """Read the layers of a GeoPackage or a GeoParquet folder written by this module.

    Raises
    ------
    InputError
        If the path is neither.
    """
    if path.is_file():
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
        return {name: gpd.read_file(path, layer=name).rename_geometry("geom") for name in names}
    folders = sorted(folder for folder in path.glob("*") if folder.is_dir())
    if not folders:
        raise InputError("no_sample", path=path)
    return {
        folder.name: _concat_frames(
            [gpd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))]
        )
        for folder in folders
    }


def _concat_frames(frames: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    if len(frames) == 1:
        return frames[0]
    rows = pd.concat(frames, ignore_index=True)
    return gpd.GeoDataFrame(rows, geometry="geom", crs=frames[0].crs)


def _regions_above(offices: list[Office], source: str) -> gpd.GeoDataFrame:
    """Return the city, its districts and streets, each with the land of its communities."""
    by_street = {office.code: street_plan.office_land(office) for office in offices}
    names = street_plan.district_names()
    districts = sorted({office.district for office in offices})
    by_district = {
        code: shapely.union_all([by_street[o.code] for o in offices if o.district == code])
        for code in districts
    }
    rows: list[dict[str, Any]] = [
        _region(CITY, CITY_NAME, "city", None, shapely.union_all([*by_district.values()]))
    ]
    rows += [_region(c, names[c], "district", CITY, land) for c, land in by_district.items()]
    rows += [_region(o.code, o.name, "street", o.district, by_street[o.code]) for o in offices]
    return _build_frame(rows, source)


def _region(
    code: str, name: str, level: str, parent: str | None, land: shapely.Geometry
) -> dict[str, Any]:
    return {"code": code, "name": name, "level": level, "parent_code": parent, "geom": land}


def _build_frame(rows: list[dict[str, Any]], source: str) -> gpd.GeoDataFrame:
    """Return rows with geometry in metres as a layer in longitude and latitude."""
    frame = gpd.GeoDataFrame(rows, geometry="geom", crs=METRIC).to_crs(crs.STORAGE)
    frame["geom"] = shapely.set_precision(frame.geometry.to_numpy(), 1e-9, mode="pointwise")
    for name in _INTEGERS:
        if name in frame.columns:
            frame[name] = frame[name].astype("Int64")
    return frame.assign(source=source)


class _FilledOffices:
    """The blocks of offices, filled when needed and dropped once their office is built."""

    def __init__(self, offices: list[Office], seed: int) -> None:
        self._by_place = {(office.column, office.row): office for office in offices}
        self._seed = seed
        self._rows: dict[tuple[int, int], OfficeRows] = {}

    def has(self, column: int, row: int) -> bool:
        """Return whether there is an office at a place."""
        return (column, row) in self._by_place

    def take(self, office: Office) -> "OfficeRows":
        """Return the rows of an office, which later ones do not need."""
        rows = self._fill(office.column, office.row)
        del self._rows[office.column, office.row]
        return rows

    def walls_beside(self, office: Office) -> list[BaseGeometry]:
        """Return the buildings of the offices to the west and south, across its outer streets."""
        places = (office.column - 1, office.row), (office.column, office.row - 1)
        there = (self._fill(*place) for place in places if self.has(*place))
        return [building["geom"] for rows in there for building in rows.buildings]

    def _fill(self, column: int, row: int) -> "OfficeRows":
        if (column, row) not in self._rows:
            office = self._by_place[column, row]
            self._rows[column, row] = _fill_office(office, self.edges_of(office), self._seed)
        return self._rows[column, row]

    def edges_of(self, office: Office) -> list[streets.Edge]:
        """Return the streets of an office."""
        east, north = self.sides_of(office)
        return streets.edges_of_office(office, east=east, north=north)

    def sides_of(self, office: Office) -> tuple[bool, bool]:
        """Return whether the city ends east and north of an office."""
        east, north = (office.column + 1, office.row), (office.column, office.row + 1)
        return not self.has(*east), not self.has(*north)


def _fill_office(office: Office, edges: list[streets.Edge], seed: int) -> "OfficeRows":
    """Fill the blocks of an office and plant faults in it."""
    random = np.random.default_rng([seed, office.column + 1000, office.row + 1000])
    rows = OfficeRows(office, random)
    kinds = _draw_kinds(office, random)
    for i, j in office.blocks():
        first_lane = len(rows.lanes)
        for number, land in enumerate(streets.block_land(office, i, j)):
            kind = kinds[(i, j)] if number == 0 or kinds[(i, j)] != "giant" else "slabs"
            south = streets.block_sides(office, i, j)[0]
            by_street = land.distance(south.line) < south.width / 2 + streets.SIDEWALK_M + 1.0
            built = quarters.fill_block(land, kind, random, south_gate=by_street)
            rows.add_block(i, j, built)
        rows.bridge_canal(first_lane)
    rows.assign_public_buildings()
    rows.clear_some_attributes()
    # By high-rises a lane that no engine passes would break other rules too.
    lanes = [lane for lane in rows.lanes if lane["width_m"] == quarters.SLAB_LANE_M]
    planted_faults.obstruct_lanes(lanes, random)
    planted_faults.leave_gap(lanes, [(edge.line, edge.width) for edge in edges])
    rows.add_planted_faults()
    return rows


def _build_office(office: Office, filled: _FilledOffices, source: str) -> LayerSet:
    """Build the layers of one office."""
    east, north = filled.sides_of(office)
    edges, beside, rows = filled.edges_of(office), filled.walls_beside(office), filled.take(office)
    corners = _corners_of_office(office, east=east, north=north)
    footprints = {building["code"]: building["geom"] for building in rows.buildings}
    laid = pipe_networks.lay_networks(
        office, edges, corners, rows.taps, footprints, beside, rows.random
    )
    return _build_layers(office, rows, edges, laid, source)


def _draw_kinds(office: Office, random: np.random.Generator) -> dict[tuple[int, int], str]:
    """Draw the kind of each block; every office has a hospital, some have a giant compound."""
    kinds = {place: quarters.draw_kind(random) for place in office.blocks()}
    west, south = office.corner
    kinds[(west + 5, south + 3)] = "hospital"
    if (office.column + office.row) % 2 == 0:
        kinds[(west + 6, south + 1)] = "giant"
    kinds |= {(west + 1, south): "alleys", (west, south): "alleys"}
    kinds |= {(west + PARK_BLOCK[0], south + PARK_BLOCK[1]): "park"}
    return kinds


def _corners_of_office(office: Office, *, east: bool, north: bool) -> list[tuple[int, int]]:
    west0, south0 = office.corner
    top = north or office.row == -1
    return [
        (i, j)
        for i in range(west0, west0 + OFFICE_BLOCKS[0] + (1 if east else 0))
        for j in range(south0, south0 + OFFICE_BLOCKS[1] + (1 if top else 0))
    ]


def _build_layers(
    office: Office,
    rows: OfficeRows,
    edges: list[streets.Edge],
    laid: Pipes,
    source: str,
) -> LayerSet:
    roads = [*streets.road_rows(office, edges), *rows.lanes]
    planted = [*rows.planted, *laid.planted]
    for number, road in enumerate(roads):
        road["code"] = f"{office.code[:9]}R{number:04d}"
        planted += [right | {"code": road["code"]} for right in road.pop("planted", [])]
    for road in roads:
        road |= {"clear_height_m": road.get("clear_height_m"), "tunnel": False, "oneway": "no"}
    communities = [
        _region(code, name, "community", office.code, street_plan.community_polygon(office, number))
        for number, (code, name) in enumerate(office.communities)
    ]
    layers = {
        "region": communities,
        "compound": rows.compounds,
        "building": rows.buildings,
        "building_unit": rows.units,
        "facility": rows.facilities,
        "road": roads,
        "railway": _railway(office),
        "water": _waters(office),
        "pipe_node": laid.nodes,
        "pipe_segment": laid.segments,
    }
    frames = {name: _build_frame(features, source) for name, features in layers.items() if features}
    geometry_by_code = {
        row["code"]: row["geom"] for row in (*roads, *rows.buildings, *laid.nodes, *laid.segments)
    }
    marked = [
        {name: row.get(name) for name in ANSWER_COLUMNS} | {"geom": geometry_by_code[row["code"]]}
        for row in planted
    ]
    return frames | {"planted": _build_frame(marked, source)}


def _railway(office: Office) -> list[dict[str, Any]]:
    line = streets.railway(office)
    if line is None:
        return []
    code = f"{office.code[:9]}T01"
    return [{"code": code, "name": "汉丹铁路", "bridge": False, "tunnel": False, "geom": line}]


def _waters(office: Office) -> list[dict[str, Any]]:
    canal = {"code": f"{office.code[:9]}W01", "kind": "canal", "name": "大李沟", "width_m": 8.0}
    rows = [canal | {"covered": False, "geom": streets.canal(office)}]
    if office.row == 0:
        river = {"code": f"{office.code[:9]}W02", "kind": "river", "name": "汉江"}
        rows.append(river | {"width_m": None, "covered": False, "geom": streets.river(office)})
    return rows
