"""Rows of the layers of a street office of the sample city, block by block."""

from collections import defaultdict
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from etl.sample import planted_faults, quarters, street_plan, streets
from etl.sample.block_content import STOREY_M, BlockContent
from etl.sample.street_plan import Office

PARK_BLOCK = (4, 0)
"""Block of an office that is the park with the planted faults."""

HIGH_RISE_M = 24.0

_CENTRAL_M = 500.0
"""A station stands this near to the middle of its office where it can."""

ANSWER_COLUMNS = ("kind", "rule", "code", "other", "measured", "required")
"""Columns of the layer ``planted``, the right answers for the fire overlays."""


class OfficeRows:
    """Rows of the layers of an office, block by block."""

    def __init__(self, office: Office, random: np.random.Generator) -> None:
        self.office = office
        self.random = random
        self.buildings: list[dict[str, Any]] = []
        self.units: list[dict[str, Any]] = []
        self.compounds: list[dict[str, Any]] = []
        self.facilities: list[dict[str, Any]] = []
        self.lanes: list[dict[str, Any]] = []
        self.planted: list[dict[str, Any]] = []
        self.taps: dict[Any, list[tuple[str, BaseGeometry]]] = defaultdict(list)
        self._serial: dict[str, int] = defaultdict(int)

    def add_block(self, i: int, j: int, built: BlockContent) -> None:
        """Add the content of a block."""
        community = self.office.community_of(i, j)
        sides = streets.block_sides(self.office, i, j)
        compound = self._add_compound(community, built)
        self._house_number = int(self.random.integers(1, 199))
        for number, building in enumerate(built.buildings, start=1):
            self._add_building(community, compound, built, building, number, sides)
        for facility in built.facilities:
            code = self._next_code(community, "F", 3)
            self.facilities.append(facility | {"code": code, "region_code": community})
        for lane in built.lanes:
            self._add_lane(i, j, lane)

    def _add_lane(self, i: int, j: int, lane: dict[str, Any]) -> None:
        """Add a lane of a block, cut at the middle of the streets around it."""
        around = shapely.Polygon(street_plan.block_corners(self.office, i, j))
        line = shapely.intersection(lane["geom"], around)
        usual = {"name": "", "bridge": False, "surface": "concrete"}
        line = streets.lead_to_streets(line, streets.block_sides(self.office, i, j))
        self.lanes.append(usual | lane | {"geom": line})

    def bridge_canal(self, first: int) -> None:
        """Lead the lanes of a block, from a first one on, over the canal that divides it."""
        lanes = self.lanes[first:]
        bridged = streets.bridge_canal(lanes, streets.canal(self.office))
        for lane, line in zip(lanes, bridged, strict=True):
            lane["geom"] = line

    def _next_code(self, community: str, letter: str, digits: int) -> str:
        self._serial[community + letter] += 1
        return f"{community}{letter}{self._serial[community + letter]:0{digits}d}"

    def _add_compound(self, community: str, built: BlockContent) -> str | None:
        if built.compound is None:
            return None
        code = self._next_code(community, "C", 2)
        row = {"code": code, "name": built.compound_name, "gated": built.gated}
        self.compounds.append(row | {"region_code": community, "geom": built.compound})
        return code

    def _add_building(
        self,
        community: str,
        compound: str | None,
        built: BlockContent,
        building: dict[str, Any],
        number: int,
        sides: list[streets.Edge],
    ) -> None:
        units = building.pop("units")
        code = self._next_code(community, "B", 4)
        edge = min(sides, key=lambda side: side.line.distance(building["geom"]))
        households = building.get("households", sum(unit["households"] for unit in units))
        height = building["storeys_above"] * STOREY_M + 1.2
        dwelt = building["use"] == "residential"
        called = f"{built.compound_name}{number}栋" if compound else ""
        place = f"{built.compound_name}{number}栋" if compound else f"{number}号楼"
        row = {
            "code": code,
            "name": building.get("name") or called,
            "address": f"{edge.name}{self._house_number}号{place}",
            "height_m": round(height, 1),
            "high_rise": height > (27.0 if dwelt else HIGH_RISE_M),
            "households": households,
            "population": int(self.random.poisson(households * 2.5)),
            "households_source": "register",
            "compound_code": compound,
            "region_code": community,
        }
        self.buildings.append({**building, **row})
        for serial, unit in enumerate(units, start=1):
            identity = {
                "code": f"{code}U{serial:02d}",
                "building_code": code,
                "name": f"{serial}单元",
            }
            people = int(self.random.poisson(unit["households"] * 2.5))
            self.units.append(unit | identity | {"population": people})
        # Old houses share a standpipe: one in four has a service of its own.
        if households and (building["storeys_above"] > 2 or number % 4 == 0):
            self.taps[(edge.start, edge.end)].append((code, building["geom"]))

    def assign_public_buildings(self) -> None:
        """Turn buildings without dwellings into fire, police and service stations."""
        middle = shapely.centroid(street_plan.office_land(self.office))
        free = [b for b in self.buildings if b["use"] in {"commercial", "office"}]
        free.sort(key=lambda building: building["geom"].distance(middle) > _CENTRAL_M)
        for building, category, name in zip(
            free, ("fire_station", "police"), ("消防救援站", "派出所"), strict=False
        ):
            building |= {"use": "public", "storeys_above": 3, "height_m": 10.2, "high_rise": False}
            building["name"] = f"{self.office.name}{name}"
            self._add_facility(building, category, building["name"])
        for code, name in self.office.communities:
            local = [b for b in self.buildings if b["region_code"] == code]
            shops = [b for b in local if b["use"] in {"commercial", "office", "mixed"}] or local
            self._add_facility(shops[0], "service_station", f"{name}党群服务中心")

    def _add_facility(self, building: dict[str, Any], category: str, name: str) -> None:
        community = building["region_code"]
        row = {"code": self._next_code(community, "F", 3), "category": category, "name": name}
        row |= {"address": building["address"], "region_code": community}
        self.facilities.append(row | {"geom": building["geom"].centroid})

    def clear_some_attributes(self) -> None:
        """Clear 4 % of the fire classes and 3 % of the years, which registers often lack."""
        for building in self.buildings:
            if self.random.random() < 0.04:
                building["fire_class"] = None
            if self.random.random() < 0.03:
                building["year_built"] = None

    def add_planted_faults(self) -> None:
        """Plant faults in the park of the office, with their right answers."""
        i, j = self.office.corner[0] + PARK_BLOCK[0], self.office.corner[1] + PARK_BLOCK[1]
        land = streets.block_land(self.office, i, j)[0]
        standing = [b["geom"] for b in self.buildings if b["geom"].within(land)]
        faults = planted_faults.plant_faults(land, quarters.angle_of(land), standing)
        community = self.office.community_of(i, j)
        codes = {}
        for number, building in enumerate(faults.buildings, start=1):
            codes[building.pop("tag")] = code = self._next_code(community, "B", 4)
            self.buildings.append(building | _drill_house(building, code, community, number))
        for lane in faults.lanes:
            tag = lane.pop("tag")
            lane["planted"] = [right for right in faults.answers if right["tag"] == tag]
            self._add_lane(i, j, lane)
        for right in faults.answers:
            if code := codes.get(right["tag"], ""):
                self.planted.append(right | {"code": code, "other": codes.get(right["other"], "")})


def _drill_house(
    building: dict[str, Any], code: str, community: str, number: int
) -> dict[str, Any]:
    """Return the attributes of a training building of the fire service, where nobody lives."""
    height = building["storeys_above"] * STOREY_M + 1.2
    return {
        "code": code,
        "name": f"消防训练{number}号楼",
        "address": f"消防训练场{number}号楼",
        "use": "public",
        "height_m": round(height, 1),
        "high_rise": height > HIGH_RISE_M,
        "households": 0,
        "population": 0,
        "households_source": "register",
        "compound_code": None,
        "region_code": community,
    }
