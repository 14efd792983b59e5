"""The places that drawings are compared on, as communities in metres."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import momepy
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Engine, create_engine, text

from etl.households import estimate_households
from etl.osm import read_osm
from etl.pipeline.publish_frames import LayerSet, publish
from etl.sample.city import SAMPLE_FILE, read_sample
from geo import db
from geo.db import cluster, local_server
from geo.partition.community import Community
from geo.plans import community_layers
from geo.settings import settings

MONACO = Path(__file__).resolve().parents[2] / "data" / "samples" / "monaco.osm.pbf"
BUBENEC_CRS = "EPSG:32633"
AROUND_BUILDINGS_M = 40.0
"""Bubenec's file has no border: the land around its buildings is taken."""

STOREYS = 5
"""Bubenec's blocks of flats have about so many; its file does not say."""

LAYERS = ("buildings", "units", "compounds", "roads", "railways", "waters", "facilities")


@dataclass(frozen=True)
class Place:
    """A place: its communities, and all of them as one."""

    name: str
    communities: list[Community]

    def whole(self) -> Community:
        """Return the place as if it were one community."""
        if len(self.communities) == 1:
            return self.communities[0]
        first = self.communities[0]
        frames = [self._joined(layer) for layer in LAYERS]
        land = shapely.union_all([one.polygon for one in self.communities])
        return Community(first.code, self.name, land, *frames)

    def _joined(self, layer: str) -> gpd.GeoDataFrame:
        frames = [getattr(one, layer) for one in self.communities]
        joined = gpd.GeoDataFrame(
            pd.concat(frames, ignore_index=True), geometry="geom", crs=frames[0].crs
        )
        return joined.drop_duplicates("code", ignore_index=True)


@contextmanager
def database() -> Iterator[Engine]:
    """Yield a fresh migrated database in the private cluster; it is dropped afterwards."""
    home = settings().home
    name = f"bench_{uuid.uuid4().hex[:12]}"
    server = create_engine(local_server.ensure_running(home), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine = create_engine(cluster.url(home, name))
    try:
        db.upgrade(engine)
        yield engine
    finally:
        engine.dispose()
        with server.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        server.dispose()


def sample() -> Place:
    """Return the sample city's street office."""
    return _published("sample", read_sample(SAMPLE_FILE))


def extract(path: Path) -> Place:
    """Return the communities of an OpenStreetMap extract."""
    return _published(path.name.split(".")[0], read_osm(path, settings()).layers)


def _published(name: str, layers: LayerSet) -> Place:
    """Bring layers into a database and read their communities back, as a drawing does."""
    with database() as engine:
        publish(engine, layers, f"bench:{name}")
        with engine.connect() as connection:
            codes = [code for code, _ in community_layers.list_communities(connection)]
            return Place(
                name, [community_layers.read_community(connection, code) for code in codes]
            )


def bubenec() -> Place:
    """Return the quarter of Prague that momepy ships: buildings and streets, one community."""
    file = momepy.datasets.get_path("bubenec")
    houses = gpd.read_file(file, layer="buildings").to_crs(BUBENEC_CRS).rename_geometry("geom")
    streets = gpd.read_file(file, layer="streets").to_crs(BUBENEC_CRS).rename_geometry("geom")
    buildings = houses.assign(
        code=[f"b{n:04d}" for n in range(len(houses))],
        name="",
        compound_code=None,
        use="residential",
        kind=None,
        storeys_above=float(STOREYS),
        height_m=np.nan,
        households=np.nan,
    )
    buildings = estimate_households(buildings, settings())
    roads = streets.assign(
        code=[f"r{n:04d}" for n in range(len(streets))], road_class="local", tunnel=False
    )
    around = shapely.buffer(buildings.geometry.to_numpy(), AROUND_BUILDINGS_M)
    land = shapely.Polygon(shapely.union_all(around).exterior)
    community = Community(
        "990000000001",
        "Bubenec",
        land,
        buildings[["code", "name", "households", "compound_code", "geom"]],
        _nothing("code", "building_code", "households"),
        _nothing("code", "gated"),
        roads,
        _nothing("code", "tunnel"),
        _nothing("code", "kind", "covered"),
        _nothing("code", "category", "name"),
    )
    return Place("bubenec", [community])


def _nothing(*columns: str) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns=[*columns, "geom"], geometry="geom", crs=BUBENEC_CRS)


def about(place: Place, buildings: int) -> Community:
    """Return neighbouring communities that have about so many buildings together, as one."""
    chosen = [place.communities[0]]
    while sum(len(one.buildings) for one in chosen) < buildings * 0.9:
        land = shapely.union_all([one.polygon for one in chosen])
        names = {one.code for one in chosen}
        rest = [one for one in place.communities if one.code not in names]
        if not rest:
            break
        away = [shapely.distance(one.polygon, land) for one in rest]
        chosen.append(rest[int(np.argmin(away))])
    return Place(place.name, chosen).whole()
