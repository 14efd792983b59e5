"""Meaning of OpenStreetMap's tags in terms of our tables (values as its wiki defines them)."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

FACILITY_KEYS = (
    "amenity",
    "social_facility",
    "shop",
    "leisure",
    "emergency",
    "railway",
    "tourism",
    "office",
)
POINT_KEYS = ("place", *FACILITY_KEYS)
LINE_KEYS = ("highway", "waterway", "railway", "natural", "boundary")
AREA_KEYS = ("building", "building:part", "natural", "waterway", "boundary", *FACILITY_KEYS)
"""Keys of objects that are read as points, lines and areas."""

NOTE_KEYS = {"type", "source", "note", "fixme", "created_by"}
"""Keys that do not tell what an object is."""

COLUMNS = (
    *("name", "name:zh", "phone", "contact:phone", "addr:street", "addr:housenumber"),
    *("place", *FACILITY_KEYS),
    *(
        "building",
        "building:part",
        "building:levels",
        "building:levels:underground",
        "building:material",
    ),
    *("building:flats", "height", "start_date", "location", "layer", "level", "parking"),
    *("highway", "service", "lanes", "width", "maxheight", "maxweight", "incline", "oneway"),
    *("surface", "bridge", "tunnel", "waterway", "natural", "water", "boundary", "admin_level"),
    *("fire_hydrant:type", "fire_hydrant:flow_rate", "fire_hydrant:flow_capacity"),
    *("fire_hydrant:pressure", "water_source", "operational_status", "disused", "abandoned"),
)
"""Tags that become columns."""

PLACES = ("quarter", "suburb", "neighbourhood", "village")
"""Values of ``place`` around which a community is built."""

COMMUNITY_LEVELS = ("9", "10", "11")
"""Values of ``admin_level`` of communities (China: 10)."""

BORDER_LEVELS = ("2", "3", "4", "5", "6", "7", "8")
"""Values of ``admin_level`` above communities; the highest of a file limits its extent."""

USE_BY_BUILDING = {
    "residential": "apartments house detached semidetached_house terrace residential "
    "bungalow farm houseboat static_caravan villa cabin",
    "dormitory": "dormitory",
    "commercial": "commercial retail supermarket kiosk hotel shop mall",
    "office": "office",
    "industrial": "industrial manufacture factory works",
    "warehouse": "warehouse storage_tank hangar silo",
    "education": "school kindergarten university college",
    "medical": "hospital clinic",
    "culture": "church chapel cathedral mosque temple synagogue shrine monastery museum castle "
    "stadium religious grandstand sports_hall theatre",
    "public": "public civic government townhall fire_station police courthouse toilets",
    "transport": "train_station transportation railway station parking",
    "utility": "service transformer_tower power substation water_tower",
    "ancillary": "garage garages shed roof carport greenhouse hut construction ruins barn sty "
    "stable tent farm_auxiliary",
}
"""Our use by values of ``building``; ``yes`` has no meaning."""

USE_BY_AMENITY = {
    "education": "school kindergarten university college",
    "medical": "hospital clinic",
    "culture": "place_of_worship theatre cinema library arts_centre",
    "public": "townhall police fire_station courthouse community_centre",
    "transport": "parking bus_station ferry_terminal",
}
USE_BY_TOURISM = {"commercial": "hotel hostel motel", "culture": "museum gallery"}
USE_BY_SHOP = {"commercial": "mall supermarket department_store"}

STRUCTURE = {
    "steel": "steel metal",
    "reinforced_concrete": "concrete reinforced_concrete",
    "brick_concrete": "brick bricks masonry stone cement_block",
    "wood": "wood timber timber_framing",
    "other": "glass plaster mud adobe tin tiles sandstone limestone",
}
"""Our structure by values of ``building:material``, the material of the walls."""

ROAD_CLASS = {
    "expressway": "motorway motorway_link trunk trunk_link",
    "arterial": "primary primary_link",
    "secondary": "secondary secondary_link",
    "local": "tertiary tertiary_link unclassified residential road busway",
    "alley": "living_street pedestrian",
    "internal": "service track",
    "path": "footway path steps cycleway bridleway corridor",
}

SURFACE = {
    "asphalt": "asphalt paved",
    "concrete": "concrete concrete:plates concrete:lanes",
    "paving": "paving_stones sett cobblestone unhewn_cobblestone",
    "gravel": "gravel fine_gravel compacted pebblestone",
    "earth": "ground dirt earth unpaved grass sand mud",
}

ONEWAY = {"forward": "yes true 1", "backward": "-1 reverse"}

RAILWAYS = ("rail", "light_rail", "subway", "narrow_gauge", "monorail")
"""Values of ``railway`` with a track of its own; a tram runs in the street."""

WATER_KIND = {
    "river": "river riverbank",
    "canal": "canal",
    "stream": "stream ditch drain",
    "lake": "lake reservoir lagoon",
    "pond": "pond basin fountain",
}

CATEGORY = {
    "amenity": {
        "school": "school",
        "kindergarten": "kindergarten childcare",
        "university": "university college",
        "hospital": "hospital",
        "clinic": "clinic doctors",
        "elderly_care": "nursing_home",
        "police": "police",
        "fire_station": "fire_station",
        "market": "marketplace",
        "worship": "place_of_worship",
        "toilet": "toilets",
        "parking": "parking",
        "fuel": "fuel",
        "government": "townhall courthouse",
        "service_station": "community_centre",
        "culture": "theatre library arts_centre cinema",
        "transport": "bus_station ferry_terminal",
    },
    "social_facility": {"elderly_care": "nursing_home assisted_living group_home"},
    "leisure": {"park": "park garden playground", "sport": "sports_centre stadium pitch"},
    "shop": {"market": "supermarket mall department_store"},
    "emergency": {
        "shelter": "assembly_point",
        "intake": "suction_point fire_water_pond water_tank",
    },
    "tourism": {"culture": "museum gallery"},
    "railway": {"transport": "station halt"},
    "office": {"government": "government"},
}
"""Our category by key and values; the first key with one counts."""

OPEN_WATERS = ("pond", "lake", "river", "stream", "canal", "sea", "cistern", "tank", "water_tank")
"""Values of ``water_source`` other than mains."""

OUT_OF_SERVICE = (
    "broken",
    "defect",
    "defective",
    "closed",
    "out_of_order",
    "non_operational",
    "no",
)
"""Values of ``operational_status`` of hydrants that do not work."""

NOT_LIVED_IN = ("construction", "ruins")
"""Values of ``building`` where nobody lives."""

YES_VALUES = ("yes", "true", "1", "viaduct", "building_passage", "culvert", "covered", "movable")


CATEGORY_TAGS = {
    (key, value)
    for key, table in CATEGORY.items()
    for values in table.values()
    for value in values.split()
}
"""Tags of facilities."""


def is_hydrant(emergency: str | None) -> bool:
    """Return whether one of the values of ``emergency``, separated by semicolons, is a hydrant."""
    return "fire_hydrant" in (emergency or "").split(";")


def is_line(tags: Mapping[str, str], *, is_closed: bool) -> bool:
    """Return whether a way is read as a line."""
    if is_closed and (tags.get("area") == "yes" or tags.get("waterway") == "riverbank"):
        return False
    return (
        not tags.keys().isdisjoint(("highway", "waterway", "railway"))
        or tags.get("natural") == "coastline"
        or tags.get("boundary") == "administrative"
    )


def is_area(tags: Mapping[str, str]) -> bool:
    """Return whether a closed way or a relation is read as an area."""
    return (
        layer_of(tags) == "building"
        or is_hydrant(tags.get("emergency"))
        or tags.get("natural") == "water"
        or tags.get("waterway") == "riverbank"
        or tags.get("boundary") == "administrative"
        or not CATEGORY_TAGS.isdisjoint(tags.items())
    )


def layer_of(tags: Mapping[str, str]) -> str:
    """Return the layer of an object with some tags."""
    if tags.get("building", "no") != "no" or tags.get("building:part", "no") != "no":
        return "building"
    if is_hydrant(tags.get("emergency")):
        return "pipe_node"
    if tags.get("boundary") == "administrative":
        return "region"
    if "highway" in tags:
        return "road"
    if tags.get("natural") in ("water", "coastline") or "waterway" in tags:
        return "water"
    return "railway" if tags.get("railway") in RAILWAYS else "facility"


def invert_table(table: dict[str, str]) -> dict[str, str]:
    """Return our value by each OSM value."""
    return {value: ours for ours, values in table.items() for value in values.split()}


def parse_percent(text: str) -> float | None:
    """Return a slope in percent, None if it is in another unit or has none."""
    figure = re.fullmatch(r"([-+]?\d+(?:[.,]\d+)?)\s*%", text.strip())
    return float(figure[1].replace(",", ".")) if figure else None


def parse_year(text: str) -> int | None:
    """Return the year of a date, the first of a range, None for a year in the future."""
    date = re.fullmatch(r"(\d{4})(?:-\d\d(?:-\d\d)?)?(?:\.\..*)?", text.strip())
    year = int(date[1]) if date else 0
    return year if 500 <= year <= datetime.now().year else None


def is_below_ground(tags: Mapping[str, Any]) -> bool:
    """Return whether a building is tagged as lying below ground.

    A negative ``layer`` or ``level`` does not count for a building with flats: a bridge crosses it,
    or the tag is an error.
    """
    if tags["location"] == "underground" or tags["parking"] == "underground":
        return True
    return tags["building_flats"] is None and (
        _is_negative(tags["layer"]) or _is_negative(tags["level"])
    )


def _is_negative(value: str | None) -> bool:
    """Return whether a number, or each of several, is below zero."""
    return value is not None and bool(
        re.fullmatch(r"\s*-\d+(\.\d+)?(\s*[;-]\s*-\d+(\.\d+)?)*\s*", value)
    )


HYDRANT_TYPE = {"pillar": "above_ground", "wall": "above_ground", "underground": "underground"}
"""How a hydrant is built, by the tag ``fire_hydrant:type``."""


def is_intake(tags: Mapping[str, Any]) -> bool:
    """Return whether a hydrant has no pressure, because it draws from a pond or a tank."""
    if tags["fire_hydrant_pressure"] == "suction" or tags["fire_hydrant_type"] == "pond":
        return True
    is_under_pressure = any(char.isdigit() for char in tags["fire_hydrant_pressure"] or "")
    return tags["water_source"] in OPEN_WATERS and not is_under_pressure


def is_out_of_service(tags: Mapping[str, Any]) -> bool:
    """Return whether a hydrant is tagged as not working."""
    is_abandoned = tags["disused"] == "yes" or tags["abandoned"] == "yes"
    return is_abandoned or tags["operational_status"] in OUT_OF_SERVICE
