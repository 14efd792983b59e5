"""Columns that follow from others: codes, levels and parents of divisions, and of the register."""

import pyarrow as pa

from etl.checks.register_values import complete_register_batch
from etl.input.feature_batch import Batch
from etl.input.layer_columns import (
    REGISTER,
)
from geo.codes import DIGITS, code_prefix, parent_code
from geo.model.region import Level

_SHORT_DIGITS = (6, 9)
"""Digits of the codes of districts and streets as their own standards write them."""


def add_derived_columns(batch: Batch, layer: str) -> Batch:
    """Return a batch with the columns that follow from others.

    A division's level and parent follow from its code, if the file does not say them.
    """
    if layer == "building_unit" and "building_code" not in batch.columns:
        return batch.with_columns(building_code=pa.nulls(len(batch), pa.string()))
    if layer in (REGISTER, "dwelling", "entity", "building_fire"):
        return complete_register_batch(batch, layer)
    if layer != "region" or "code" not in batch.columns:
        return batch
    codes, levels = batch.columns["code"].to_pylist(), [None] * len(batch)
    if "level" in batch.columns:
        levels = batch.columns["level"].to_pylist()
    codes = [complete_division_code(*pair) for pair in zip(codes, levels, strict=True)]
    columns = {"code": codes}
    if "level" not in batch.columns:
        columns["level"] = [division_level(code) if code else None for code in codes]
    if "parent_code" in batch.columns:
        parents = batch.columns["parent_code"].cast(pa.string()).to_pylist()
        columns["parent_code"] = [complete_division_code(code, None) for code in parents]
    else:
        columns["parent_code"] = [
            parent_code(code) if code and len(code) == 12 else None for code in codes
        ]
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return batch.with_columns(**texts)


def complete_division_code(code: str | None, level: str | None) -> str | None:
    """Return a code of 6 or 9 digits with all 12, if its level is known to be that of its digits.

    Parameters
    ----------
    level
        Level of the division; None if only its code says it.
    """
    if code is None or len(code) not in _SHORT_DIGITS or not (code.isascii() and code.isdecimal()):
        return code
    full = code.ljust(DIGITS[Level.COMMUNITY], "0")
    return full if level in (None, division_level(full)) else code


def division_level(code: str) -> str | None:
    """Return the level of a division by its code, None if it is not one of a division."""
    levels = {digits: str(level) for level, digits in DIGITS.items()}
    return levels.get(len(code_prefix(code)))
