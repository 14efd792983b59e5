"""What the fire desk holds ready for a city: its ground, the rules, and the engine's ways."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array
from sqlalchemy import Connection

from geo.errors import InputError
from geo.fire import response, separation, vehicle_access
from geo.fire.rules import Rules, in_force
from geo.fire.snapshot import CitySnapshot, SnapshotCache, changes, extent
from geo.fire.vehicle_access import VehicleReach
from geo.model.pipe import Network
from geo.network import isolation, pipes
from geo.network.isolation import Sectors
from geo.network.roads import Vehicle
from geo.types import Bools

Stamp = tuple[int | None, int | None]


@dataclass(frozen=True)
class FireContext:
    """A city's ground with the rules in force and its engine."""

    ground: CitySnapshot
    rules: Rules
    vehicle: Vehicle

    @cached_property
    def reached(self) -> VehicleReach:
        """Return where the engine gets to."""
        return vehicle_access.find_reached_edges(self.ground, self.vehicle)

    @cached_property
    def towards(self) -> csr_array:
        """Return the driving times against the direction of travel: from a place to stations."""
        matrix, _ = response.driving(self.ground, self.rules)
        return csr_array(matrix.T)

    @cached_property
    def high(self) -> Bools:
        """Return which buildings are high-rises."""
        return np.asarray(separation.bodies(self.ground).high)

    @cached_property
    def road_names(self) -> dict[str, str]:
        """Return the names of the roads that have one, by code."""
        roads = self.ground.road
        pairs = zip(roads["code"].tolist(), roads["name"].tolist(), strict=True)
        return {code: name for code, name in pairs if name}


class FireContexts:
    """The desks of an installation's cities, made anew when data or rules changed."""

    def __init__(self) -> None:
        self.grounds = SnapshotCache()
        self._held: dict[str, FireContext] = {}
        self._lock = threading.Lock()
        self._pipes: dict[tuple[str, str], tuple[Stamp, Sectors]] = {}
        self._pipe_locks = {network.value: threading.Lock() for network in Network}

    def are_used(self) -> bool:
        """Return whether any city was asked for."""
        return bool(self._held or self._pipes)

    def pipes(
        self,
        connection: Connection,
        city: str,
        network: str,
        state: Mapping[str, int] | None = None,
    ) -> Sectors:
        """Return a network of a city as it is now, cut at its valves.

        Raises
        ------
        InputError
            If the network has no segments there.
        """
        known = changes(connection) if state is None else state
        stamp = known.get("pipe_node"), known.get("pipe_segment")
        with self._pipe_locks[network]:
            held = self._pipes.get((city, network))
            if held is None or held[0] != stamp:
                graph = pipes.read(connection, network, extent(connection, city))
                held = stamp, isolation.sectors(graph)
                self._pipes[city, network] = held
            return held[1]

    def of(
        self, connection: Connection, city: str, state: Mapping[str, int] | None = None
    ) -> FireContext:
        """Return the desk of a city as it is now; ``state`` as in :meth:`Grounds.of`."""
        ground, rules = self.grounds.of(connection, city, state), in_force()
        vehicle = vehicle_access.vehicle_from_settings(rules)
        with self._lock:
            held = self._held.get(city)
            if held is None or held.ground is not ground or held.rules != rules:
                held = self._held[city] = FireContext(ground, rules, vehicle)
            return held

    def prepare(self, connection: Connection, city: str, state: Mapping[str, int]) -> None:
        """Read a city and its networks, and work out what the first answer would wait for."""
        desk = self.of(connection, city, state)
        _ = desk.reached, desk.towards, desk.high, desk.ground.hard_tree
        for network in Network:
            with suppress(InputError):  # a network that the city does not have
                parts = self.pipes(connection, city, network.value, state)
                _ = parts.flow, parts.graph.fault_tree, parts.graph.lacking
