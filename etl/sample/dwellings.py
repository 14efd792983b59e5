"""Invented dwellings and organisations for the buildings of the sample city.

Ages and sizes of households are near those of the 7th census of China (2020). Nobody in this
register exists: organisations have credit codes that no authority issues.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from etl.sample import names
from geo.codes import credit_code_check
from geo.model.register import AGE_BANDS, EntityKind, Occupancy
from geo.types import Bools, Ints, Points, Strings

REGISTER_DAY = date(2026, 9, 30)
"""Last day on which dwellings of the sample were verified."""

VERIFICATION_DAYS = 540
"""The first dwellings were verified so many days before."""

OCCUPANCIES = {
    Occupancy.OWNER: 0.72,
    Occupancy.RENTED: 0.20,
    Occupancy.VACANT: 0.06,
    Occupancy.BUSINESS: 0.02,
}
"""Share of the dwellings by their use."""

# Residents under 18, of 18 to 59 and of 60 and over: share among owners, among tenants.
_HOUSEHOLDS = (
    (0, 0, 1, 0.10, 0.02),
    (0, 0, 2, 0.15, 0.04),
    (0, 1, 0, 0.08, 0.30),
    (0, 2, 0, 0.15, 0.27),
    (0, 3, 0, 0.11, 0.11),
    (1, 2, 0, 0.22, 0.17),
    (2, 2, 0, 0.09, 0.05),
    (1, 2, 1, 0.05, 0.02),
    (1, 2, 2, 0.05, 0.02),
)
_BELOW_SEVEN, _ABOVE_EIGHTY = 0.38, 0.14
_NEED_HELP = {"age_18_59": 0.003, "age_60_79": 0.03, "age_80_up": 0.25}
_FLOATING = {Occupancy.OWNER: 0.04, Occupancy.RENTED: 0.65}

ENTITIES_PER_HOUSEHOLD = 0.0707
"""About 900 organisations in a city of size S."""

_ENTITY_DENSITY = {
    "commercial": 8.0,
    "office": 6.0,
    "mixed": 3.0,
    "industrial": 1.0,
    "warehouse": 0.6,
    "education": 0.5,
    "medical": 0.5,
    "residential": 0.1,
}
"""Organisations by use of the building, in proportion to its ground."""


def build_register(
    buildings: gpd.GeoDataFrame, units: gpd.GeoDataFrame, seed: int
) -> dict[str, gpd.GeoDataFrame]:
    """Return the layers ``dwelling`` and ``entity`` of the sample city.

    Parameters
    ----------
    buildings, units
        The layers ``building`` and ``building_unit``; a building has a dwelling for each household.
    seed
        The same seed gives the same register.
    """
    random = np.random.default_rng([seed, 24, len(buildings)])
    return {
        "dwelling": _dwellings(buildings, units, random),
        "entity": _entities(buildings, random),
    }


def _dwellings(
    buildings: gpd.GeoDataFrame, units: gpd.GeoDataFrame, random: np.random.Generator
) -> gpd.GeoDataFrame:
    stairs = _stairs(buildings, units)
    homes = stairs.loc[stairs.index.repeat(stairs["households"])].reset_index(drop=True)
    rank = homes.groupby("stairs").cumcount().to_numpy()
    a_floor = -(-homes["households"] // homes["storeys"]).to_numpy()
    floor, door = rank // a_floor + 1, rank % a_floor + 1
    rooms = np.char.add(floor.astype(str), np.char.zfill(door.astype(str), 2))
    stem = homes["stairs"].to_numpy(dtype=str)
    uses = np.array(list(OCCUPANCIES), dtype=object)
    occupancy = random.choice(uses, len(homes), p=list(OCCUPANCIES.values()))
    columns = {
        "code": np.char.add(np.char.add(stem, "-"), rooms),
        "building_code": homes["building_code"],
        "unit_code": homes["unit_code"],
        "floor": floor.astype(str),
        "room": rooms,
        "occupancy": occupancy,
        **_residents(occupancy, random),
        "verified_on": _verification_days(len(homes), random),
    }
    return _as_layer(columns, homes.geometry.to_numpy(), buildings)


def _stairs(buildings: gpd.GeoDataFrame, units: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the units, and the buildings without units, with their households and a point."""
    point = pd.Series(
        shapely.point_on_surface(buildings.geometry.to_numpy()), index=buildings["code"]
    )
    number = units["name"].str.removesuffix("单元")
    of_units = pd.DataFrame(
        {
            "stairs": units["building_code"] + "-" + number,
            "building_code": units["building_code"],
            "unit_code": units["code"],
            "households": units["households"].astype(int),
            "storeys": units["storeys"].astype(int),
        }
    )
    without = buildings[~buildings["code"].isin(units["building_code"])]
    of_buildings = pd.DataFrame(
        {
            "stairs": without["code"],
            "building_code": without["code"],
            "unit_code": None,
            "households": without["households"].astype(int),
            "storeys": without["storeys_above"].astype(int),
        }
    )
    stairs = pd.concat([of_units, of_buildings], ignore_index=True)
    stairs = stairs[stairs["households"] > 0].reset_index(drop=True)
    place = point.loc[stairs["building_code"]].to_numpy()
    return gpd.GeoDataFrame(stairs, geometry=place, crs=buildings.crs)


