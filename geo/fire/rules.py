"""The fire rules: figure, unit, force and clause; settings override a figure for a city.

The text of a rule is in the catalogues under ``rule.<id>``. How far each clause was verified is in
``docs/decisions/clauses-of-the-fire-rules.md``.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from geo.errors import InputError
from geo.messages import Language, text
from geo.settings import Settings, settings
from geo.standards import Force, parse_figure


class Overlay(StrEnum):
    """The subjects that the city is checked for, each a layer on the map."""

    HYDRANT_COVERAGE = "hydrant_coverage"
    HYDRANT_SPACING = "hydrant_spacing"
    HYDRANT_STANDING = "hydrant_standing"
    HYDRANT_SUPPLY = "hydrant_supply"
    FIRE_LANE = "fire_lane"
    FIRE_REACH = "fire_reach"
    SEPARATION = "separation"
    LADDER = "ladder"
    RESPONSE = "response"
    MICRO_STATION = "micro_station"


class Severity(StrEnum):
    """How severe a finding is; ``missing`` where data is missing to judge."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    MISSING = "missing"


@dataclass(frozen=True)
class Rule:
    """A figure of a standard, or of this program where ``force`` is ``own``.

    Attributes
    ----------
    superseded_by
        The mandatory clause that now stands before this one; empty if there is none.
    verified
        Whether the figure was compared with a quotation of the clause.
    overridden
        Whether the figure is the city's own.
    """

    id: str
    overlay: Overlay
    figure: float
    unit: str
    severity: Severity = Severity.MEDIUM
    force: Force = Force.OWN
    standard: str = ""
    clause: str = ""
    superseded_by: str = ""
    verified: bool = False
    overridden: bool = False

    def text(self, lang: Language | None = None) -> str:
        """Return the text of the rule."""
        return text(f"rule.{self.id}", lang=lang, figure=self.figure, unit=self.unit)

    def properties(self, lang: Language | None = None) -> dict[str, Any]:
        """Return the fields of the rule and its text, for JSON."""
        return asdict(self) | {"text": self.text(lang)}


FIGURES_SETTING = "GRIDATLAS_FIRE_FIGURES"

WATER = "GB 50974-2014"
BUILDING = "GB 50016-2014"
PLANNING = "GB 51080-2015"
GENERAL = "GB 55037-2022"
STATIONS = "建标 152-2017"
MICRO_STATIONS = "公消〔2015〕301号 社区微型消防站建设标准（试行）"

_COVERAGE, _SPACING = Overlay.HYDRANT_COVERAGE, Overlay.HYDRANT_SPACING
_STANDING, _LANE, _REACH = Overlay.HYDRANT_STANDING, Overlay.FIRE_LANE, Overlay.FIRE_REACH
_SUPPLY = Overlay.HYDRANT_SUPPLY
_APART, _LADDER, _RESPONSE = Overlay.SEPARATION, Overlay.LADDER, Overlay.RESPONSE
_MICRO = Overlay.MICRO_STATION
_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
_SHALL, _SHOULD = Force.SHALL, Force.SHOULD
_CLEARANCE, _AREAS = f"{GENERAL} 3.4.5(1)", f"{GENERAL} 3.4.6"
_verified = partial(Rule, verified=True)

