"""Figures for buried pipes: required distances from pipes and buildings, and required depth.

How far each clause was verified is in ``docs/decisions/clauses-of-the-fire-rules.md``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from geo.errors import InputError
from geo.messages import Language, text
from geo.model.pipe import Laying, Network, PressureClass
from geo.settings import settings
from geo.standards import Force, Source, parse_figure
from geo.types import Floats, Ints

STEP_OF_CLASS = {
    PressureClass.LOW: 0,
    **dict.fromkeys((PressureClass.MEDIUM, PressureClass.MEDIUM_B), 1),
    PressureClass.MEDIUM_A: 2,
    **dict.fromkeys((PressureClass.SUB_HIGH, PressureClass.SUB_HIGH_B), 3),
    PressureClass.SUB_HIGH_A: 4,
    **dict.fromkeys((PressureClass.HIGH, PressureClass.HIGH_B, PressureClass.HIGH_A), 4),
}
"""Step of each class of gas pipes; one without a grade counts as the lower grade."""

NOT_BURIED = frozenset(
    {
        *(Laying.OVERHEAD, Laying.SURFACE, Laying.RISER, Laying.TUNNEL, Laying.SHELTER),
        Laying.IN_MANHOLE,
    }
)
"""Laying methods for which no figure of this module holds."""

IN_EARTH = frozenset({Laying.DIRECT, Laying.TRENCHLESS, Laying.UNDER_WATER})
IN_DUCTS = frozenset({Laying.DUCT, Laying.DUCT_BANK, Laying.TRENCH, Laying.IN_DRAIN})
ANY_LAYING = frozenset(Laying) - NOT_BURIED
_NOT_TRENCH = ANY_LAYING - {Laying.TRENCH}
_DUCTS_WITHOUT_TRENCH = IN_DUCTS - {Laying.TRENCH}
_LAYING_SUFFIX = {
    ANY_LAYING: "",
    _NOT_TRENCH: "",
    IN_EARTH: "_in_earth",
    IN_DUCTS: "_in_ducts",
    _DUCTS_WITHOUT_TRENCH: "_in_ducts",
}

PRESSURE_STEPS = ("low", "medium_b", "medium_a", "sub_high_b", "sub_high_a")
FIGURES_SETTING = "GRIDATLAS_PIPE_FIGURES"

DRAINS = (Network.SEWAGE, Network.STORM, Network.COMBINED)


@dataclass(frozen=True)
class Clearance:
    """The required distances of a network from another one, metres.

    Attributes
    ----------
    horizontal
        Between pipes side by side, by the pressure of the first network: low, medium B, medium A,
        sub-high B, sub-high A.
    vertical
        Between pipes that cross.
    laying
        Laying methods of the other network for which the row holds.
    """

    first: Network
    other: Network
    horizontal: tuple[float, float, float, float, float]
    vertical: float
    source: Source
    laying: frozenset[Laying] = ANY_LAYING

    @property
    def stem(self) -> str:
        """Common beginning of the names of the row's figures."""
        return f"{self.first}_{self.other}{_LAYING_SUFFIX[self.laying]}"

    def figures(self) -> dict[str, float]:
        """Return the figures of the row by name, the horizontal ones by pressure first."""
        if len(set(self.horizontal)) == 1:
            beside = {f"{self.stem}_beside": self.horizontal[0]}
        else:
            names = (f"{self.stem}_beside_{step}" for step in PRESSURE_STEPS)
            beside = dict(zip(names, self.horizontal, strict=True))
        return beside | {f"{self.stem}_crossing": self.vertical}

    def with_figures(self, figures: Mapping[str, float]) -> "Clearance":
        """Return the row with some of its figures replaced."""
        *beside, vertical = (figures.get(name, figure) for name, figure in self.figures().items())
        horizontal = beside * len(PRESSURE_STEPS) if len(beside) == 1 else beside
        low, medium_b, medium_a, sub_high_b, sub_high_a = horizontal
        by_pressure = (low, medium_b, medium_a, sub_high_b, sub_high_a)
        return replace(self, horizontal=by_pressure, vertical=vertical)


@dataclass(frozen=True)
class Cover:
    """The least depth of a pipe's top, metres: under carriageways, beside them, and elsewhere.

    ``elsewhere`` is NaN where the standard names none.
    """

    network: Network
    carriageway: float
    roadside: float
    elsewhere: float
    source: Source
    laying: frozenset[Laying] = ANY_LAYING

    def figures(self) -> dict[str, float]:
        """Return the figures of the row by name."""
        stem = f"cover_{self.network}{_LAYING_SUFFIX[self.laying]}"
        figures = {f"{stem}_{zone}": float(getattr(self, zone)) for zone in ZONES}
        return {name: figure for name, figure in figures.items() if not np.isnan(figure)}

    def with_figures(self, figures: Mapping[str, float]) -> "Cover":
        """Return the row with some of its figures replaced."""
        zone_figures = [figures.get(name, figure) for name, figure in self.figures().items()]
        carriageway, roadside, elsewhere = [*zone_figures, np.nan][:3]
        return replace(self, carriageway=carriageway, roadside=roadside, elsewhere=elsewhere)


