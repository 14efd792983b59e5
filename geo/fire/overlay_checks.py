"""The check of each overlay, of the whole city or near what has changed."""

from collections.abc import Callable
from dataclasses import dataclass

from geo.errors import InputError
from geo.fire import (
    fire_lanes,
    hydrant_places,
    hydrant_supply,
    hydrants,
    ladder_areas,
    micro_stations,
    separation,
    station_areas,
    station_response,
    vehicle_access,
)
from geo.fire.context import FireContext
from geo.fire.finding import Finding
from geo.fire.rules import Overlay, Rules
from geo.messages import Language, text
from geo.network.isolation import Sectors
from geo.types import Ints


@dataclass(frozen=True)
class RecheckScope:
    """What is checked again: (k,) int64 rows of each layer, and codes of removed buildings."""

    building: Ints
    hydrant: Ints
    road: Ints
    gone: list[str]


def check_overlay(
    context: FireContext,
    overlay: Overlay,
    read_sectors: Callable[[], Sectors],
    scope: RecheckScope | None = None,
) -> list[Finding]:
    """Return the findings of an overlay.

    Parameters
    ----------
    read_sectors
        Returns the city's water network; raises InputError where there is none.
    scope
        What is checked; the whole city by default.
    """
    snapshot, rules = context.snapshot, context.rules
    buildings = None if scope is None else scope.building
    by_overlay: dict[Overlay, Callable[[], list[Finding]]] = {
        Overlay.HYDRANT_COVERAGE: lambda: hydrants.check_hydrant_coverage(
            snapshot, rules, buildings
        ),
        Overlay.HYDRANT_SPACING: lambda: hydrant_places.check_hydrant_spacing(snapshot, rules),
        Overlay.HYDRANT_STANDING: lambda: hydrant_places.check_hydrant_positions(
            snapshot, rules, None if scope is None else scope.hydrant
        ),
        Overlay.HYDRANT_SUPPLY: lambda: _check_supply(context, read_sectors),
        Overlay.FIRE_LANE: lambda: fire_lanes.check_fire_lanes(
            snapshot,
            rules,
            None if scope is None else scope.road,
            buildings,
            context.vehicle_reach,
        ),
        Overlay.FIRE_REACH: lambda: vehicle_access.check_vehicle_reach(
            snapshot, rules, buildings, context.vehicle_reach
        ),
        Overlay.SEPARATION: lambda: separation.check_separation(snapshot, rules, buildings),
        Overlay.LADDER: lambda: ladder_areas.check_ladder_areas(
            snapshot, rules, buildings, context.vehicle_reach
        ),
        Overlay.RESPONSE: lambda: [
            *station_response.check_response_times(
                snapshot, rules, buildings, context.vehicle_reach
            ),
            # Areas depend on no building: their findings stay where only buildings changed.
            *(station_areas.check_station_areas(snapshot, rules) if scope is None else []),
        ],
        Overlay.MICRO_STATION: lambda: [
            *micro_stations.check_micro_response(snapshot, rules, buildings),
            *(micro_stations.check_micro_people(snapshot, rules) if scope is None else []),
        ],
    }
    return by_overlay[overlay]()


def describe_overlay(overlay: Overlay, rules: Rules, lang: Language) -> str:
    """Return what an overlay shows, with the travel-time model behind one of times."""
    words = text(f"overlay_text.{overlay}", lang=lang)
    if overlay not in {Overlay.RESPONSE, Overlay.MICRO_STATION}:
        return words
    return f"{words} {station_response.describe_travel_times(rules, lang)}"


def _check_supply(context: FireContext, read_sectors: Callable[[], Sectors]) -> list[Finding]:
    sectors: Sectors | None = None
    if not context.snapshot.hydrant.empty:
        try:
            sectors = read_sectors()
        except InputError:  # the city has hydrants on record but no water mains
            sectors = None
    return hydrant_supply.check_hydrant_supply(context.snapshot, context.rules, sectors)
