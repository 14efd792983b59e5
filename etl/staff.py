"""Appoint managers and informants in bulk, from a workbook and a zip archive of photos.

A file is checked whole before anything is written: every faulty row is reported with its number,
what is wrong and what to do, and then nothing is written.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from openpyxl import Workbook
from sqlalchemy import Connection

from etl.input.reader_findings import Findings
from etl.input.synonyms import normalize_name
from etl.input.xlsx_rows import open_workbook, read_sheet_rows
from etl.input.zip_archive import check_entries, entry_name
from etl.photos import MAX_PHOTO_BYTES, reencode_photo
from geo.errors import GridatlasError, InputError
from geo.messages import LANGUAGES, text
from geo.staff import (
    MAX_DUTIES_LENGTH,
    MAX_HOUSEHOLDS,
    MAX_NAME_LENGTH,
    MAX_PHONE_LENGTH,
    PHONE,
    Informant,
    Manager,
    appoint_manager,
    buildings_of_grids,
    list_staff,
    save_informant,
)

COLUMNS = (
    *("grid", "role", "name", "phone", "tasks", "duties", "photo", "households", "buildings"),
    "micro_grid",
)
"""Columns of the workbook; their names are in the catalogues under ``staff_column``."""

SYNONYMS = {
    "grid": "编码 网格 所属网格 gridcode",
    "role": "类别 职务 身份",
    "name": "网格管理员 网格员 网格长 管理员 信息员 manager",
    "phone": "联系电话 手机 手机号 手机号码 联系方式 telephone mobile",
    "duties": "岗位职责 工作职责",
    "photo": "相片 头像 照片文件 picture",
    "buildings": "建筑 楼栋 负责楼栋 负责建筑",
    "households": "负责户数",
}
INFORMANT_WORDS = {"信息员", "网格信息员", "informant"}
MANAGER_WORDS = {"", "网格管理员", "管理员", "网格员", "网格长", "manager", "gridmanager"}
MAX_HEADER_ROW = 20
_SEPARATORS = re.compile(r"[,，;；、\s]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class RowProblem:
    """What is wrong in a row of the workbook, and what to do: a text ``staff_problem.<key>``."""

    row: int
    key: str
    values: dict[str, Any]

    def message(self) -> str:
        """Return the problem in the current language."""
        problem = text(f"staff_problem.{self.key}", **self.values)
        return text("staff.problem", row=self.row, problem=problem)


@dataclass
class StaffImport:
    """The result of reading a workbook: what to appoint, and the problems of its rows."""

    managers: list[Manager] = field(default_factory=list)
    informants: list[Informant] = field(default_factory=list)
    vacant: list[str] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    changed: int = 0


def import_staff(
    connection: Connection,
    workbook: Path,
    photos: Path | None = None,
    *,
    scope: str = "",
    dry_run: bool = False,
) -> StaffImport:
    """Appoint the staff of a workbook, or nobody if a row has a problem.

    Parameters
    ----------
    photos
        Zip archive of the photos that the workbook names.
    scope
        Code of the region, or its first digits, whose grids may be staffed.
    dry_run
        Check only.

    Raises
    ------
    InputError
        If a file is unreadable, or the workbook has no column for grids or names.
    """
    rows = list(_read_rows(workbook))
    result = _check_rows(connection, rows, _Photos(photos), scope)
    if result.problems or dry_run:
        return result
    # in the order of the grids, so that two imports do not wait for each other's locks
    managers = sorted(result.managers, key=lambda manager: manager.grid)
    informants = sorted(result.informants, key=lambda informant: informant.grid)
    changes = [appoint_manager(connection, manager) for manager in managers]
    changes += [save_informant(connection, informant) for informant in informants]
    result.changed = sum(changes)
    return result


def staff_workbook(connection: Connection, region: str = "", scope: str = "") -> bytes:
    """Return a workbook of all grids in force with their staff, to be filled in and imported.

    Grids without a manager have a row without a name.
    """
    book = Workbook()
    sheet: Any = book.active
    sheet.append([text(f"staff_column.{column}") for column in COLUMNS])
    for staff in list_staff(connection, region, scope):
        manager = staff.manager or Manager(staff.grid, "")
        _append_row(sheet, "manager", manager, tasks=manager.tasks, duties=manager.duties)
        for informant in staff.informants:
            buildings = ", ".join(informant.buildings)
            count = str(informant.households)
            part = str(informant.micro_grid or "")
            more = {"households": count, "buildings": buildings, "micro_grid": part}
            _append_row(sheet, "informant", informant, **more)
    sheet.freeze_panes = "A2"
    for letter, width in zip("ABCDEFGHIJ", (18, 14, 12, 16, 40, 40, 16, 8, 40, 10), strict=True):
        sheet.column_dimensions[letter].width = width
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _append_row(sheet: Any, role: str, person: Manager | Informant, **more: str) -> None:
    values = {
        "grid": person.grid,
        "role": text(f"staff.{role}"),
        "name": person.name,
        "phone": person.phone,
        **more,
    }
    row = sheet.max_row + 1
    for column, name in enumerate(COLUMNS, 1):
        cell = sheet.cell(row, column, values.get(name) or None)
        cell.number_format = "@"
        if isinstance(cell.value, str):
            cell.data_type = "s"  # a text is never a formula


@dataclass(frozen=True)
class _StaffRow:
    number: int
    cells: dict[str, str]
    faults: Sequence[str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


class _Photos:
    """The photos of a zip archive by their file names, in any folder and case."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.entries: dict[str, zipfile.ZipInfo] = {}
        if path is None:
            return
        try:
            with zipfile.ZipFile(path) as archive:
                for entry in check_entries(path, archive):
                    self.entries[PurePosixPath(entry_name(entry)).name.lower()] = entry
        except (zipfile.BadZipFile, OSError) as error:
            raise InputError("file_unreadable", file=path, format="zip") from error

    def read(self, name: str) -> bytes:
        """Return a photo as it is stored.

        Raises
        ------
        InputError
            If it is not in the archive, too large or no picture.
        """
        entry = self.entries.get(PurePosixPath(name.replace("\\", "/")).name.lower())
        if self.path is None or entry is None:
            raise InputError("staff_photo_missing", photo=name)
        if entry.file_size > MAX_PHOTO_BYTES:
            raise InputError("photo_too_large", most=MAX_PHOTO_BYTES // 1_000_000)
        with zipfile.ZipFile(self.path) as archive:
            return reencode_photo(archive.read(entry))


def _read_rows(path: Path) -> Iterator[_StaffRow]:
    book = open_workbook(path)
    sheet = next(page.title for page in book.worksheets if page.sheet_state == "visible")
    book.close()
    findings = Findings()
    columns: dict[int, str] = {}
    for number, cells in read_sheet_rows(path, sheet, findings):
        values = [" ".join((cell or "").split(" ")).strip() for cell in cells]
        if not columns:
            columns = _columns(values)
            if not columns and number >= MAX_HEADER_ROW:
                break
            continue
        named = {columns[i]: value for i, value in enumerate(values) if i in columns}
        faults = [f.key for f in findings.faults.get(number, ()) if f.column in columns]
        if any(named.values()):
            yield _StaffRow(number, named, faults)
    if not columns:
        raise InputError("staff_header_missing", file=path)


def _columns(cells: Sequence[str]) -> dict[int, str]:
    """Return the columns by position if a row is the header."""
    names = _column_names()
    columns = {
        position: names[normalize_name(cell)]
        for position, cell in enumerate(cells)
        if normalize_name(cell) in names
    }
    is_header = {"grid", "name"} <= set(columns.values())
    return columns if is_header else {}


def _column_names() -> dict[str, str]:
    names = {word: column for column, words in SYNONYMS.items() for word in words.split()}
    for lang in LANGUAGES:
        for column in COLUMNS:
            names[normalize_name(text(f"staff_column.{column}", lang=lang))] = column
    return names


def _check_rows(
    connection: Connection, rows: Sequence[_StaffRow], photos: _Photos, scope: str
) -> StaffImport:
    known = {row.grid for row in list_staff(connection, scope=scope)}
    buildings = buildings_of_grids(connection, [row["grid"] for row in rows])
    result, seen = StaffImport(), dict[tuple[str, ...], int]()
    for row in rows:
        before = len(result.problems)
        result.problems += _row_problems(row, known, buildings.get(row["grid"], set()))
        role = normalize_name(row["role"])
        is_informant = role in INFORMANT_WORDS
        if not row["name"] and not is_informant and len(result.problems) == before:
            result.vacant.append(row["grid"])
            continue
        key = (row["grid"], row["name"]) if is_informant else (row["grid"],)
        if key in seen and len(result.problems) == before:
            values = {"grid": row["grid"], "name": row["name"], "other": seen[key]}
            result.problems.append(RowProblem(row.number, "twice", values))
        if len(result.problems) == before:
            seen[key] = row.number
        photo = None
        if row["photo"] and not is_informant:
            try:
                photo = photos.read(row["photo"])
            except GridatlasError as error:
                values = {"photo": row["photo"], "reason": str(error)}
                result.problems.append(RowProblem(row.number, "photo", values))
        if len(result.problems) > before:
            continue
        if is_informant:
            result.informants.append(_informant(row))
        else:
            result.managers.append(_manager(row, photo))
    return result


def _row_problems(row: _StaffRow, known: set[str], buildings: set[str]) -> Iterator[RowProblem]:
    def problem(key: str, **values: object) -> RowProblem:
        return RowProblem(row.number, key, values)

    grid, role = row["grid"], normalize_name(row["role"])
    if row.faults:
        yield problem("unclear_cell")
    if not re.fullmatch("[0-9]{15}", grid):
        yield problem("grid_malformed", grid=grid)
    elif grid not in known:
        yield problem("grid_unknown", grid=grid)
    if role not in INFORMANT_WORDS | MANAGER_WORDS:
        yield problem("role_unknown", role=row["role"])
    if role in INFORMANT_WORDS and not row["name"]:
        yield problem("name_missing")
    if not row["name"] and any(row[name] for name in ("phone", "tasks", "duties", "photo")):
        yield problem("name_missing")
    if len(row["name"]) > MAX_NAME_LENGTH or _CONTROL.search(row["name"]):
        yield problem("name_invalid", name=row["name"][:20], most=MAX_NAME_LENGTH)
    if not re.fullmatch(PHONE, row["phone"]) or len(row["phone"]) > MAX_PHONE_LENGTH:
        yield problem("phone_invalid", phone=row["phone"][:40])
    for column in ("tasks", "duties"):
        if len(row[column]) > MAX_DUTIES_LENGTH:
            name = text(f"staff_column.{column}")
            yield problem("text_too_long", column=name, most=MAX_DUTIES_LENGTH)
    count = row["households"] or "0"
    if not re.fullmatch("[0-9]{1,5}", count) or int(count) > MAX_HOUSEHOLDS:
        yield problem("households_invalid", value=count, most=MAX_HOUSEHOLDS)
    if row["micro_grid"] and not re.fullmatch("0?[1-9]|[1-9][0-9]", row["micro_grid"]):
        yield problem("micro_grid_invalid", value=row["micro_grid"])
    if unknown := [code for code in _building_codes(row) if code not in buildings]:
        yield problem("buildings_unknown", codes=", ".join(unknown[:5]), grid=grid)


def _building_codes(row: _StaffRow) -> list[str]:
    return [code for code in _SEPARATORS.split(row["buildings"]) if code]


def _manager(row: _StaffRow, photo: bytes | None) -> Manager:
    return Manager(row["grid"], row["name"], row["phone"], row["tasks"], row["duties"], photo)


def _informant(row: _StaffRow) -> Informant:
    buildings = tuple(dict.fromkeys(_building_codes(row)))
    households, part = int(row["households"] or 0), row["micro_grid"]
    return Informant(
        row["grid"], row["name"], row["phone"], households, buildings, int(part) if part else None
    )