DEFAULT_RULES: tuple[Rule, ...] = (
    Rule("hydrant_radius", _COVERAGE, 150, "m", _HIGH, _SHALL, WATER, "7.2.5"),
    Rule("hydrant_route", _COVERAGE, 150, "m"),
    Rule("hydrant_spacing", _SPACING, 120, "m", _MEDIUM, _SHALL, WATER, "7.2.5"),
    Rule("hydrant_both_sides", _SPACING, 60, "m", _MEDIUM, _SHALL, WATER, "7.2.3"),
    Rule("hydrant_kerb_least", _STANDING, 0.5, "m", _LOW, _SHOULD, WATER, "7.2.6"),
    Rule("hydrant_kerb_most", _STANDING, 2.0, "m", _LOW, _SHALL, WATER, "7.2.6"),
    Rule("hydrant_wall", _STANDING, 5.0, "m", _LOW, _SHOULD, WATER, "7.2.6"),
    Rule("hydrant_out", _STANDING, 0, "", _HIGH),
    Rule("intake_radius", _COVERAGE, 150, "m", _HIGH, _SHALL, WATER, "6.1.5"),
    Rule("hydrant_flow", _SUPPLY, 15, "L/s", _HIGH, _SHALL, WATER, "7.2.8"),
    Rule("hydrant_pressure", _SUPPLY, 0.10, "MPa", _HIGH, _SHALL, WATER, "7.2.8"),
    Rule("hydrant_pressure_running", _SUPPLY, 0.14, "MPa", _MEDIUM, _SHALL, WATER, "7.2.8"),
    Rule("hydrant_ring", _SUPPLY, 150, "mm", _MEDIUM, _SHALL, WATER, "8.1.1"),
    Rule("hydrant_branch", _SUPPLY, 200, "mm", _LOW, _SHOULD, WATER, "8.1.1"),
    Rule("hydrant_section", _SUPPLY, 5, "", _LOW, _SHOULD, WATER, "8.1.4"),
    Rule("lane_width", _LANE, 4.0, "m", _HIGH, _SHALL, BUILDING, "7.1.8", _CLEARANCE),
    Rule("lane_height", _LANE, 4.0, "m", _HIGH, _SHALL, BUILDING, "7.1.8", _CLEARANCE),
    Rule("lane_slope", _LANE, 8.0, "%", _LOW, _SHOULD, BUILDING, "7.1.8"),
    Rule("lane_slope_most", _LANE, 10.0, "%", _HIGH, _SHALL, GENERAL, "3.4.5(4)"),
    Rule("lane_wall", _LANE, 5.0, "m", _LOW, _SHOULD, BUILDING, "7.1.8"),
    Rule("lane_turning", _LANE, 12.0, "m", _MEDIUM, _SHALL, BUILDING, "7.1.9"),
    Rule("lane_turning_high", _LANE, 15.0, "m", _MEDIUM, _SHOULD, BUILDING, "7.1.9"),
    Rule("lane_turning_heavy", _LANE, 18.0, "m", _LOW, _SHOULD, BUILDING, "7.1.9"),
    Rule("lane_dead_end", _LANE, 40.0, "m", _MEDIUM, _SHALL, GENERAL, "3.4.5(6)"),
    Rule("lane_radius", _LANE, 0, "m", _HIGH, _SHALL, BUILDING, "7.1.8"),
    Rule("lane_through_street", _LANE, 150, "m", _MEDIUM, _SHALL, BUILDING, "7.1.1"),
    Rule("lane_through_total", _LANE, 220, "m", _MEDIUM, _SHALL, BUILDING, "7.1.1"),
    Rule("lane_court", _LANE, 24, "m", _LOW, _SHOULD, BUILDING, "7.1.4"),
    Rule("lane_along_one", _LANE, 1, "", _MEDIUM, _SHALL, GENERAL, "3.4.3"),
    Rule("lane_along_two", _LANE, 2, "", _MEDIUM, _SHALL, GENERAL, "3.4.3"),
    Rule("lane_along_area", _LANE, 3000, "m²", _MEDIUM, _SHALL, GENERAL, "3.4.3"),
    Rule("lane_along_share", _LANE, 90, "%"),
    Rule("lane_along_within", _LANE, 15, "m"),
    Rule("road_join", _LANE, 3.0, "m", Severity.MISSING),
    Rule("road_gate", _LANE, 10.0, "m", Severity.MISSING),
    Rule("lane_spacing", _LANE, 160, "m", _MEDIUM, _SHOULD, PLANNING, "4.4.2"),
    # Lanes at most 160 m apart put every wall within 80 m of one.
    Rule("engine_reach", _REACH, 80, "m", _HIGH),
    Rule("engine_margin", _REACH, 0.5, "m"),
    Rule("road_within", _REACH, 500, "m", _HIGH),
    _verified("separation_high_high", _APART, 13, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    _verified("separation_high_2", _APART, 9, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    _verified("separation_high_3", _APART, 11, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    _verified("separation_high_4", _APART, 14, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    Rule("separation_2_2", _APART, 6, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    Rule("separation_2_3", _APART, 7, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    Rule("separation_2_4", _APART, 9, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    Rule("separation_3_3", _APART, 8, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    Rule("separation_3_4", _APART, 10, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    Rule("separation_4_4", _APART, 12, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2"),
    _verified(
        "separation_adjoining", _APART, 0.1, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2 注2、注3"
    ),
    _verified("separation_openings_share", _APART, 25, "%", _MEDIUM, _SHALL, BUILDING, "5.2.2 注1"),
    _verified(
        "separation_protected", _APART, 3.5, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2 注4、注5"
    ),
    _verified(
        "separation_protected_high", _APART, 4.0, "m", _MEDIUM, _SHALL, BUILDING, "5.2.2 注4、注5"
    ),
    _verified("separation_group", _APART, 4.0, "m", _MEDIUM, _SHOULD, BUILDING, "5.2.4"),
    _verified("separation_group_area", _APART, 2500, "m²", _MEDIUM, _SHALL, BUILDING, "5.2.4"),
    _verified(
        "separation_no_reduction",
        _APART,
        100,
        "m",
        _MEDIUM,
        _SHALL,
        BUILDING,
        "5.2.6",
        "GB 55037-2022 3.3.1",
    ),
    _verified("ladder_area", _LADDER, 15, "m", _HIGH, _SHALL, BUILDING, "7.2.2", _AREAS),
    _verified("ladder_area_tall", _LADDER, 20, "m", _HIGH, _SHALL, BUILDING, "7.2.2", _AREAS),
    _verified("ladder_tall", _LADDER, 50, "m", _MEDIUM, _SHALL, BUILDING, "7.2.1", _AREAS),
    _verified("ladder_width", _LADDER, 10, "m", _MEDIUM, _SHALL, BUILDING, "7.2.2"),
    _verified("ladder_near", _LADDER, 5, "m", _MEDIUM, _SHOULD, BUILDING, "7.2.2"),
    _verified("ladder_far", _LADDER, 10, "m", _MEDIUM, _SHALL, BUILDING, "7.2.2"),
    _verified("ladder_gap", _LADDER, 30, "m", _MEDIUM, _SHOULD, BUILDING, "7.2.1"),
    _verified("ladder_podium", _LADDER, 4, "m", _HIGH, _SHALL, BUILDING, "7.2.1", _AREAS),
    _verified(
        "ladder_lane", _LADDER, 0, "", _HIGH, _SHALL, BUILDING, "7.2.2", "GB 55037-2022 3.4.7"
    ),
    Rule("ladder_lane_within", _LADDER, 15, "m"),
    _verified("ladder_slope", _LADDER, 3, "%", _LOW, _SHOULD, BUILDING, "7.2.2"),
    _verified("response_time", _RESPONSE, 300, "s", _HIGH, _SHALL, PLANNING, "4.1.3"),
    Rule("response_turnout", _RESPONSE, 60, "s"),
    _verified("station_area_first", _RESPONSE, 7, "km²", _LOW, _SHOULD, STATIONS, "14"),
    _verified("station_area_second", _RESPONSE, 4, "km²", _LOW, _SHOULD, STATIONS, "14"),
    _verified("station_area_small", _RESPONSE, 2, "km²", _LOW, _SHOULD, STATIONS, "14"),
    Rule("micro_time", _MICRO, 180, "s", _LOW, _SHOULD, MICRO_STATIONS, "1"),
    Rule("micro_people", _MICRO, 6, "", _LOW, _SHALL, MICRO_STATIONS, "2"),
    Rule("micro_turnout", _MICRO, 60, "s"),
)

HIGH_RISE_M = {"residential": 27.0, "other": 24.0}
"""Height above which a building is a high-rise (GB 50016-2014, 2.1.1); apartments and dormitories
follow the rules of public buildings (5.1.1, note 2)."""

CACHE_VERSION = "7"
"""Version of the checks; a new one makes all stored findings stale after an update."""

HEAVY_ENGINE_T = 12.0
"""Weight from which a fire engine counts as heavy."""

TOLERANCE_M = 0.01
"""A shortfall below this is no finding: walls are not surveyed better, degrees are rounded."""

STOREY_M = {"residential": 3.0, "other": 3.9}
"""Estimated height of a storey where a building's height is not on record."""


@dataclass(frozen=True)
class Rules:
    """The rules in force."""

    by_id: Mapping[str, Rule]

    def __getitem__(self, name: str) -> Rule:
        return self.by_id[name]

    def figure(self, name: str) -> float:
        """Return the figure of a rule."""
        return self.by_id[name].figure

    @property
    def stamp(self) -> str:
        """Version of the checks, overridden figures, and settings of engine and micro-stations.

        Findings with another stamp are stale.
        """
        changed = sorted(rule.id for rule in self.by_id.values() if rule.overridden)
        figures = (f"{name}={self.figure(name):g}" for name in changed)
        return ",".join([CACHE_VERSION, *figures, *_changed_settings()])


def _changed_settings() -> list[str]:
    """Return the settings of engine and micro-stations that differ from their default."""
    current = settings().model_dump(mode="json")
    default = Settings.model_construct().model_dump(mode="json")
    return [
        f"{name}={json.dumps(value, sort_keys=True)}"
        for name, value in current.items()
        if name.startswith(("engine_", "micro_station_")) and value != default[name]
    ]


def rules_in_force(figures: Mapping[str, Any] | None = None) -> Rules:
    """Return the rules with the overridden figures, those of the settings by default.

    Parameters
    ----------
    figures
        A number, or a text of a number and the rule's unit, by id of the rule.

    Raises
    ------
    InputError
        If there is no such rule, or a figure is no number, of another unit or negative.
    """
    by_id = {rule.id: rule for rule in DEFAULT_RULES}
    for name, value in (settings().fire_figures if figures is None else figures).items():
        if name not in by_id:
            known = ", ".join(by_id)
            raise InputError("no_such_rule", rule=name, rules=known, setting=FIGURES_SETTING)
        figure = parse_figure(name, value, by_id[name].unit, FIGURES_SETTING)
        by_id[name] = replace(by_id[name], figure=figure, overridden=True)
    return Rules(by_id)
