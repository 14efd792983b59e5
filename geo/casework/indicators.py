"""The indicators of the assessment, from ``data/casework/indicators.toml`` or the settings."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from geo.casework.kinds import DEFAULT_FILE as KINDS_FILE
from geo.casework.kinds import Name, Strict
from geo.errors import InputError, SetupError
from geo.settings import settings

DEFAULT_FILE = KINDS_FILE.with_name("indicators.toml")

Measure = Literal[
    "filed",
    "accepted",
    "due",
    "on_time",
    "reported",
    "reworked",
    "escalated",
    "ratings",
    "rating_sum",
    "visits",
    "duties",
    "dwellings",
    "verified",
]
MIN_RATING, MAX_RATING = 1, 5


class Indicator(Name):
    """An indicator: a measure, or the quotient of two."""

    key: str = Field(pattern="^[a-z][a-z0-9_]{1,39}$")
    numerator: Measure
    denominator: Measure | None = None
    unit: Literal["percent", "mean", "count"]
    better: Literal["high", "low"]
    weight: float = Field(ge=0, le=1000)
    source: str = Field(default="", max_length=100)

    @model_validator(mode="after")
    def _check_unit(self) -> Self:
        if (self.denominator is None) != (self.unit == "count"):
            raise ValueError("percent and mean have a denominator, count has none")
        if self.unit == "count" and self.weight:
            raise ValueError("a count has the weight 0")
        return self

    def value(self, measures: dict[str, int]) -> float | None:
        """Return the value in the indicator's unit; None without anything to measure."""
        counted = measures.get(self.numerator, 0)
        if self.denominator is None:
            return float(counted)
        whole = measures.get(self.denominator, 0)
        if not whole:
            return None
        return counted / whole * (100.0 if self.unit == "percent" else 1.0)

    def points(self, measures: dict[str, int]) -> float | None:
        """Return the value as points from 0 (worst) to 100 (best)."""
        value = self.value(measures)
        if value is None:
            return None
        if self.unit == "mean":
            value = (value - MIN_RATING) / (MAX_RATING - MIN_RATING) * 100.0
        value = min(max(value, 0.0), 100.0)
        return value if self.better == "high" else 100.0 - value


class _Catalogue(Strict):
    indicators: tuple[Indicator, ...] = Field(min_length=1)


def score_of(indicators: tuple[Indicator, ...], measures: dict[str, int]) -> float | None:
    """Return the mean of the points by weight, of the indicators that measured anything."""
    points = [
        (indicator.weight, value)
        for indicator in indicators
        if indicator.weight and (value := indicator.points(measures)) is not None
    ]
    if not points:
        return None
    return sum(weight * value for weight, value in points) / sum(weight for weight, _ in points)


def load_indicators(file: Path) -> tuple[Indicator, ...]:
    """Read and validate a file of indicators.

    Raises
    ------
    SetupError
        If it can't be read.
    InputError
        If it is not valid; the message names the place.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        indicators = _Catalogue.model_validate(content).indicators
    except OSError as error:
        raise SetupError("indicators_unreadable", file=file, said=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("indicators_invalid", file=file, where="TOML", said=error) from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise InputError("indicators_invalid", file=file, where=where, said=fault["msg"]) from None
    keys = [indicator.key for indicator in indicators]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise InputError("indicator_twice", file=file, where=twice)
    return indicators


@cache
def _load_once(file: Path) -> tuple[Indicator, ...]:
    return load_indicators(file)


def indicators_in_force() -> tuple[Indicator, ...]:
    """Return the indicators of this installation, read once a process."""
    return _load_once(settings().indicators or DEFAULT_FILE)