_GAS_TABLE = Source("GB 50028-2006", "6.3.3", Force.SHALL)
_GAS_CABLES = Source("GB 50028-2006", "6.3.3", Force.SHALL, verified=True)
_GAS_COVER = Source("GB 50028-2006", "6.3.4", Force.SHALL, verified=True)
_PLANNING = Source("GB 50289-2016", "4.1.9, 4.1.14", Force.SHALL)
_PLANNING_COVER = Source("GB 50289-2016", "4.1.5", Force.SHALL)

_GAS = Network.GAS

CLEARANCES: tuple[Clearance, ...] = (
    Clearance(_GAS, Network.WATER, (0.5, 0.5, 0.5, 1.0, 1.5), 0.15, _GAS_TABLE),
    *(Clearance(_GAS, drain, (1.0, 1.2, 1.2, 1.5, 2.0), 0.15, _GAS_TABLE) for drain in DRAINS),
    *(
        row
        for cable in (Network.POWER, Network.TELECOM)
        for row in (
            Clearance(_GAS, cable, (0.5, 0.5, 0.5, 1.0, 1.5), 0.5, _GAS_CABLES, IN_EARTH),
            Clearance(_GAS, cable, (1.0, 1.0, 1.0, 1.0, 1.5), 0.15, _GAS_TABLE, IN_DUCTS),
        )
    ),
    Clearance(_GAS, Network.HEAT, (1.0, 1.0, 1.0, 1.5, 2.0), 0.15, _GAS_TABLE, IN_EARTH),
    Clearance(_GAS, Network.HEAT, (1.0, 1.5, 1.5, 2.0, 4.0), 0.15, _GAS_TABLE, IN_DUCTS),
    Clearance(Network.HEAT, Network.POWER, (2.0,) * 5, 0.5, _PLANNING),
)
"""Rows of tables 6.3.3-1 and 6.3.3-2 of GB 50028-2006, and of GB 50289-2016."""

BUILDING_CLEARANCE_M = (0.7, 1.0, 1.5, 5.0, 13.5)
"""Required distances of a gas pipe from a building by pressure step: from the foundation, and from
sub-high pressure on from the outer wall (table 6.3.3-1)."""

BUILDING_SOURCE = _GAS_TABLE
"""A gas pipe must not pass under a building either (6.3.3)."""

ZONES = ("carriageway", "roadside", "elsewhere")

COVERS: tuple[Cover, ...] = (
    Cover(_GAS, 0.9, 0.6, 0.3, _GAS_COVER),
    Cover(Network.WATER, 0.7, 0.6, np.nan, _PLANNING_COVER),
    *(Cover(drain, 0.7, 0.6, np.nan, _PLANNING_COVER) for drain in DRAINS),
    Cover(Network.POWER, 1.0, 0.7, np.nan, _PLANNING_COVER, IN_EARTH),
    Cover(Network.POWER, 0.5, 0.5, np.nan, _PLANNING_COVER, _DUCTS_WITHOUT_TRENCH),
    Cover(Network.TELECOM, 0.9, 0.6, np.nan, _PLANNING_COVER, _NOT_TRENCH),
    Cover(Network.HEAT, 1.0, 0.7, np.nan, _PLANNING_COVER, IN_EARTH),
)
"""Least cover. GB 50289-2016 has no figure away from streets, and none here for trenches."""


@dataclass(frozen=True)
class PipeRules:
    """The figures in force.

    Attributes
    ----------
    building
        Required distances of a gas pipe from a building by pressure step, metres.
    overridden
        Names of the figures that the city has set.
    """

    clearances: tuple[Clearance, ...] = CLEARANCES
    covers: tuple[Cover, ...] = COVERS
    building: tuple[float, ...] = BUILDING_CLEARANCE_M
    overridden: frozenset[str] = frozenset()

    def building_figures(self) -> dict[str, float]:
        """Return the distances from buildings by name."""
        names = (f"gas_building_{step}" for step in PRESSURE_STEPS)
        return dict(zip(names, self.building, strict=True))

    def figures(self) -> dict[str, float]:
        """Return all figures by name, metres."""
        figures = self.building_figures()
        for row in self.clearances:
            figures |= row.figures()
        for cover in self.covers:
            figures |= cover.figures()
        return figures


STANDARD_RULES = PipeRules()


