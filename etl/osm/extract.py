"""From an extract's file to layers that can be published.

read -> layers -> households -> communities -> codes
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pyproj

from etl.households import estimate_households
from etl.input.formats import check_file
from etl.input.vector import refuse_off_globe
from etl.osm import features as made_of
from etl.osm.communities import CommunitySet, assign_communities
from etl.osm.reader import ExtractFeatures, read_features
from etl.osm.region_codes import build_regions, district_code, read_communities
from etl.osm.region_codes import find_communities as communities_of
from etl.pipeline.staging import Rejected
from geo import crs as systems
from geo.errors import InputError
from geo.progress import Progress, silent
from geo.settings import Settings

STEPS = 5


@dataclass(frozen=True)
class ExtractCounts:
    """Counts for the report.

    Attributes
    ----------
    repaired, rejected
        Geometries that were repaired; features in quarantine.
    communities, places, blocks
        Communities, the place nodes that they are made around, and the street blocks that they
        are made of (0 where they were given).
    moved_around, cut
        Buildings around which a border was moved, and those that one cuts still.
    outside
        Buildings outside every community.
    outside_households
        Households in the buildings outside.
    unread
        Number of values by tag that are no figure, or could mean several.
    households, estimated
        Households in the communities, and those of them that are estimated.
    """

    repaired: int
    rejected: int
    communities: int
    places: int
    blocks: int
    moved_around: int
    cut: int
    outside: int
    households: int
    estimated: int
    outside_households: int
    unread: dict[str, int]


@dataclass(frozen=True)
class Extract:
    """What an extract gave.

    Attributes
    ----------
    layers
        Layers by table name, in longitude and latitude.
    rejected
        What could not be used, and why.
    figures
        Counts for the report.
    merged
        Names of places that got no community of their own.
    """

    layers: dict[str, gpd.GeoDataFrame]
    rejected: list[Rejected]
    figures: ExtractCounts
    merged: list[str]


def source_name(path: Path) -> str:
    """Return the source of a file's features."""
    return f"osm:{path.name}"


def read_osm(
    path: Path,
    settings: Settings,
    *,
    communities: Path | None = None,
    crs: str | None = None,
    code: str | None = None,
    progress: Progress = silent,
) -> Extract:
    """Return the layers of an OpenStreetMap extract.

    Parameters
    ----------
    path
        A PBF file.
    communities
        Polygons of communities; by default they are the file's own, or made from its place nodes.
    crs
        System of the polygons, if their file does not say it.
    code
        First six digits of the division codes to give.

    Raises
    ------
    InputError
        If the file is no extract, holds no building, or the polygons don't fit.
    """
    progress("osm", 0, STEPS)
    given = None if communities is None else read_communities(communities, crs)
    code = code or district_code(path)
    source = read_features(check_file(path, ".pbf"))
    progress("osm", 1, STEPS)
    layers, doubtful = _layers(source, path, code)
    rejected = [*source.rejected, *doubtful]
    metric = systems.metric_crs_of(layers["building"])
    layers["building"] = estimate_households(layers["building"].to_crs(metric), settings)
    progress("osm", 2, STEPS)
    made = _communities(source, layers, metric, given)
    progress("osm", 3, STEPS)
    divisions = build_regions(made.communities, code, path)
    local = divisions[divisions["level"] == "community"]
    for name in ("building", "facility"):
        shapes = layers[name].to_crs(metric).geometry
        layers[name]["region_code"] = assign_communities(shapes, local)
    progress("osm", 4, STEPS)
    figures = _figures(source, len(rejected), layers["building"], made)
    if communities and figures.outside == len(layers["building"]):
        raise InputError("communities_elsewhere", file=communities, osm=path)
    layers["building"] = layers["building"].drop(columns="kind").to_crs(systems.STORAGE)
    layers["region"] = divisions.to_crs(systems.STORAGE)
    progress("osm", STEPS, STEPS)
    return Extract(layers, rejected, figures, made.merged)


def _layers(
    source: ExtractFeatures, path: Path, district: str
) -> tuple[dict[str, gpd.GeoDataFrame], list[Rejected]]:
    """Return the layers of an extract, and the buildings set aside."""
    buildings, rejected = made_of.buildings(source)
    if buildings.empty:
        raise InputError("no_buildings", file=path)
    refuse_off_globe(buildings, path, "building")
    layers = {
        "building": buildings,
        "road": made_of.roads(source),
        "railway": made_of.railways(source),
        "water": made_of.waters(source, buildings, district),
        "facility": made_of.facilities(source),
        "pipe_node": made_of.hydrants(source),
    }
    return layers, rejected


def _communities(
    source: ExtractFeatures,
    layers: dict[str, gpd.GeoDataFrame],
    metric: pyproj.CRS,
    given: gpd.GeoDataFrame | None,
) -> CommunitySet:
    """Return communities in metres: given, or found in the file."""
    if given is not None:
        return CommunitySet(given.to_crs(metric))
    needed = ("building", "road", "railway", "water")
    in_metres = {name: layers[name].to_crs(metric) for name in needed}
    return communities_of(
        in_metres,
        made_of.places(source).to_crs(metric),
        made_of.community_polygons(source).to_crs(metric),
        made_of.border_lines(source).to_crs(metric),
    )


def _figures(
    source: ExtractFeatures, rejected: int, buildings: gpd.GeoDataFrame, made: CommunitySet
) -> ExtractCounts:
    inside = buildings[buildings["region_code"].notna()]
    guessed = inside["households_source"] == "estimated"
    return ExtractCounts(
        repaired=source.repaired,
        rejected=rejected,
        communities=len(made.communities),
        places=made.places,
        blocks=made.blocks,
        moved_around=made.moved_around,
        cut=made.cut,
        outside=len(buildings) - len(inside),
        households=int(inside["households"].sum()),
        outside_households=int(buildings["households"].sum() - inside["households"].sum()),
        estimated=int(inside.loc[guessed, "households"].sum()),
        unread={key: count for key, count in sorted(source.unread.items()) if count},
    )
