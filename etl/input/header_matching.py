"""Match the headers of a file with our columns: guess a mapping, say what is missing or unused."""

import re
from collections.abc import Sequence
from pathlib import Path

from etl.input import synonyms
from etl.input.layer_columns import (
    BUILDING_PARTS,
    INFERRED_COLUMNS,
    REGISTER,
    required_columns,
)
from etl.input.mapping import IMPLIED_VALUES, LAYER_ALIASES, ColumnRule, Mapping, mappable_columns
from etl.input.pipe_columns import (
    find_depth_of,
)
from etl.input.source import Source
from etl.input.units import (
    split_header,
    unit_factor,
)
from geo.errors import InputError

DERIVED_COLUMNS = ("level", "parent_code")
"""Columns that follow from the code of a division."""

_BUILDING_LINKS = {"building_code", "unit_code", "address"}
"""Columns of which one says in which building a feature is."""

_CODE_SOURCES = {
    "dwelling": {"code", "room", "address"},
    "entity": {"code", "credit_code"},
}
"""Columns from one of which the code of a feature follows."""

_GENERIC = ("编码", "编号", "代码", "名称", "类型", "类别", "地址", "状态", "id", "bm", "bh", "mc")
"""Names of columns that say less than another one of the same layer, such as 楼栋编码."""

_MIN_PREFIX_LENGTH = 2
"""Characters of a header from which on it may be the beginning of a known name."""

_NUMBERED = re.compile(r"_\d{1,2}$")
"""Number of a header that a shapefile cut to the same name as another."""


def guess_mapping(layer: str, fields: Sequence[str], source: str) -> Mapping:
    """Return the mapping that the column names of a file suggest.

    A header may have a unit of its column in brackets: ``高度（cm）``. A header without brackets
    takes precedence, and so does 楼栋编码 before 编码.
    """
    headers = [(name, *split_header(name)) for name in fields]
    plain = {
        synonyms.normalize_name(name): name
        for name, stem, unit in reversed(headers)
        # not where the unit is a sign, such as ‰, which the normalized name lacks
        if not unit or synonyms.normalize_name(name) != synonyms.normalize_name(stem)
    }
    columns: dict[str, ColumnRule] = {}
    taken: set[str] = set()
    for column, words in mappable_columns(LAYER_ALIASES.get(layer, layer)).items():
        names = (synonyms.normalize_name(column), *sorted(words.split(), key=_GENERIC.__contains__))
        field = next((plain[name] for name in names if name in plain), None)
        unit = None
        if field is None:
            with_unit = (
                (name, unit)
                for synonym in names
                for name, stem, unit in headers
                if synonyms.normalize_name(stem) == synonym and unit_factor(column, unit)
            )
            field, unit = next(with_unit, (None, None))
        if field is not None and field not in taken:
            columns[column] = ColumnRule.model_validate({"from": field, "unit": unit})
            taken.add(field)
    sources = {column: rule.source for column, rule in columns.items() if rule.source}
    if depth_of := find_depth_of(sources):
        columns.setdefault("depth_of", ColumnRule(default=depth_of))
    return Mapping(layer=layer, source=source, columns=columns)


def unused_columns(mapping: Mapping, fields: Sequence[str]) -> dict[str, str | None]:
    """Return the columns of a file that a mapping does not use.

    Returns
    -------
    dict
        The column of ours that each resembles, None if it resembles none that is still empty.
    """
    used = {rule.source for rule in mapping.columns.values()} | {*mapping.key}
    known = mappable_columns(mapping.table)
    empty = {column: known[column] for column in known if column not in mapping.columns}
    return {name: _similar_column(name, empty) for name in fields if name not in used}


def _similar_column(header: str, columns: dict[str, str]) -> str | None:
    """Return the first column with a name of which a header is the beginning, or nearly all.

    A header may have been cut off, numbered because it was cut to one that was there already
    (所属_1), or given a unit or another word (实有户数).
    """
    plain = _NUMBERED.sub("", split_header(header)[0])
    stem = synonyms.normalize_name(plain)
    for column, words in columns.items():
        for name in (synonyms.normalize_name(column), *words.split()):
            is_beginning = len(stem) >= _MIN_PREFIX_LENGTH and name.startswith(stem)
            is_longer = len(name) >= _MIN_PREFIX_LENGTH and (
                (stem.startswith(name) and 2 * len(name) > len(stem))
                or (stem.endswith(name) and 2 * len(name) >= len(stem))
            )
            if stem == name or is_beginning or is_longer:
                return column
    return None


def refuse_missing_columns(mapping: Mapping, fields: Sequence[str], path: Path, layer: str) -> None:
    """Refuse a file that lacks a column which its mapping names.

    Raises
    ------
    InputError
        With the first such column.
    """
    required = [rule.source for rule in mapping.columns.values() if rule.source]
    for name in (*required, *mapping.key):
        if name not in fields:
            raise InputError(
                "mapped_column_missing",
                file=path,
                layer=layer,
                column=name,
                columns=", ".join(fields) or "-",
            )


def refuse_unfilled_columns(mapping: Mapping, source: Source, path: Path) -> None:
    """Refuse a layer without a column for its codes, or for another value that every row needs.

    Raises
    ------
    InputError
        With the columns of the file, each with the column of ours that it resembles.
    """
    filled = {*mapping.columns, *mapping.constants, *IMPLIED_VALUES.get(mapping.layer, {})}
    if mapping.key:
        filled.add("code")
    if mapping.table == REGISTER:
        is_joined = source.has_place or filled & {"code", "unit_code", "address"}
        key, missing = "no_register_column", [] if is_joined else ["code"]
    elif mapping.table in _CODE_SOURCES and not filled & _CODE_SOURCES[mapping.table]:
        key, missing = "no_code_column", ["code"]
    elif mapping.table in BUILDING_PARTS and not (source.has_place or filled & _BUILDING_LINKS):
        key, missing = "no_register_column", ["code"]
    else:
        inferred = {"geom", *INFERRED_COLUMNS.get(mapping.table, ()), *DERIVED_COLUMNS}
        required = [column.name for column in required_columns(mapping.table)]
        missing = [name for name in required if name not in filled | inferred]
        key = "no_code_column" if "code" in missing else "no_required_column"
    if missing:
        raise InputError(
            key,
            file=path,
            layer=source.layer,
            missing=", ".join(missing),
            columns=", ".join(_describe_columns(mapping, source.fields)) or "-",
        )


def _describe_columns(mapping: Mapping, fields: Sequence[str]) -> list[str]:
    """Return the columns of a file, each with the column of ours that it resembles."""
    similar = unused_columns(mapping, fields)
    return [f"{name} (≈ {similar[name]})" if similar.get(name) else name for name in fields]
