"""What fire queries about a city share: its snapshot, the rules in force, the engine's reach."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from sqlalchemy import Connection

from geo.errors import InputError
from geo.fire import hydrant_supply, separation, station_response, vehicle_access
from geo.fire.cities import city_extent
from geo.fire.layer_state import read_layer_changes
from geo.fire.pipe_checks import check_pipes
from geo.fire.rules import Rules, rules_in_force
from geo.fire.snapshot import CitySnapshot
from geo.fire.snapshot_cache import SnapshotCache
from geo.fire.vehicle_access import VehicleReach
from geo.model.pipe import Network
from geo.network import isolation, pipes
from geo.network.isolation import Sectors
from geo.network.pipe_findings import PipeFinding
from geo.network.pipe_rules import pipe_rules_in_force
from geo.network.roads import Vehicle
from geo.types import Bools

PipeVersion = tuple[int | None, int | None]
"""Change counts of the layers of pipe nodes and pipe segments."""


_CHECKED_LAYERS = ("pipe_node", "pipe_segment", "road", "building", "region")
_FindingsOfVersion = tuple[tuple[object, ...], list[PipeFinding]]


@dataclass(frozen=True)
class FireContext:
    """A city's snapshot with the rules in force and the fire engine of the settings."""

    snapshot: CitySnapshot
    rules: Rules
    vehicle: Vehicle

    @cached_property
    def vehicle_reach(self) -> VehicleReach:
        """Where the engine gets to."""
        return vehicle_access.find_vehicle_reach(self.snapshot, self.vehicle)

    @cached_property
    def costs_to_stations(self) -> csr_array:
        """(n, n) driving seconds with every edge reversed, to search from a place to stations."""
        costs, _ = station_response.driving_costs(self.snapshot, self.rules)
        return csr_array(costs.T)

    @cached_property
    def is_high_rise(self) -> Bools:
        """(b,) whether each building is a high-rise."""
        return np.asarray(separation.fire_properties(self.snapshot).high)

    @cached_property
    def road_names(self) -> dict[str, str]:
        """Names of the roads that have one, by code."""
        roads = self.snapshot.road
        pairs = zip(roads["code"].tolist(), roads["name"].tolist(), strict=True)
        return {code: name for code, name in pairs if name}


class FireContextCache:
    """The fire contexts and pipe networks of all cities, rebuilt when data or rules change."""

    def __init__(self) -> None:
        self.snapshots = SnapshotCache()
        self._contexts: dict[str, FireContext] = {}
        self._lock = threading.Lock()
        self._pipes: dict[tuple[str, str], tuple[PipeVersion, Sectors]] = {}
        self._mains: dict[str, tuple[PipeVersion, dict[str, float]]] = {}
        self._pipe_locks = {network.value: threading.Lock() for network in Network}
        self._pipe_findings: dict[tuple[str, frozenset[str], bool], _FindingsOfVersion] = {}

    def are_used(self) -> bool:
        """Return whether any city was asked for."""
        return bool(self._contexts or self._pipes)

    def pipe_sectors(
        self,
        connection: Connection,
        city: str,
        network: str,
        layer_changes: Mapping[str, int] | None = None,
    ) -> Sectors:
        """Return the current sectors of a city's pipe network.

        Parameters
        ----------
        layer_changes
            Change counts of the layers; read from the database by default.

        Raises
        ------
        InputError
            If the network has no segments in the city.
        """
        counts = read_layer_changes(connection) if layer_changes is None else layer_changes
        version = counts.get("pipe_node"), counts.get("pipe_segment")
        with self._pipe_locks[network]:
            cached = self._pipes.get((city, network))
            if cached is None or cached[0] != version:
                graph = pipes.read_pipe_graph(connection, network, city_extent(connection, city))
                cached = version, isolation.build_sectors(graph)
                self._pipes[city, network] = cached
            return cached[1]

    def pipe_findings(
        self, connection: Connection, city: str, networks: frozenset[str], *, at_buildings: bool
    ) -> list[PipeFinding]:
        """Return where a city's pipes come too close to something, the gravest first.

        Parameters
        ----------
        networks, at_buildings
            The networks that the caller may see, and whether it may see buildings.

        Raises
        ------
        InputError
            If a figure for pipes in the settings is wrong.
        """
        changes = read_layer_changes(connection)
        rules = pipe_rules_in_force()
        version = *(changes.get(layer) for layer in _CHECKED_LAYERS), rules
        key = city, networks, at_buildings
        cached = self._pipe_findings.get(key)
        if cached is None or cached[0] != version:
            graphs = {}
            for network in networks:
                with suppress(InputError):  # without pipes in use in this city
                    sectors = self.pipe_sectors(connection, city, network, changes)
                    graphs[Network(network)] = sectors.graph
            snapshot = self.snapshots.get_snapshot(connection, city) if at_buildings else None
            cached = version, check_pipes(connection, city, graphs, snapshot, rules)
            self._pipe_findings[key] = cached
        return cached[1]

    def hydrant_mains(
        self, connection: Connection, city: str, layer_changes: Mapping[str, int] | None = None
    ) -> dict[str, float]:
        """Return the diameter in millimetres of each hydrant's main, by code of the hydrant.

        Parameters
        ----------
        layer_changes
            Change counts of the layers; read from the database by default.
        """
        counts = read_layer_changes(connection) if layer_changes is None else layer_changes
        version = counts.get("pipe_node"), counts.get("pipe_segment")
        cached = self._mains.get(city)
        if cached is None or cached[0] != version:
            try:
                sectors = self.pipe_sectors(connection, city, Network.WATER.value, counts)
                snapshot = self.context_of(connection, city, counts).snapshot
                mains = hydrant_supply.main_diameters(snapshot, sectors.graph)
            except InputError:  # the city has no water mains on record
                mains = {}
            cached = self._mains[city] = version, mains
        return cached[1]

    def context_of(
        self, connection: Connection, city: str, layer_changes: Mapping[str, int] | None = None
    ) -> FireContext:
        """Return the current context of a city.

        Parameters
        ----------
        layer_changes
            Change counts of the layers; read from the database by default.

        Raises
        ------
        NotFoundError
            If the city has no regions, buildings or roads.
        """
        snapshot = self.snapshots.get_snapshot(connection, city, layer_changes)
        rules = rules_in_force()
        with self._lock:
            context = self._contexts.get(city)
            if context is None or context.snapshot is not snapshot or context.rules != rules:
                vehicle = vehicle_access.vehicle_from_settings(rules)
                context = self._contexts[city] = FireContext(snapshot, rules, vehicle)
            return context

    def prepare(self, connection: Connection, city: str, layer_changes: Mapping[str, int]) -> None:
        """Read a city and its networks, and compute what its first request would wait for."""
        context = self.context_of(connection, city, layer_changes)
        _ = context.vehicle_reach, context.costs_to_stations, context.is_high_rise
        _ = context.snapshot.barrier_tree
        _ = self.hydrant_mains(connection, city, layer_changes)
        for network in Network:
            with suppress(InputError):  # a network that the city does not have
                sectors = self.pipe_sectors(connection, city, network.value, layer_changes)
                _ = sectors.flow, sectors.graph.fault_tree, sectors.graph.missing_counts
