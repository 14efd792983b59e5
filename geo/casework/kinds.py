"""The kinds of cases of a city, from ``data/casework/kinds.toml`` or the file in the settings."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geo.errors import InputError, NotFoundError, SetupError
from geo.messages import Language, language
from geo.model.casework import CaseLevel, Flow
from geo.settings import settings

_GEO = Path(__file__).resolve().parents[1]
DEFAULT_FILE = next(
    place
    for place in (
        _GEO / "casework" / "kinds.toml",
        _GEO.parent / "data" / "casework" / "kinds.toml",
    )
    if place.is_file()
)
"""In an installed package beside this module, in a checkout under ``data``."""

MAX_DAYS = 250

Group = Literal["component", "event", "dispute", "property", "floating", "service"]
Visibility = Literal["public", "private"]


class Strict(BaseModel):
    """A part of a file that a city writes: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Name(Strict):
    """A text in both languages."""

    zh: str = Field(min_length=1, max_length=200)
    en: str = Field(min_length=1, max_length=200)

    def text(self, lang: Language | None = None) -> str:
        """Return the text in a language, by default the current one."""
        return self.zh if (lang or language()) == "zh" else self.en


class Kind(Name):
    """A kind of case."""

    key: str = Field(pattern="^[a-z][a-z0-9_]{1,39}$")
    group: Group
    days: int = Field(ge=1, le=MAX_DAYS)
    level: Literal["grid", "community", "street", "district"]
    visibility: Visibility
    department: str = Field(default="", max_length=40)
    class_code: str = Field(default="", pattern="^([0-9]{4}|[0-9]{6})?$")
    documents: tuple[Name, ...] = ()
    steps: tuple[Name, ...] = ()
    place: Name | None = None

    @property
    def flow(self) -> Flow:
        """The flow by which cases of this kind are handled."""
        return Flow.DISPUTE if self.group == "dispute" else Flow.SERVICE

    @property
    def first_level(self) -> CaseLevel:
        """The first responsible level."""
        return CaseLevel(self.level)


class Duty(Name):
    """A monthly duty of every grid manager, due by a day of the month."""

    key: str = Field(pattern="^[a-z][a-z0-9_]{1,39}$")
    day: int = Field(default=31, ge=1, le=31)


class Catalogue(Strict):
    """All kinds, departments and monthly duties of a city."""

    departments: dict[str, Name]
    kinds: tuple[Kind, ...] = Field(min_length=1)
    duties: tuple[Duty, ...] = ()

    def kind(self, key: str) -> Kind:
        """Return a kind.

        Raises
        ------
        NotFoundError
            If there is none of this key.
        """
        for kind in self.kinds:
            if kind.key == key:
                return kind
        raise NotFoundError("case_kind_unknown", kind=key[:40])

    def kind_name(self, key: str) -> str:
        """Return the name of a kind in the current language; its key if it is no longer listed."""
        return next((kind.text() for kind in self.kinds if kind.key == key), key)

    def department_name(self, key: str) -> str:
        """Return the name of a department in the current language, its key if it is not listed."""
        return self.departments[key].text() if key in self.departments else key


def load_kinds(file: Path) -> Catalogue:
    """Read and validate a file of kinds.

    Raises
    ------
    SetupError
        If it can't be read.
    InputError
        If it is not valid; the message names the kind and the field.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError("case_kinds_unreadable", file=file, said=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("case_kinds_invalid", file=file, where="TOML", said=error) from error
    try:
        catalogue = Catalogue.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = _place_of_fault(content, fault["loc"])
        raise InputError("case_kinds_invalid", file=file, where=where, said=fault["msg"]) from None
    _check_references(catalogue, file)
    return catalogue


def _place_of_fault(content: dict[str, object], location: tuple[int | str, ...]) -> str:
    """Return where a fault is, with the key of the kind instead of its index."""
    parts = [str(part) for part in location]
    match location, content.get("kinds"):
        case ("kinds", int(index), *_), [*kinds] if index < len(kinds):
            kind = kinds[index]
            if isinstance(kind, dict) and isinstance(kind.get("key"), str):
                parts[1] = kind["key"]
    return ".".join(parts)


def _check_references(catalogue: Catalogue, file: Path) -> None:
    """Refuse a key that occurs twice, and a department that is not listed."""
    keys: set[str] = set()
    for kind in catalogue.kinds:
        where = f"kinds.{kind.key}"
        if kind.key in keys:
            raise InputError("case_kind_twice", file=file, where=where)
        if kind.department and kind.department not in catalogue.departments:
            raise InputError(
                "case_department_unlisted", file=file, where=where, department=kind.department
            )
        keys.add(kind.key)


@cache
def _load_once(file: Path) -> Catalogue:
    return load_kinds(file)


def case_kinds() -> Catalogue:
    """Return the kinds of this installation, read once a process."""
    return _load_once(settings().case_kinds or DEFAULT_FILE)
