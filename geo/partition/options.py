"""Options of a drawing as people write them (command line, constraints file, request), validated.

Everything is optional; what is left out is what the programme asks for. Asked of several
communities, each may have a section of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from geo.errors import InputError
from geo.messages import text
from geo.model.facility import Category
from geo.partition.constraints import Area, Constraints
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.search.strategy import Effort

Code = Annotated[str, StringConstraints(min_length=1)]
CommunityCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
Households = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Weight = Annotated[float, Field(ge=0, le=1e9)]


class WeightOptions(BaseModel):
    """Weights other than the defaults (:class:`geo.partition.scoring.objective.Weights`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Weight | None = None
    balance: Weight | None = None
    border: Weight | None = None
    compactness: Weight | None = None
    compound: Weight | None = None
    moved: Weight | None = None


class DrawOptions(BaseModel):
    """Wishes as they are written; see :class:`geo.partition.constraints.Constraints` for what they
    mean.

    ``areas`` are names of files with polygons, ``seconds`` is the time for the search of one
    community and ``prove`` that for the bound.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Households | None = None
    lower: Households | None = None
    upper: Households | None = None
    seed: Annotated[int, Field(ge=0, le=2**31)] | None = None
    seconds: Seconds | None = None
    prove: Seconds | None = None
    weights: WeightOptions = WeightOptions()
    together: tuple[Annotated[tuple[Code, ...], Field(min_length=2)], ...] = ()
    apart: tuple[tuple[Code, Code], ...] = ()
    lock: tuple[Code, ...] = ()
    dedicated: tuple[Category, ...] = ()
    areas: tuple[Code, ...] = ()
    whole_compounds: bool | None = None
    fresh: bool | None = None
    only_touched: bool | None = None
    complete: bool | None = None

    def over(self, other: "DrawOptions") -> "DrawOptions":
        """Return the other's constraints with these on top: single values replace, lists add up."""
        own, base = self.model_dump(exclude_none=True), other.model_dump(exclude_none=True)
        merged = base | {key: value for key, value in own.items() if value != ()}
        for key in ("together", "apart", "lock", "dedicated", "areas"):
            merged[key] = tuple(dict.fromkeys((*base[key], *own[key])))
        merged["weights"] = base["weights"] | own["weights"]
        return DrawOptions(**merged)

    def to_constraints(self, areas: tuple[Area, ...] = ()) -> Constraints:
        """Return what is wished for.

        Parameters
        ----------
        areas
            The polygons of the files.

        Raises
        ------
        InputError
            If one wish contradicts another.
        """
        given = self.model_dump(exclude_none=True)
        limits = Limits(**(asdict(Limits()) | _some(given, "target", "lower", "upper")))
        if not limits.lower <= limits.target <= limits.upper:
            raise InputError("limits_disordered", **asdict(limits))
        goes_on = [name for name in ("lock", "only_touched", "complete") if given.get(name)]
        if self.fresh and goes_on:
            raise InputError("fresh_excludes", wish=goes_on[0].replace("_", "-"))
        return Constraints(
            limits=limits,
            weights=Weights(**(asdict(Weights()) | given["weights"])),
            effort=Effort(**_some(given, "seconds")),
            together=self.together,
            apart=self.apart,
            locked=self.lock,
            dedicated=tuple(category.value for category in self.dedicated),
            areas=areas,
            **_some(given, "seed", "prove", "whole_compounds", "fresh", "only_touched", "complete"),
        )


class CommunityDrawOptions(DrawOptions):
    """Wishes for every community, and those of single ones by code."""

    community: dict[CommunityCode, DrawOptions] = {}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], source: str) -> Self:
        """Return a document, checked.

        Parameters
        ----------
        document
            Tables as TOML or JSON has them.
        source
            Where it comes from, for the error.

        Raises
        ------
        InputError
            If it names something unknown, or a value is not what is wanted there.
        """
        try:
            return cls.model_validate_json(json.dumps(document, default=str), strict=True)
        except ValidationError as error:
            raise _first_error(error, source) from None

    def everywhere(self) -> DrawOptions:
        """Return what is asked of every community."""
        return DrawOptions(**self.model_dump(exclude={"community"}))


def _some(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _first_error(error: ValidationError, source: str) -> InputError:
    """Return the first thing that is wrong with a document, told by its place."""
    first = error.errors()[0]
    path = [part for part in first["loc"] if part != "[key]"]
    place = ".".join(str(part) for part in path)
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    if first["type"] == "extra_forbidden":
        known = WeightOptions if path[-2:-1] == ["weights"] else DrawOptions
        named = ", ".join(known.model_fields)
        return InputError("wishes_unknown_name", source=source, place=place, known=named)
    if path[:1] == ["community"] and len(path) == 2:
        name = "community"
    if path[-2:-1] == ["weights"]:
        name = "weight"
    known_categories = ", ".join(Category)
    wanted = text(f"wanted.{name}", categories=known_categories)
    given = json.dumps(first["input"], ensure_ascii=False, default=str)
    return InputError("wishes_wrong_value", source=source, place=place, wanted=wanted, given=given)
