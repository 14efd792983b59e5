"""Settings of an installation, from the environment (``GRIDATLAS_...``) or a ``.env`` file."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from geo.errors import SetupError

RoadClassName = Literal["expressway", "arterial", "secondary", "local", "alley", "internal", "path"]
"""Classes of road whose speed a city may set."""

_ORIGIN = r"https?://[0-9A-Za-z.\-\[\]:]+"


class Settings(BaseSettings):
    """Settings with their defaults.

    ``database_url`` is read from ``DATABASE_URL``; empty means the private cluster in
    ``home``/pg.
    """

    model_config = SettingsConfigDict(env_prefix="GRIDATLAS_", env_file=".env", extra="ignore")

    home: Path = Path(".gridatlas")
    database_url: str = Field(default="", validation_alias="DATABASE_URL")

    # Time zone of dates and times that people read and write.
    time_zone: ZoneInfo = ZoneInfo("Asia/Shanghai")

    # The API: its database URL (by default a login role that ``serve`` creates), the secret that
    # signs tokens (by default a file in ``home``), and an optional identity provider.
    api_database_url: str = ""
    secret: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_name_claim: str = "sub"
    token_minutes: int = Field(default=15, ge=1, le=60)
    session_hours: int = Field(default=12, ge=1, le=24 * 31)
    statement_timeout_s: int = Field(default=20, ge=1, le=600)
    connections: int = Field(default=16, ge=2, le=90)

    # Hours for which a file uploaded on the data page is kept, unless it is published before.
    upload_hours: int = Field(default=24, ge=1, le=24 * 31)

    # Public address of the server (https://HOST), used in links. Without it only requests for the
    # machine's own addresses are answered, so that no foreign Host header gets into a link.
    site: str = Field(default="", pattern=rf"^({_ORIGIN})?/?$")

    # Origins whose pages may read /ogc, /tiles and /openapi.json in a browser, by commas, or "*".
    origins: str = Field(default="", pattern=rf"^(\*|{_ORIGIN}( *, *{_ORIGIN})*)?$")

    # Producer and approval number (审图号) that printed maps state.
    map_producer: str = Field(default="", max_length=100)
    map_approval: str = Field(default="", max_length=60)

    # Key of the national map service Tianditu (lbs.tianditu.gov.cn), for a base map that readers
    # may switch on. Without it pages load nothing from other hosts.
    tianditu_key: str = Field(default="", pattern="^[0-9a-zA-Z]*$")

    # Estimate of households where no register exists: footprint x storeys / m2_per_household.
    # 100 m2 of gross floor a household: 2.62 persons (China's 7th census, 2020, table 1) times
    # 38.6 m2 a person (the census's urban family housing).
    estimate_m2_per_household: float = 100.0
    estimate_storeys: float = 3.0
    estimate_storeys_house: float = 2.0
    estimate_storeys_apartments: float = 6.0
    estimate_min_footprint_m2: float = 30.0
    # Limits beyond which an import is held for approval: percent of the live features of its
    # source, and of the delivered ones for rejections. Fewer features than ``few`` never hold it.
    guard_removed_percent: float = 5.0
    guard_changed_percent: float = 30.0
    guard_area_percent: float = 5.0
    guard_rejected_percent: float = 5.0
    guard_few: int = 5
    # A building of unknown use that covers more than this is a hall, a mall or a station.
    estimate_max_footprint_m2: float = 2500.0

    # Units of workload, added up for each building: of a household, more for a rented dwelling and
    # for a resident of 60 and over who lives alone, less for a vacant dwelling, and of small
    # businesses (with fewer staff than ``small_business_staff``, or unknown) and larger entities.
    workload_household: float = Field(default=1.0, ge=0, le=100)
    workload_rented: float = Field(default=0.5, ge=-100, le=100)
    workload_alone_60_up: float = Field(default=1.0, ge=-100, le=100)
    workload_vacant: float = Field(default=-0.5, ge=-100, le=100)
    workload_small_business: float = Field(default=1.0, ge=-100, le=100)
    workload_larger_entity: float = Field(default=3.0, ge=-100, le=100)
    small_business_staff: int = Field(default=10, ge=1, le=100_000)

    # Values of fire rules that differ from the standard's, as JSON: {"hydrant_radius": 120} or, to
    # have the unit compared with the rule's, {"hydrant_radius": "120 m"}.
    fire_figures: dict[str, Any] = Field(default_factory=dict)
    # Clearances and covers of buried pipes that differ from the standard's, likewise, in metres:
    # {"gas_sewage_beside_low": 1.2, "cover_gas_carriageway": "1.0 m"}.
    pipe_figures: dict[str, Any] = Field(default_factory=dict)
    # Days after which a hydrant is due for another inspection.
    hydrant_inspection_days: int = Field(default=90, ge=1, le=3660)
    # Kinds of cases, by default those of data/casework/kinds.toml.
    case_kinds: Path | None = None
    # Indicators of the assessment, by default those of data/casework/indicators.toml, and the days
    # after a month's end in which visits and duties may still be entered before it is closed.
    indicators: Path | None = None
    assessment_days: int = Field(default=3, ge=0, le=28)
    # Days after which the contact that a reporter gave is deleted, from the closing of the case.
    case_contact_days: int = Field(default=30, ge=0, le=3650)
    # Days without a step after which a case that was reported back closes by itself.
    case_rating_days: int = Field(default=30, ge=1, le=3650)
    # Years after which words, photos and exact place of a case are removed, from its closing or, if
    # nobody closed it, its last step; dwelling, words and counts of a visit or a verification, and
    # earlier counts of dwellings; appointments that have ended.
    case_years: int = Field(default=5, ge=1, le=100)
    visit_years: int = Field(default=3, ge=1, le=100)
    staff_years: int = Field(default=3, ge=1, le=100)
    # Requests a minute that an address may send to the public reports: new ones, and follow-ups.
    reports_per_minute: int = Field(default=20, ge=1, le=100_000)
    # New reports a minute that a browser may send, by the random token that it keeps.
    reports_per_device: int = Field(default=10, ge=1, le=100_000)
    follow_ups_per_minute: int = Field(default=60, ge=1, le=100_000)
    # Seconds without a touch after which a kiosk forgets what was entered.
    kiosk_idle_s: int = Field(default=60, ge=5, le=3600)
    # Keys of applications that file cases over Open311, by name: {"city app": "KEY"}. They get a
    # number at once, read what they filed, and are not limited to reports_per_minute.
    open311_keys: dict[str, Annotated[str, Field(min_length=20, max_length=200)]] = {}
    # The fire engine of route calculations: metres and tonnes.
    engine_width_m: float = 2.5
    engine_height_m: float = 3.8
    engine_length_m: float = 12.0
    engine_weight_t: float = 30.0
    # Radius of the circle that the engine's outer front corner turns on, metres.
    engine_turning_radius_m: float = Field(default=12.0, gt=0, le=30)
    # The travel-time model: mean speeds of the engine that differ from the default, in km/h by
    # class of road, as JSON ({"local": 25}), seconds lost at each junction, and the mean speed
    # with which a micro-station's crew gets to a fire along streets and paths.
    engine_speed_kmh: dict[RoadClassName, Annotated[float, Field(gt=0, le=120)]] = Field(
        default_factory=dict
    )
    engine_junction_delay_s: float = Field(default=0.0, ge=0, le=120)
    micro_station_speed_kmh: float = Field(default=9.0, gt=0, le=60)


@cache
def settings() -> Settings:
    """Return the settings, read once a process.

    Raises
    ------
    SetupError
        If the value of a variable is invalid.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(map(str, first["loc"])).upper()
        prefix = "" if name == "DATABASE_URL" else "GRIDATLAS_"
        raise SetupError("setting_invalid", name=prefix + name, said=first["msg"]) from None
