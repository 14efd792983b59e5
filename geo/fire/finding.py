"""A finding: a feature that breaks a rule, by how much, and the geometry that shows it."""

from dataclasses import dataclass, field
from typing import Any

import shapely

from geo.fire.rules import Severity


@dataclass(frozen=True)
class Finding:
    """A feature that breaks a rule, or that the data can't judge.

    Attributes
    ----------
    rule
        Id of the rule.
    layer, feature
        What breaks it.
    other
        The other building of a pair.
    measured, required
        In the rule's unit; None where there is nothing to measure.
    shortfall
        By how much; None where there is nothing to measure.
    geometry
        What shows it, in metres.
    detail
        Fields of its text; ``kind`` chooses the text where a rule has several, ``proof`` names
        what would settle it.
    """

    rule: str
    severity: Severity
    layer: str
    feature: str
    geometry: shapely.Geometry
    measured: float | None = None
    required: float | None = None
    shortfall: float | None = None
    other: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Missing:
    """What the data lacks: a key of the catalogue's ``missing`` section, and how often."""

    key: str
    count: int
