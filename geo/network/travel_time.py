"""Travel times of fire engines: a mean speed by class of road, and a delay at each junction.

Both are settings, so that a city calibrates them with the times of its own turn-outs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from geo.settings import settings

SPEED_KMH = {
    "expressway": 60.0,
    "arterial": 45.0,
    "secondary": 40.0,
    "local": 30.0,
    "alley": 15.0,
    "internal": 15.0,
    "path": 10.0,
}
"""A fire engine's mean speed by class of road, with its junctions: 30 to 35 km/h over a whole
journey, as GB 51080-2015 (note to 4.1.3) reckons."""


@dataclass(frozen=True)
class TravelTimeModel:
    """Mean speeds in km/h by class of road, and seconds lost at each junction passed."""

    speed_kmh: Mapping[str, float]
    junction_delay_s: float


def travel_time_model() -> TravelTimeModel:
    """Return the model of the settings."""
    current = settings()
    return TravelTimeModel(SPEED_KMH | current.engine_speed_kmh, current.engine_junction_delay_s)
