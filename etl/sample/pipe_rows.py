"""Nodes and segments of the sample city's pipes, with the attributes of their network."""

from dataclasses import dataclass, field
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

MAIN_DIAMETER_MM = {
    "water": {"arterial": 600, "secondary": 400, "local": 200},
    "gas": {"arterial": 315, "secondary": 200, "local": 160},
    "sewage": {"arterial": 1000, "secondary": 800, "local": 400},
    "storm": {"arterial": 1500, "secondary": 1000, "local": 600},
}
"""Diameter of a main in millimetres by class of street."""

MATERIAL = {
    "water": "ductile_iron",
    "gas": "pe",
    "sewage": "concrete",
    "storm": "concrete",
    "power": "copper",
    "telecom": "fibre",
}
COVER_M = {"water": 1.7, "gas": 1.2, "sewage": 4.2, "storm": 2.5, "power": 0.5, "telecom": 0.9}
"""Depth of the top of a pipe, so that every network passes above or below the others."""

DRAINS = ("sewage", "storm")
FALL = 0.002
"""Fall of the drains that begin in the street; the others follow the ground to the river."""

PRESSURE_MPA = {"water": 0.35, "gas": 0.2}
LAYING = {"power": "duct_bank", "telecom": "duct"}
DUCTS = {"power": 6, "telecom": 12}
VOLTAGE_KV = {"power": 10.0}
OWNER = {
    "water": "市供水公司",
    "gas": "市燃气公司",
    "sewage": "市排水公司",
    "storm": "市排水公司",
    "power": "市供电公司",
    "telecom": "市通信管道公司",
}
OFFSET_M = {"water": 3.0, "gas": -3.0, "sewage": 0.0, "storm": 5.0, "power": -5.0, "telecom": -6.5}
"""Offset of a main to the left of the centreline of its street, in metres."""


@dataclass
class Pipes:
    """Nodes, segments and planted faults of an office."""

    prefix: str
    year: int
    nodes: list[dict[str, Any]] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)
    planted: list[dict[str, Any]] = field(default_factory=list)

    def add_node(
        self, network: str, kind: str, geom: shapely.Point, code: str = "", **more: Any
    ) -> str:
        """Add a node and return its code."""
        code = code or f"{self.prefix}-{network}-{len(self.nodes):05d}"
        depth = COVER_M[network]
        self.nodes.append(
            {"code": code, "network": network, "kind": kind, "geom": geom, "burial_depth_m": depth}
            | {"in_service": True}
            | more
        )
        return code

    def add_segment(
        self,
        network: str,
        ends: tuple[str, str],
        points: list[Any],
        diameter: float,
        *,
        rise: tuple[float, float] = (0.0, 0.0),
        **more: Any,
    ) -> dict[str, Any]:
        """Add a segment between two nodes and return it.

        Parameters
        ----------
        rise
            Metres by which its ends lie above the usual depth.
        """
        is_drain = network in DRAINS
        depth = COVER_M[network] + (diameter / 1000 if is_drain else 0.0)
        depths = [round(depth - metres, 2) for metres in rise]
        segment = {
            "code": f"{self.prefix}-{network}-s{len(self.segments):05d}",
            "network": network,
            "from_node": ends[0],
            "to_node": ends[1],
            "geom": shapely.LineString(points),
            "diameter_mm": float(diameter),
            "material": MATERIAL[network],
            "burial_depth_m": round(sum(depths) / 2, 2),
            "depth_from_m": depths[0],
            "depth_to_m": depths[1],
            "depth_of": "invert" if is_drain else "top",
            "laying": LAYING.get(network, "direct"),
            "status": "in_use",
            "owner": OWNER[network],
            "pressure_mpa": PRESSURE_MPA.get(network),
            "pressure_class": "medium_b" if network == "gas" else None,
            "voltage_kv": VOLTAGE_KV.get(network),
            "ducts": DUCTS.get(network),
            "year_built": self.year,
        }
        self.segments.append(segment | more)
        return self.segments[-1]

    def lines_of(self, network: str) -> list[BaseGeometry]:
        """Return the lines of a network."""
        return [row["geom"] for row in self.segments if row["network"] == network]
