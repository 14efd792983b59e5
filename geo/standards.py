"""Figures of rules: the clause that each comes from, and figures that a city sets instead."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from geo.errors import InputError


class Force(StrEnum):
    """How binding a rule is: ``shall`` (应) and ``should`` (宜) of a standard, or ``own``."""

    SHALL = "shall"
    SHOULD = "should"
    OWN = "own"


@dataclass(frozen=True)
class Source:
    """The clause that a figure comes from.

    Attributes
    ----------
    superseded_by
        The mandatory clause that now stands before this one; empty if there is none.
    verified
        Whether the figures were compared with a quotation of the clause.
    """

    standard: str = ""
    clause: str = ""
    force: Force = Force.OWN
    superseded_by: str = ""
    verified: bool = False


def parse_figure(name: str, value: Any, unit: str, setting: str) -> float:
    """Return the figure that a city sets for a rule.

    Parameters
    ----------
    value
        A number, or a text of a number and the unit.
    unit
        The rule's unit.
    setting
        Environment variable that holds the figure, for messages.

    Raises
    ------
    InputError
        If the value is not a number, has another unit, or is negative.
    """
    fields = {"rule": name, "figure": value, "unit": unit, "setting": setting}
    match = re.fullmatch(r"\s*([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)\s*(\S*)\s*", str(value))
    if match is None or isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError("rule_figure_no_number", **fields)
    if match[2] not in {"", unit}:
        raise InputError("rule_figure_unit", **fields)
    if float(match[1]) < 0:
        raise InputError("rule_figure_negative", **fields)
    return float(match[1])
