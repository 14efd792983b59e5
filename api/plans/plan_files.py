"""``/plans/{id}/assignment``: the grids of buildings as a CSV file, and back from a file."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from fastapi import APIRouter, File, Response, UploadFile
from sqlalchemy import Connection as Database

from api.core import problems
from api.core.caller import PLANNERS, CurrentCaller
from api.core.parameters import (
    Connection,
    IfMatch,
    Lang,
    Number,
    WritableConnection,
    retry_conflicts,
)
from api.core.read_audit import audit_reads
from api.core.responses import file_response
from api.plans.edits import EDIT_RESPONSES, answer_edit
from api.plans.plans import read_plan
from etl.input.formats import POLYGON_SUFFIXES, check_file
from etl.input.source import open_layer
from etl.input.synonyms import normalize_name
from etl.input.table_names import TableNames
from etl.input.vector import polygonal, read_vector
from geo.errors import InputError, TooLargeError
from geo.plans import assignment, draft_changes, edits, plan_draft
from geo.spreadsheet import csv_cell, unescape_cell

router = APIRouter(prefix="/plans/{number}", tags=["edits"], dependencies=[PLANNERS])

MAX_UPLOAD_BYTES = 32 * 2**20
TABLE_SUFFIXES = (".csv", ".xlsx")

HEADERS: dict[str, tuple[str, ...]] = {
    "building_code": ("building_code", "建筑编码", "building code"),
    "unit_code": ("unit_code", "单元编码", "unit code"),
    "grid_code": ("grid_code", "网格编码", "grid code", "grid", "网格"),
}
"""Headers of the columns of a table; of several that are there the first one counts."""

POLYGON_FIELDS: dict[str, tuple[str, ...]] = {
    "code": ("code", "grid_code", "网格编码", "编码"),
    "name": ("name", "grid_name", "网格名称", "名称"),
}


@router.get(
    "/assignment.csv",
    dependencies=[audit_reads("grid_member")],
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}, **problems.PROTECTED},
)
def export_assignment(connection: Connection, number: Number) -> Response:
    """Return the buildings and units of a plan with their grids as a CSV file.

    The file can be edited and sent back to ``/plans/{id}/assignment``.
    """
    plan = read_plan(connection, number)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(assignment.COLUMNS)
    for row in assignment.read_assignment(connection, number):
        writer.writerow([csv_cell(row[name]) for name in assignment.COLUMNS])
    name = f"{plan.community_code}-{plan.version}.csv"
    content = out.getvalue().encode("utf-8-sig")  # spreadsheets need the mark to read UTF-8
    return file_response(content, "text/csv; charset=utf-8", name)


@router.post("/assignment", responses=EDIT_RESPONSES)
@retry_conflicts
def import_assignment(
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    number: Number,
    seen: IfMatch,
    file: Annotated[UploadFile, File(description="CSV, XLSX, GeoPackage, GeoJSON or KML")],
) -> Response:
    """Assign the buildings of a draft to grids by a table or by polygons, as one edit.

    A table has the columns ``building_code``, ``unit_code`` (may be absent) and ``grid_code``; of
    polygons the fields ``code`` and ``name`` are read. Buildings that the file does not name keep
    their grid; grids that the draft lacks are added.

    Raises
    ------
    InputError
        If the file assigns no building.
    """
    draft = plan_draft.lock_draft(connection, number, seen)
    targets, names = _read_targets(connection, draft, file)
    if not targets:
        raise InputError("assignment_empty")
    change = draft_changes.assign_codes(draft, targets, names)
    edits.apply_edit(connection, draft, "import", change, caller.name)
    return answer_edit(connection, caller, lang, draft, change, "import")


def _read_targets(
    connection: Database, draft: plan_draft.Draft, upload: UploadFile
) -> tuple[dict[int, str], dict[str, str]]:
    """Return the grid code of each atom that a file names, and the names of its grids."""
    upload.file.seek(0)
    content = upload.file.read(MAX_UPLOAD_BYTES + 1)
    if len(content) > MAX_UPLOAD_BYTES:
        raise TooLargeError("assignment_too_large", limit=MAX_UPLOAD_BYTES // 2**20)
    suffix = Path(upload.filename or "").suffix.lower()
    formats = (*TABLE_SUFFIXES, *(name for name in POLYGON_SUFFIXES if name != ".shp"))
    if suffix not in formats:
        name = (upload.filename or "")[:80]
        raise InputError("file_format", file=name, formats=", ".join(formats))
    with tempfile.TemporaryDirectory(prefix="gridatlas-plan-") as folder:
        path = Path(folder) / f"plan{suffix}"
        path.write_bytes(content)
        if suffix in TABLE_SUFFIXES:
            return assignment.targets_from_table(connection, draft, _read_table(path)), {}
        return _read_polygons(connection, draft, path)


def _read_table(path: Path) -> pd.DataFrame:
    """Return ``building_code``, ``unit_code`` and ``grid_code`` of the rows of a table.

    Raises
    ------
    InputError
        If the table has no column for the buildings or for the grids.
    """
    known = frozenset(normalize_name(name) for names in HEADERS.values() for name in names)
    source = open_layer(check_file(path, *TABLE_SUFFIXES), names=TableNames(known))
    columns = _columns_by_field(source.fields, HEADERS)
    for field in ("building_code", "grid_code"):
        if field not in columns:
            raise InputError("assignment_column", column=HEADERS[field][0])
    batches = [
        pd.DataFrame({field: batch.columns[name].to_pandas() for field, name in columns.items()})
        for batch in source.batches()
    ]
    table = pd.concat(batches, ignore_index=True) if batches else pd.DataFrame(columns=[*columns])
    table = table.reindex(columns=list(HEADERS))
    return table.map(lambda value: "" if pd.isna(value) else str(unescape_cell(str(value))))


def _read_polygons(
    connection: Database, draft: plan_draft.Draft, path: Path
) -> tuple[dict[int, str], dict[str, str]]:
    frame = read_vector(path)
    polygons = polygonal(frame.geometry.to_numpy())
    columns = _columns_by_field([str(name) for name in frame.columns], POLYGON_FIELDS)
    is_area = np.array([polygon is not None for polygon in polygons])

    def texts(field: str) -> list[str]:
        if field not in columns:
            return [""] * len(frame)
        return ["" if pd.isna(value) else str(value).strip() for value in frame[columns[field]]]

    codes, names = np.array(texts("code"), dtype=object), np.array(texts("name"), dtype=object)
    return assignment.targets_from_polygons(
        connection, draft, polygons[is_area], codes[is_area], names[is_area]
    )


def _columns_by_field(names: list[str], fields: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the first column that has a header of each field."""
    by_header = {normalize_name(name): name for name in names}
    found = {}
    for field, headers in fields.items():
        present = [by_header[key] for key in map(normalize_name, headers) if key in by_header]
        if present:
            found[field] = present[0]
    return found
