"""Files as bureaus deliver them, and a short way to import them."""

import json
import warnings
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyogrio
import shapely
from sqlalchemy import Engine, text

from etl.input.mapping import Mapping, validate_mapping
from etl.pipeline.delivery import Outcome
from etl.pipeline.run import Request, import_file
from geo.settings import Settings

WEST, SOUTH = 112.14, 32.04
ANYTHING = {"rejected_percent": 100, "changed_percent": 100, "removed_percent": 100}
"""Limits of the guard that hold nothing."""

X, Y = 1 / 94_430, 1 / 110_890  # degrees a metre at this latitude

DISTRICT, STREET = "420602000000", "420602001000"


def box(x: float, y: float, wide: float = 20.0, high: float = 12.0) -> shapely.Polygon:
    """Return a rectangle by metres from the corner of the town."""
    return shapely.box(WEST + x * X, SOUTH + y * Y, WEST + (x + wide) * X, SOUTH + (y + high) * Y)


def point(x: float, y: float) -> shapely.Point:
    return shapely.Point(WEST + x * X, SOUTH + y * Y)


def frame(
    shapes: list[Any], crs: str | None = "EPSG:4490", **columns: list[Any]
) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=crs)


def houses(count: int = 12, **columns: list[Any]) -> gpd.GeoDataFrame:
    """Return buildings in a row."""
    named = {
        "code": [f"b{i:03d}" for i in range(count)],
        "name": [f"{i}号楼" for i in range(count)],
        "households": [20 + i % 5 for i in range(count)],
    }
    return frame([box(50 * i % 1000, 30 * (i // 20)) for i in range(count)], **(named | columns))


def made(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def write(data: gpd.GeoDataFrame, path: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # GDAL's on names and widths
        pyogrio.write_dataframe(data, path, **options)
    return path


def mapping(layer: str = "building", **values: Any) -> Mapping:
    return validate_mapping({"layer": layer, **values}, "test.toml")


def bring(
    engine: Engine, layer: str, file: Path, how: Mapping | None = None, **options: Any
) -> Outcome:
    return import_file(engine, Request(layer, file, how, **options), Settings())


def rows(engine: Engine, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement), values)]


def divisions(engine: Engine, folder: Path, *communities: tuple[str, shapely.Polygon]) -> Outcome:
    """Import a city, district, street and some communities."""
    whole = box(-100, -100, 1300, 1300)
    codes = ["420600000000", DISTRICT, STREET, *(code for code, _ in communities)]
    shapes = [whole, whole, whole, *(shape for _, shape in communities)]
    names = ["襄阳市", "襄城区", "昭明街道", *(f"{code[-3:]}社区" for code, _ in communities)]
    data = frame(shapes, code=codes, name=names)
    return bring(engine, "region", write(data, folder / "divisions.gpkg"))


def geojson(path: Path, *features: tuple[dict[str, Any], Any]) -> Path:
    content = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": properties,
                "geometry": shape
                if shape is None or isinstance(shape, dict)
                else shape.__geo_interface__,
            }
            for properties, shape in features
        ],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
