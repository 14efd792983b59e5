"""Snapshots of the sample city, and of small layouts in metres, without a database."""

import geopandas as gpd
import pandas as pd
import pytest

from etl.sample.city import SAMPLE_FILE, read_sample, sample_city
from geo.fire import rules
from geo.fire.rules import Rules
from geo.fire.snapshot import LAYER_COLUMNS, CitySnapshot, snapshot_from_frames

METRIC = "EPSG:4546"
EAST, NORTH = 606_000.0, 3_546_000.0
FRAME_NAMES = {"pipe_node": "hydrant"}
DEFAULTS = {"bridge": False, "tunnel": False, "covered": False, "oneway": "no", "valid_from": 0}


def frame_of(layer: str, rows: list[dict[str, object]] | gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return rows in metres as a snapshot holds them: every column, missing values None."""
    columns = ["code", *LAYER_COLUMNS[layer]]
    if isinstance(rows, gpd.GeoDataFrame):
        table, shapes = pd.DataFrame(rows.drop(columns="geom")), rows.geometry
    else:
        table, shapes = pd.DataFrame(rows), [row["geom"] for row in rows]
    table = table.reindex(columns=columns).astype(object)
    for name, value in DEFAULTS.items():
        if name in table:
            table[name] = table[name].where(table[name].notna(), value)
    for name in ("name", "address", "phone"):
        if name in table:
            table[name] = table[name].fillna("")
    table = table.where(table.notna(), None).infer_objects()
    return gpd.GeoDataFrame(table, geometry=list(shapes), crs=METRIC).rename_geometry("geom")


def snapshot_of(**layers: list[dict[str, object]] | gpd.GeoDataFrame) -> CitySnapshot:
    """Return the snapshot of some layers; the others are empty."""
    frames = {
        FRAME_NAMES.get(name, name): frame_of(name, layers.get(name, [])) for name in LAYER_COLUMNS
    }
    return snapshot_from_frames("4206", frames["building"].crs, frames, {})


@pytest.fixture(scope="session")
def in_force() -> Rules:
    return rules.rules_in_force({})


IN_BOTH_SIZES = pytest.mark.parametrize("sample", ["S", "S4"], indirect=True)
"""Runs a test on the sample city, and on one of four offices on both banks of the river."""


@pytest.fixture(scope="session")
def sample(request) -> dict[str, gpd.GeoDataFrame]:
    """Return the layers of the sample city in metres."""
    size = getattr(request, "param", "S")
    layers = read_sample(SAMPLE_FILE) if size == "S" else sample_city(size, 1)
    return {name: frame.to_crs(METRIC) for name, frame in layers.items()}


@pytest.fixture(scope="session")
def city(sample) -> CitySnapshot:
    layers = {name: sample[name].sort_values("code") for name in LAYER_COLUMNS if name in sample}
    nodes = layers["pipe_node"]
    layers["pipe_node"] = nodes[(nodes["kind"] == "hydrant") & (nodes["network"] == "water")]
    layers["region"] = layers["region"][layers["region"]["level"] == "community"]
    return snapshot_of(**layers)