def pipe_rules_in_force(figures: Mapping[str, Any] | None = None) -> PipeRules:
    """Return the figures of the standards, replaced where the city has set its own.

    Parameters
    ----------
    figures
        The city's figures by name: a number, or a text of a number and ``m``. By default those of
        the settings.

    Raises
    ------
    InputError
        If a name is unknown, or a figure is not a number, has another unit or is negative.
    """
    stated = settings().pipe_figures if figures is None else figures
    known = STANDARD_RULES.figures()
    for name in stated:
        if name not in known:
            listed = ", ".join(known)
            raise InputError("no_such_rule", rule=name, rules=listed, setting=FIGURES_SETTING)
    city_figures = {
        name: parse_figure(name, value, "m", FIGURES_SETTING) for name, value in stated.items()
    }
    building = STANDARD_RULES.building_figures()
    return PipeRules(
        tuple(row.with_figures(city_figures) for row in CLEARANCES),
        tuple(row.with_figures(city_figures) for row in COVERS),
        tuple(city_figures.get(name, figure) for name, figure in building.items()),
        frozenset(city_figures),
    )


def figures_by_laying(
    rows: Sequence[Clearance | Cover], laying: Sequence[str], figures: Floats
) -> tuple[Floats, Floats, Ints]:
    """Return the least and the largest figure that may hold, and the row of the least.

    Parameters
    ----------
    rows
        (r,) rows of a table.
    laying
        (k,) laying methods, empty where unknown: then each row may hold.
    figures
        (r, k) float64 the figure of each row, NaN where it has none.

    Returns
    -------
    tuple
        (k,) float64 least and largest figure, NaN where no row holds; (k,) int64 row of the least.
    """
    holds = np.array([np.isin(laying, ["", *(method.value for method in r.laying)]) for r in rows])
    holds = holds & ~np.isnan(figures)
    lower = np.where(holds, figures, np.inf)
    upper = np.where(holds, figures, -np.inf)
    is_ruled = holds.any(axis=0)
    chosen: Ints = lower.argmin(axis=0)
    least = np.where(is_ruled, lower.min(axis=0), np.nan)
    return least, np.where(is_ruled, upper.max(axis=0), np.nan), chosen


def describe_rules(lang: Language) -> list[dict[str, Any]]:
    """Return every figure with its clause and text, for lists of the rules in force.

    Raises
    ------
    InputError
        If a figure of the settings is wrong.
    """
    rules = pipe_rules_in_force()
    return [
        row
        | {
            "text": text(row["key"], lang=lang, **row["fields"]),
            "overridden": bool(rules.overridden & row["figures"].keys()),
        }
        for row in _figure_rows(lang, rules)
    ]


def _figure_rows(lang: Language, rules: PipeRules) -> Iterator[dict[str, Any]]:
    """Yield each figure with its clause and the fields of its text."""
    for row in rules.clearances:
        by_pressure = len(set(row.horizontal)) > 1
        key = "pipe_rule.beside_by_pressure" if by_pressure else "pipe_rule.beside"
        fields = _text_fields(row, lang) | {"figures": " / ".join(f"{f:g}" for f in row.horizontal)}
        beside = row.figures()
        vertical = {f"{row.stem}_crossing": beside.pop(f"{row.stem}_crossing")}
        yield _figure_row(row.source, key, fields | {"figure": f"{row.horizontal[0]:g}"}, beside)
        yield _figure_row(
            row.source, "pipe_rule.crossing", fields | {"figure": f"{row.vertical:g}"}, vertical
        )
    distances = " / ".join(f"{figure:g}" for figure in rules.building)
    yield _figure_row(
        BUILDING_SOURCE, "pipe_rule.building", {"figures": distances}, rules.building_figures()
    )
    yield _figure_row(BUILDING_SOURCE, "pipe_rule.under_building", {}, {})
    for cover in rules.covers:
        fields = {
            "one": text(f"network.{cover.network}", lang=lang),
            "laying": _laying_text(cover.laying, lang),
            "carriageway": f"{cover.carriageway:g}",
            "roadside": f"{cover.roadside:g}",
            "elsewhere": f"{cover.elsewhere:g}",
        }
        yield _figure_row(
            cover.source,
            f"pipe_rule.cover{'' if np.isnan(cover.elsewhere) else '_everywhere'}",
            fields,
            cover.figures(),
        )


def _figure_row(
    source: Source, key: str, fields: dict[str, str], figures: dict[str, float]
) -> dict[str, Any]:
    return asdict(source) | {"key": key, "fields": fields, "figures": figures}


def _text_fields(row: Clearance, lang: Language) -> dict[str, str]:
    return {
        "one": text(f"network.{row.first}", lang=lang),
        "other": text(f"network.{row.other}", lang=lang),
        "laying": _laying_text(row.laying, lang),
    }


def _laying_text(laying: frozenset[Laying], lang: Language) -> str:
    """Return the laying methods of a row in brackets, empty where it holds for any."""
    if laying == ANY_LAYING:
        return ""
    names = [text(f"laying.{method}", lang=lang) for method in Laying if method in laying]
    return text("pipe_rule.laying", lang=lang, methods=", ".join(names))
