"""Convert an OpenStreetMap extract to layers that can be published.

:func:`read_osm` reads the file, builds the layers, estimates households, finds or builds
communities, and assigns codes.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pyproj

from etl.households import estimate_households
from etl.input.formats import check_file
from etl.input.vector import refuse_off_globe
from etl.osm import feature_layers
from etl.osm.communities import CommunitySet, assign_communities
from etl.osm.reader import ExtractFeatures, read_features
from etl.osm.region_codes import build_regions, district_code, find_communities, read_communities
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
        Communities, and the place nodes and street blocks that they were built from (0 for given
        communities).
    moved_around, cut
        Buildings around which a border was moved, and those that a border still cuts.
    outside
        Buildings outside every community.
    outside_households
        Households in the buildings outside.
    unread
        Number of values by tag that are no figure, or can be read in several ways.
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
    """Result of reading an extract.

    Attributes
    ----------
    layers
        Layers by table name, in longitude and latitude.
    rejected
        Features that could not be used, with the reason.
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
    """Return the name of the source that a file stands for."""
    return f"osm:{path.name}"


def read_osm(
    path: Path,
    settings: Settings,
    *,
    communities: Path | None = None,
    crs: str | None = None,
    transformation: str | None = None,
    code: str | None = None,
    progress: Progress = silent,
) -> Extract:
    """Read the layers of an OpenStreetMap extract.

    Parameters
    ----------
    path
        A PBF file.
    communities
        File with polygons of communities; by default those of the extract are taken, or built from
        its place nodes.
    crs
        Coordinate system of that file, if it does not name it.
    transformation
        Operation of PROJ or grid file from the datum of that file to CGCS2000.
    code
        First six digits of the division codes to assign.

    Raises
    ------
    InputError
        If the file is no extract or has no building, or no building lies in the given communities.
    """
    progress("osm", 0, STEPS)
    given_communities = (
        None if communities is None else read_communities(communities, crs, transformation)
    )
    code = code or district_code(path)
    source = read_features(check_file(path, ".pbf"))
    progress("osm", 1, STEPS)
    layers, rejected_buildings = _build_layers(source, path, code)
    rejected = [*source.rejected, *rejected_buildings]
    metric = systems.metric_crs_of(layers["building"])
    layers["building"] = estimate_households(layers["building"].to_crs(metric), settings)
    progress("osm", 2, STEPS)
    community_set = _communities(source, layers, metric, given_communities)
    progress("osm", 3, STEPS)
    divisions = build_regions(community_set.communities, code, path)
    local = divisions[divisions["level"] == "community"]
    for name in ("building", "facility"):
        shapes = layers[name].to_crs(metric).geometry
        layers[name]["region_code"] = assign_communities(shapes, local)
    progress("osm", 4, STEPS)
    figures = _figures(source, len(rejected), layers["building"], community_set)
    if communities and figures.outside == len(layers["building"]):
        raise InputError("communities_elsewhere", file=communities, osm=path)
    layers["building"] = layers["building"].drop(columns="kind").to_crs(systems.STORAGE)
    layers["region"] = divisions.to_crs(systems.STORAGE)
    progress("osm", STEPS, STEPS)
    return Extract(layers, rejected, figures, community_set.merged)


def _build_layers(
    source: ExtractFeatures, path: Path, district: str
) -> tuple[dict[str, gpd.GeoDataFrame], list[Rejected]]:
    """Return the layers of an extract, and the rejected buildings."""
    buildings, rejected = feature_layers.buildings(source)
    if buildings.empty:
        raise InputError("no_buildings", file=path)
    refuse_off_globe(buildings, path, "building")
    layers = {
        "building": buildings,
        "road": feature_layers.roads(source),
        "railway": feature_layers.railways(source),
        "water": feature_layers.waters(source, buildings, district),
        "facility": feature_layers.facilities(source),
        "pipe_node": feature_layers.hydrants(source),
    }
    return layers, rejected


def _communities(
    source: ExtractFeatures,
    layers: dict[str, gpd.GeoDataFrame],
    metric: pyproj.CRS,
    given_communities: gpd.GeoDataFrame | None,
) -> CommunitySet:
    """Return communities in metres, given ones or those of the extract."""
    if given_communities is not None:
        return CommunitySet(given_communities.to_crs(metric))
    needed = ("building", "road", "railway", "water")
    in_metres = {name: layers[name].to_crs(metric) for name in needed}
    return find_communities(
        in_metres,
        feature_layers.places(source).to_crs(metric),
        feature_layers.community_polygons(source).to_crs(metric),
        feature_layers.border_lines(source).to_crs(metric),
    )


def _figures(
    source: ExtractFeatures, rejected: int, buildings: gpd.GeoDataFrame, community_set: CommunitySet
) -> ExtractCounts:
    inside = buildings[buildings["region_code"].notna()]
    is_estimated = inside["households_source"] == "estimated"
    return ExtractCounts(
        repaired=source.repaired,
        rejected=rejected,
        communities=len(community_set.communities),
        places=community_set.places,
        blocks=community_set.blocks,
        moved_around=community_set.moved_around,
        cut=community_set.cut,
        outside=len(buildings) - len(inside),
        households=int(inside["households"].sum()),
        outside_households=int(buildings["households"].sum() - inside["households"].sum()),
        estimated=int(inside.loc[is_estimated, "households"].sum()),
        unread={key: count for key, count in sorted(source.unread.items()) if count},
    )
