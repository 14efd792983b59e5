"""The record of one finding: a feature that breaks a fire rule, and by how much."""

from dataclasses import dataclass, field
from typing import Any

import shapely

from geo.fire.rules import Severity


@dataclass(frozen=True)
class Finding:
    """A feature that breaks a rule, or that can't be judged because data is missing.

    Attributes
    ----------
    rule
        Id of the rule.
    layer, feature
        Layer and code of the feature.
    geometry
        Where the rule is broken, in the city's metric system.
    measured, required
        In the rule's unit; None where there is nothing to measure.
    other
        Code of the other building, for rules about pairs.
    detail
        Values of its text: ``kind`` chooses the text where a rule has several, ``proof`` names the
        evidence that would settle it.
    """

    rule: str
    severity: Severity
    layer: str
    feature: str
    geometry: shapely.Geometry
    measured: float | None = None
    required: float | None = None
    other: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def shortfall(self) -> float | None:
        """By how much the rule is broken; None where that can't be judged."""
        if self.severity is Severity.MISSING or self.measured is None or self.required is None:
            return None
        return abs(self.measured - self.required)
