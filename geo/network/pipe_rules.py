"""Figures for buried pipes: what they keep from each other, from buildings, and from the surface.

How far each clause was verified is in ``docs/decisions/clauses-of-the-fire-rules.md``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from geo.messages import Language, text
from geo.model.pipe import Laying, Network, PressureClass
from geo.standards import Force, Source
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

DRAINS = (Network.SEWAGE, Network.STORM, Network.COMBINED)


@dataclass(frozen=True)
class Clearance:
    """What a network keeps from another one, metres.

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
"""What a gas pipe keeps from a building by the steps of its pressure: from the foundation, from
sub-high pressure on from the outer wall (table 6.3.3-1)."""

BUILDING_SOURCE = _GAS_TABLE
"""A gas pipe must not pass under a building either (6.3.3)."""

COVERS: tuple[Cover, ...] = (
    Cover(_GAS, 0.9, 0.6, 0.3, _GAS_COVER),
    Cover(Network.WATER, 0.7, 0.6, np.nan, _PLANNING_COVER),
    *(Cover(drain, 0.7, 0.6, np.nan, _PLANNING_COVER) for drain in DRAINS),
    Cover(Network.POWER, 1.0, 0.7, np.nan, _PLANNING_COVER, IN_EARTH),
    Cover(Network.POWER, 0.5, 0.5, np.nan, _PLANNING_COVER, IN_DUCTS - {Laying.TRENCH}),
    Cover(Network.TELECOM, 0.9, 0.6, np.nan, _PLANNING_COVER, ANY_LAYING - {Laying.TRENCH}),
    Cover(Network.HEAT, 1.0, 0.7, np.nan, _PLANNING_COVER, IN_EARTH),
)
"""Least cover. GB 50289-2016 has no figure away from streets, and none here for trenches."""


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
        (r, k) the figure of each row, NaN where it has none.

    Returns
    -------
    tuple
        (k,) least and largest figure, NaN where no row holds; (k,) row of the least.
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
    """Return every figure with its clause and text, for lists of the rules."""
    return [row | {"text": text(row["key"], lang=lang, **row["fields"])} for row in _rows(lang)]


def _rows(lang: Language) -> Iterator[dict[str, Any]]:
    for row in CLEARANCES:
        by_pressure = len(set(row.horizontal)) > 1
        key = "pipe_rule.beside_by_pressure" if by_pressure else "pipe_rule.beside"
        fields = _fields(row, lang) | {"figures": " / ".join(f"{f:g}" for f in row.horizontal)}
        yield _row(row.source, key, fields | {"figure": f"{row.horizontal[0]:g}"})
        yield _row(row.source, "pipe_rule.crossing", fields | {"figure": f"{row.vertical:g}"})
    figures = " / ".join(f"{figure:g}" for figure in BUILDING_CLEARANCE_M)
    yield _row(BUILDING_SOURCE, "pipe_rule.building", {"figures": figures})
    yield _row(BUILDING_SOURCE, "pipe_rule.under_building", {})
    for cover in COVERS:
        fields = {
            "one": text(f"network.{cover.network}", lang=lang),
            "laying": _laying_text(cover.laying, lang),
            "carriageway": f"{cover.carriageway:g}",
            "roadside": f"{cover.roadside:g}",
            "elsewhere": f"{cover.elsewhere:g}",
        }
        yield _row(
            cover.source,
            f"pipe_rule.cover{'' if np.isnan(cover.elsewhere) else '_everywhere'}",
            fields,
        )


def _row(source: Source, key: str, fields: dict[str, str]) -> dict[str, Any]:
    return asdict(source) | {"key": key, "fields": fields}


def _fields(row: Clearance, lang: Language) -> dict[str, str]:
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
