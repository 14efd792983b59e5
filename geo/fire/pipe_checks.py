"""Checks of a city's buried pipes: clearances, pipes at buildings, cover."""

from collections.abc import Iterator, Mapping

import numpy as np
from sqlalchemy import Connection, func, select

from geo import crs as systems
from geo.db.layer_frames import read_frame, wkb
from geo.fire.cities import city_extent
from geo.fire.snapshot import CitySnapshot
from geo.model import STORAGE_SRID, Road
from geo.model.pipe import Network
from geo.network.building_clearance import find_pipes_at_buildings
from geo.network.clearance import find_conflicts, pairs_of_networks
from geo.network.cover import find_shallow_pipes
from geo.network.pipe_findings import PipeFinding
from geo.network.pipe_rules import PipeRules
from geo.network.pipes import PipeGraph


def check_pipes(
    connection: Connection,
    city: str,
    graphs: Mapping[Network, PipeGraph],
    snapshot: CitySnapshot | None,
    rules: PipeRules,
) -> list[PipeFinding]:
    """Return where pipes come too close to each other, to buildings or to the surface.

    Parameters
    ----------
    snapshot
        The city with its buildings; None where the caller may not see them.

    Returns
    -------
    list
        The gravest first: pipes under buildings, then by shortfall.
    """
    findings = [*_check_clearances(graphs, rules), *_check_cover(connection, city, graphs, rules)]
    if snapshot is not None and Network.GAS in graphs:
        gas = graphs[Network.GAS]
        outlines = snapshot.walls
        if snapshot.crs != gas.crs:
            outlines = systems.transform(outlines, snapshot.crs, gas.crs)
        findings += find_pipes_at_buildings(gas, snapshot.codes.tolist(), outlines, rules)
    return sorted(findings, key=_severity_order)


def _severity_order(finding: PipeFinding) -> tuple[int, float, tuple[str, ...]]:
    """Return a sorting key: severity, then shortfall, the worst first."""
    rank = ("high", "medium", "missing").index(finding.severity)
    return rank, -(finding.shortfall or 0.0), finding.codes


def _check_clearances(
    graphs: Mapping[Network, PipeGraph], rules: PipeRules
) -> Iterator[PipeFinding]:
    """Yield findings of pipes of two networks that are too close to each other."""
    for first, other in pairs_of_networks():
        if first in graphs and other in graphs:
            yield from find_conflicts(graphs[first], graphs[other], rules)


def _check_cover(
    connection: Connection,
    city: str,
    graphs: Mapping[Network, PipeGraph],
    rules: PipeRules,
) -> Iterator[PipeFinding]:
    """Yield findings of pipes that lie too shallow under or beside the roads of a city."""
    if not graphs:
        return
    area = func.ST_MakeEnvelope(*city_extent(connection, city), STORAGE_SRID)
    is_on_ground = ~Road.bridge & ~Road.tunnel & Road.geom.op("&&")(area)
    columns = Road.road_class, Road.width_m, wkb(Road.geom)
    roads = read_frame(connection, select(*columns).where(is_on_ground))
    widths = roads["width_m"].to_numpy(dtype=np.float64, na_value=np.nan)
    crs = next(iter(graphs.values())).crs
    lines = np.atleast_1d(systems.transform(roads.geometry.to_numpy(), systems.STORAGE, crs))
    classes = roads["road_class"].tolist()
    for graph in graphs.values():
        yield from find_shallow_pipes(graph, lines, widths, classes, rules)
