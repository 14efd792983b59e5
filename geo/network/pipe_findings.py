"""A place where a pipe comes too close to something, and its text."""

from dataclasses import dataclass

import shapely

from geo.messages import Language, text
from geo.standards import Source


@dataclass(frozen=True)
class PipeFinding:
    """A place where a pipe keeps less distance than it must, or lacks the data to judge.

    Attributes
    ----------
    kind
        ``crossing``, ``parallel``, ``cover``, ``building`` or ``under_building``.
    severity
        ``high``, ``medium`` or ``missing``.
    networks
        The pipe's network, and the other one where there is one.
    codes
        Code of the pipe, and of the other pipe or the building.
    place
        Metric.
    measured
        Metres between the outsides, of cover, or of the pipe under a building; None if unknown.
    required
        Metres.
    reason
        What is not on record: ``no_depth`` or ``no_laying``; empty if nothing is missing.
    zone
        Of cover: ``carriageway``, ``roadside`` or ``elsewhere``.
    """

    kind: str
    severity: str
    networks: tuple[str, ...]
    codes: tuple[str, ...]
    place: shapely.Geometry
    measured: float | None
    required: float
    source: Source
    reason: str = ""
    zone: str = ""

    @property
    def shortfall(self) -> float | None:
        """Metres that are missing; None where that is not known."""
        if self.measured is None or self.kind == "under_building":
            return None
        return self.required - self.measured

    def describe(self, lang: Language) -> str:
        """Return the finding in words."""
        names = [text(f"network.{network}", lang=lang) for network in self.networks]
        fields = {
            "one": names[0],
            "other": names[1] if len(names) > 1 else self.codes[-1],
            "code": self.codes[0],
            "measured": "?" if self.measured is None else f"{self.measured:.2f}",
            "required": f"{self.required:g}",
            "zone": text(f"clearance.zone_{self.zone}", lang=lang) if self.zone else "",
        }
        key = f"{self.kind}_{self.reason}" if self.reason else self.kind
        return text(f"clearance.{key}", lang=lang, **fields)
