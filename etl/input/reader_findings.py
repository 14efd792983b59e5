"""What a reader finds in a file beside its features: notes on the file, and faults of rows.

Both pass from the confined reader in its tables: faults in a column, notes in the metadata.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

FAULT_COLUMN = "gridatlas faults"
FILLED_DOWN = "cells_filled_down"
"""Key of a text repeated from a merged cell: no fault, and noted for rows that are features."""

TITLE_UNITS = "title_units"
"""Key of the units that a title above a table gives."""

_NOTES = b"gridatlas notes"
_MAX_LINES = 10

Notes = dict[str, dict[str, Any]]
"""Values of the messages about a file, by their key in the catalogue."""

RowFaults = NDArray[np.object_]
"""(n,) lists of :class:`RowFault`, None for a row without."""


@dataclass(frozen=True)
class RowFault:
    """A fault of a row: a key of the catalogue with its fields, and the column that it spoils.

    A column is named, or while a table is read given by its position. Without a column, the fault
    spoils the whole row.
    """

    key: str
    column: str | int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass
class Findings:
    """The notes and faults that a reader collects while it reads a file."""

    notes: Notes = field(default_factory=dict)
    faults: dict[int, list[RowFault]] = field(default_factory=dict)
    """Faults by the number of the line in the file."""

    def note(self, key: str, **values: Any) -> None:
        """Record what the report says about the file."""
        self.notes[key] = values

    def count(self, key: str, where: object, /, **values: Any) -> None:
        """Count an occurrence, and record where the first ones are."""
        known = self.notes.setdefault(key, {"count": 0, "where": "", **values})
        known["count"] += 1
        places = known["where"].split(", ") if known["where"] else []
        if len(places) < _MAX_LINES and str(where) not in places:
            known["where"] = ", ".join([*places, str(where)])

    def add_fault(
        self, line: int, key: str, column: str | int | None = None, /, **detail: Any
    ) -> None:
        """Record a fault of a line."""
        self.faults.setdefault(line, []).append(RowFault(key, column, detail))

    def attach(self, table: pa.Table, lines: Iterable[int]) -> pa.Table:
        """Return a table with the faults of its lines and the notes so far."""
        found = [self.faults.pop(line, None) for line in lines] if self.faults else []
        if any(found):
            texts = [
                faults and json.dumps([[f.key, f.column, f.detail] for f in faults], default=str)
                for faults in found
            ]
            table = table.append_column(FAULT_COLUMN, pa.array(texts, pa.string()))
        if not self.notes:
            return table
        notes = json.dumps(self.notes, default=str).encode()
        return table.replace_schema_metadata({**(table.schema.metadata or {}), _NOTES: notes})


def detach(table: pa.Table) -> tuple[pa.Table, RowFaults | None, Notes]:
    """Return a table without the faults and notes attached to it, and these."""
    notes = json.loads((table.schema.metadata or {}).get(_NOTES, b"{}"))
    if FAULT_COLUMN not in table.column_names:
        return table, None, notes
    faults = np.full(table.num_rows, None, dtype=object)
    for row, text in enumerate(table[FAULT_COLUMN].to_pylist()):
        if text is not None:
            faults[row] = [RowFault(*parts) for parts in json.loads(text)]
    return table.drop_columns([FAULT_COLUMN]), faults, notes


def faults_of_columns(faults: Sequence[RowFault] | None, ignored: set[str]) -> list[RowFault]:
    """Return the faults of a row, without those of columns that are not used."""
    return [fault for fault in faults or () if fault.column not in ignored]
