"""Options of a drawing as people write them (command line, constraints file, request), validated.

Everything is optional and has a default. For several communities each may have a section of its
own.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from geo.errors import InputError
from geo.messages import text
from geo.model.facility import Category
from geo.partition.constraints import Area, Constraints
from geo.partition.scoring.objective import Balance, Limits, Weights
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
    walk: Weight | None = None
    station: Weight | None = None


class DrawOptions(BaseModel):
    """Constraints as they are written in a file.

    Their meaning is in :class:`geo.partition.constraints.Constraints`. ``areas`` are names of files
    with polygons, ``seconds`` is the time for the search of one community and ``prove`` that for
    the bound.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    balance: Balance | None = None
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
        """Return other options overridden by these: single values replace, lists are combined."""
        above, base = self.model_dump(exclude_none=True), other.model_dump(exclude_none=True)
        merged = base | {key: value for key, value in above.items() if value != ()}
        for key in ("together", "apart", "lock", "dedicated", "areas"):
            merged[key] = tuple(dict.fromkeys((*base[key], *above[key])))
        merged["weights"] = base["weights"] | above["weights"]
        return DrawOptions(**merged)

    def to_constraints(self, areas: tuple[Area, ...] = ()) -> Constraints:
        """Return the options as constraints.

        Parameters
        ----------
        areas
            The polygons of the files in ``areas``.

        Raises
        ------
        InputError
            If one option contradicts another.
        """
        values = self.model_dump(exclude_none=True)
        limits = Limits(
            **(asdict(Limits()) | _select_values(values, "balance", "target", "lower", "upper"))
        )
        need_plan = [name for name in ("lock", "only_touched", "complete") if values.get(name)]
        if self.fresh and need_plan:
            raise InputError("fresh_excludes", constraint=need_plan[0].replace("_", "-"))
        return Constraints(
            limits=limits,
            weights=Weights(**(asdict(Weights()) | values["weights"])),
            effort=Effort(**_select_values(values, "seconds")),
            together=self.together,
            apart=self.apart,
            locked=self.lock,
            dedicated=tuple(category.value for category in self.dedicated),
            areas=areas,
            **_select_values(
                values, "seed", "prove", "whole_compounds", "fresh", "only_touched", "complete"
            ),
        )


class CommunityDrawOptions(DrawOptions):
    """Constraints for every community, and those of single ones by code."""

    community: dict[CommunityCode, DrawOptions] = {}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], source: str) -> Self:
        """Validate a document.

        Parameters
        ----------
        document
            Tables as in TOML or JSON.
        source
            Name of its file or origin, for the error.

        Raises
        ------
        InputError
            If it names something unknown, or a value is not valid.
        """
        try:
            return cls.model_validate_json(json.dumps(document, default=str), strict=True)
        except ValidationError as error:
            _raise_first_error(error, source)

    def everywhere(self) -> DrawOptions:
        """Return the options for all communities."""
        return DrawOptions(**self.model_dump(exclude={"community"}))


def _select_values(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _raise_first_error(error: ValidationError, source: str) -> NoReturn:
    """Raise the first error of a document, with its place."""
    first = error.errors()[0]
    path = [part for part in first["loc"] if part != "[key]"]
    place = ".".join(str(part) for part in path)
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    if first["type"] == "extra_forbidden":
        known = WeightOptions if path[-2:-1] == ["weights"] else DrawOptions
        named = ", ".join(known.model_fields)
        raise InputError(
            "constraints_unknown_name", source=source, place=place, known=named
        ) from None
    if path[:1] == ["community"] and len(path) == 2:
        name = "community"
    if path[-2:-1] == ["weights"]:
        name = "weight"
    known_categories = ", ".join(Category)
    wanted = text(f"wanted.{name}", categories=known_categories)
    given = json.dumps(first["input"], ensure_ascii=False, default=str)
    raise InputError(
        "constraints_wrong_value", source=source, place=place, wanted=wanted, given=given
    ) from None
