"""Standing of figures that come from standards."""

from dataclasses import dataclass
from enum import StrEnum


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
