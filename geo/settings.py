"""Settings of an installation, from the environment (``GRIDATLAS_...``) or a ``.env`` file."""

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings with their defaults.

    ``database_url`` is read from ``DATABASE_URL``; empty means the private cluster in
    ``home``/pg.
    """

    model_config = SettingsConfigDict(env_prefix="GRIDATLAS_", env_file=".env", extra="ignore")

    home: Path = Path(".gridatlas")
    database_url: str = Field(default="", validation_alias="DATABASE_URL")

    # Estimate of households where no register exists: footprint x storeys / m2_per_household.
    # 100 m2 of gross floor a household: 2.62 persons (China's 7th census, 2020, table 1) times
    # 38.6 m2 a person (the census's urban family housing).
    estimate_m2_per_household: float = 100.0
    estimate_storeys: float = 3.0
    estimate_storeys_house: float = 2.0
    estimate_storeys_apartments: float = 6.0
    estimate_min_footprint_m2: float = 30.0
    # Limits of an import, beyond which it waits for a person: percent of what is live of its
    # source, and of what is delivered for refusals. Fewer features than ``few`` never hold it.
    guard_removed_percent: float = 5.0
    guard_changed_percent: float = 30.0
    guard_area_percent: float = 5.0
    guard_rejected_percent: float = 5.0
    guard_few: int = 5
    # A building of unknown use that covers more than this is a hall, a mall or a station.
    estimate_max_footprint_m2: float = 2500.0


@cache
def settings() -> Settings:
    """Return the settings, read once a process."""
    return Settings()