def _residents(occupancy: Strings, random: np.random.Generator) -> dict[str, Ints]:
    """Return the counts of each dwelling: residents, registration, ages, alone, needing help."""
    young, adult, old = _household_sizes(occupancy, random)
    below_seven = random.binomial(young, _BELOW_SEVEN)
    above_eighty = random.binomial(old, _ABOVE_EIGHTY)
    ages = (below_seven, young - below_seven, adult, old - above_eighty, above_eighty)
    counts = dict(zip(AGE_BANDS, ages, strict=True))
    residents = young + adult + old
    share = np.where(
        occupancy == Occupancy.RENTED, _FLOATING[Occupancy.RENTED], _FLOATING[Occupancy.OWNER]
    )
    floating = np.where(random.random(len(residents)) < share, residents, 0)
    return {
        "residents": residents,
        "registered": residents - floating,
        "floating": floating,
        **counts,
        "alone_60_up": ((residents == 1) & (old == 1)).astype(np.int64),
        "need_help": sum(random.binomial(counts[name], p) for name, p in _NEED_HELP.items()),
    }


def _household_sizes(occupancy: Strings, random: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Return residents under 18, of 18 to 59 and of 60 and over; none in vacant dwellings."""
    kinds = np.array([row[:3] for row in _HOUSEHOLDS], dtype=np.int64)
    owner = random.choice(len(kinds), len(occupancy), p=[row[3] for row in _HOUSEHOLDS])
    tenant = random.choice(len(kinds), len(occupancy), p=[row[4] for row in _HOUSEHOLDS])
    counts = kinds[np.where(occupancy == Occupancy.RENTED, tenant, owner)]
    is_home: Bools = np.isin(occupancy, [Occupancy.OWNER, Occupancy.RENTED])
    young, adult, old = (counts * is_home[:, None]).T
    return young, adult, old


def _verification_days(count: int, random: np.random.Generator) -> Strings:
    """Return the days of the last verification; every fiftieth dwelling has none."""
    days = random.integers(0, VERIFICATION_DAYS, count)
    verified = np.array(
        [date.fromordinal(REGISTER_DAY.toordinal() - int(day)) for day in days], dtype=object
    )
    verified[random.random(count) < 0.02] = None
    return verified


def _entities(buildings: gpd.GeoDataFrame, random: np.random.Generator) -> gpd.GeoDataFrame:
    ground = shapely.area(buildings.to_crs(buildings.estimate_utm_crs()).geometry.to_numpy())
    density = buildings["use"].map(_ENTITY_DENSITY).fillna(0.0).to_numpy(dtype=float)
    count = round(float(buildings["households"].sum()) * ENTITIES_PER_HOUSEHOLD)
    share = ground * density
    rows = np.sort(random.choice(len(buildings), count, p=share / share.sum()))
    places = buildings.iloc[rows].reset_index(drop=True)
    kinds = [_kind_of(use, random) for use in places["use"]]
    trades = [
        names.trade(kind, use, random) for kind, use in zip(kinds, places["use"], strict=True)
    ]
    staff = [_staff_count(kind, random) for kind in kinds]
    streets = places["region_code"].str[:9]
    serials = places.groupby(streets).cumcount() + 1
    codes = [
        _credit_code(kind, street, serial)
        for kind, street, serial in zip(kinds, streets, serials, strict=True)
    ]
    storeys = places["storeys_above"].to_numpy(dtype=np.int64)
    upper = np.minimum(storeys, random.geometric(0.6, count))
    columns = {
        "code": codes,
        "credit_code": codes,
        "name": [name for name, _, _ in trades],
        "kind": [kind.value for kind in kinds],
        "industry_section": [section for _, section, _ in trades],
        "industry_division": [division for _, _, division in trades],
        "staff_count": staff,
        "building_code": places["code"],
        "floor": np.maximum(upper, 1).astype(str),
        "key_unit": [
            use in ("medical", "education") or n > 60
            for use, n in zip(places["use"], staff, strict=True)
        ],
    }
    inside = shapely.point_on_surface(places.geometry.to_numpy())
    return _as_layer(columns, inside, buildings)


def _kind_of(use: str, random: np.random.Generator) -> EntityKind:
    if use in ("education", "medical"):
        return EntityKind.INSTITUTION
    individual = {"mixed": 0.8, "commercial": 0.6, "residential": 0.7}.get(use, 0.15)
    return EntityKind.INDIVIDUAL if random.random() < individual else EntityKind.ENTERPRISE


def _staff_count(kind: EntityKind, random: np.random.Generator) -> int:
    mean = {EntityKind.INDIVIDUAL: 1.8, EntityKind.ENTERPRISE: 14.0, EntityKind.INSTITUTION: 45.0}
    return int(random.geometric(1.0 / mean[kind]))


_CREDIT_PREFIX = {
    EntityKind.ENTERPRISE: "91",
    EntityKind.INDIVIDUAL: "92",
    EntityKind.INSTITUTION: "12",
}


def _credit_code(kind: EntityKind, street: str, serial: int) -> str:
    """Return a credit code with its check digit, and YY where no issued code has it."""
    first = f"{_CREDIT_PREFIX[kind]}{street[:6]}YY{street[6:]}{serial:04d}"
    return first + credit_code_check(first)


def _as_layer(
    columns: Mapping[str, Any], points: Points, buildings: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    frame = gpd.GeoDataFrame(columns, geometry=points, crs=buildings.crs)
    return frame.rename_geometry("geom").assign(source=buildings["source"].iloc[0])
