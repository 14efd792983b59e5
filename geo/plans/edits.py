"""Edits of a draft in the database: apply, undo, redo; copies of plans to edit.

Every edit stores the state of each atom and grid before and after it, so that it can be undone. An
edit names the revision of the plan that its author saw, and is refused if the plan has changed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import shapely
from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from geo.errors import ConflictError, NotFoundError
from geo.model import STORAGE_SRID, Grid, GridMember, GridPlan, PlanEdit
from geo.plans.micro_grids import remove_micro_grids
from geo.plans.plan_draft import Attributes, Change, Draft, lock_community_of, read_cells

_COPY_PLAN = text(
    "INSERT INTO grid_plan "
    "(community_code, version, parameters, score, author, note, parent_id, stale) "
    "SELECT community_code, (SELECT max(version) + 1 FROM grid_plan other "
    "WHERE other.community_code = plan.community_code), parameters, score - 'revision', :author, "
    ":note, id, stale FROM grid_plan plan WHERE id = :plan RETURNING id"
)
_COPY_GRIDS = text(
    "INSERT INTO grid "
    "(plan_id, code, name, kind, households, workload, micro_reasons, locked, source, geom) "
    "SELECT :draft, code, name, kind, households, workload, micro_reasons, locked, source, geom "
    "FROM grid WHERE plan_id = :plan ORDER BY id"
)
_COPY_MEMBERS = text(
    "INSERT INTO grid_member "
    "(plan_id, grid_id, building_code, unit_code, households, workload, geom) "
    "SELECT :draft, copy.id, building_code, unit_code, member.households, member.workload, "
    "member.geom "
    "FROM grid_member member JOIN grid ON grid.id = member.grid_id "
    "JOIN grid copy ON copy.plan_id = :draft AND copy.code = grid.code "
    "WHERE member.plan_id = :plan ORDER BY member.id"
)

_COPY_MICRO_GRIDS = text(
    "INSERT INTO micro_grid (plan_id, grid_id, code, households, buildings, units, geom) "
    "SELECT :draft, copy.id, part.code, part.households, part.buildings, part.units, part.geom "
    "FROM micro_grid part JOIN grid ON grid.id = part.grid_id "
    "JOIN grid copy ON copy.plan_id = :draft AND copy.code = grid.code "
    "WHERE part.plan_id = :plan ORDER BY part.id"
)


def apply_edit(connection: Connection, draft: Draft, kind: str, change: Change, author: str) -> int:
    """Write a change and store it as an edit; edits undone before can't be redone after it.

    Returns
    -------
    int
        The new revision of the plan; the current one if the change is empty.

    Raises
    ------
    ConflictError
        If it gives a grid the name of another one.
    """
    if not change.members and not change.grids:
        return draft.revision
    _check_names(draft, change)
    connection.execute(
        delete(PlanEdit).where(PlanEdit.plan_id == draft.number, PlanEdit.undone.is_(True))
    )
    edit = {
        "plan_id": draft.number,
        "revision": draft.revision + 1,
        "kind": kind,
        "members": {str(atom): pair for atom, pair in change.members.items()},
        "grids": dict(change.grids),
        "author": author,
    }
    connection.execute(insert(PlanEdit).inline(), edit)
    return _write_change(connection, draft, change)


def _check_names(draft: Draft, change: Change) -> None:
    """Check that no grid gets the name of another one."""
    after = draft.grids | {code: new for code, (_, new) in change.grids.items()}
    named = {code: grid["name"] for code, grid in after.items() if grid is not None}
    for code, (before, new) in change.grids.items():
        if new is None or not new["name"] or (before and before["name"] == new["name"]):
            continue
        other = next((c for c, name in named.items() if name == new["name"] and c != code), None)
        if other is not None:
            raise ConflictError("grid_name_taken", name=new["name"], grid=other)


def undo(connection: Connection, draft: Draft) -> Change:
    """Undo the last edit; return the change that was written.

    Raises
    ------
    ConflictError
        If there is no edit to undo.
    """
    newest = select(PlanEdit).where(PlanEdit.plan_id == draft.number, PlanEdit.undone.is_(False))
    return _toggle_edit(connection, draft, newest.order_by(PlanEdit.id.desc()), "nothing_to_undo")


def redo(connection: Connection, draft: Draft) -> Change:
    """Redo the edit that was undone last; return the change that was written.

    Raises
    ------
    ConflictError
        If there is no edit to redo.
    """
    oldest = select(PlanEdit).where(PlanEdit.plan_id == draft.number, PlanEdit.undone.is_(True))
    return _toggle_edit(connection, draft, oldest.order_by(PlanEdit.id), "nothing_to_redo")


def _toggle_edit(connection: Connection, draft: Draft, edits: Any, error_key: str) -> Change:
    """Undo or redo the first of some edits."""
    edit = connection.execute(edits.limit(1)).mappings().first()
    if edit is None:
        raise ConflictError(error_key, plan=draft.number)
    change = Change(
        {int(atom): tuple(pair) for atom, pair in edit["members"].items()},
        {code: tuple(pair) for code, pair in edit["grids"].items()},
    )
    change = change if edit["undone"] else change.inverse()
    toggled = update(PlanEdit).where(PlanEdit.id == edit["id"])
    connection.execute(toggled.values(undone=not edit["undone"]))
    _write_change(connection, draft, change)
    return change


def count_undo_redo(connection: Connection, plan: int) -> tuple[int, int]:
    """Return the number of edits that can be undone, and that can be redone."""
    count = select(
        func.count().filter(PlanEdit.undone.is_(False)),
        func.count().filter(PlanEdit.undone.is_(True)),
    ).where(PlanEdit.plan_id == plan)
    undo_count, redo_count = connection.execute(count).one()
    return undo_count, redo_count


def _write_change(connection: Connection, draft: Draft, change: Change) -> int:
    """Write a change to the grids and atoms of a plan; return its new revision."""
    for atom, (_, after) in change.members.items():
        draft.grid_of[atom] = after
    shapes = _union_cells(connection, draft, change)
    added = {code: after for code, (before, after) in change.grids.items() if before is None}
    _add_grids(connection, draft, added, shapes)
    _move_members(connection, draft, change)
    remove_micro_grids(connection, draft.number, sorted(change.grids_with_moved_atoms()))
    removed = [code for code, (_, after) in change.grids.items() if after is None]
    if removed:
        connection.execute(delete(Grid).where(Grid.plan_id == draft.number, Grid.code.in_(removed)))
    _write_grids(connection, draft, change, shapes)
    for code, (_, attributes) in change.grids.items():
        if attributes is None:
            del draft.grids[code]
        else:
            draft.grids[code] = attributes
    plan = update(GridPlan).where(GridPlan.id == draft.number)
    connection.execute(plan.values(revision=GridPlan.revision + 1))
    return draft.revision + 1


def _union_cells(connection: Connection, draft: Draft, change: Change) -> dict[str, str]:
    """Return the geometry (hexadecimal EWKB) of each grid whose atoms change, by code."""
    moved_grids = change.grids_with_moved_atoms()
    atoms = [atom for atom, code in draft.grid_of.items() if code in moved_grids]
    cells = read_cells(connection, atoms)
    parts, of_cell = shapely.get_parts(list(cells.values()), return_index=True)
    has_area = ~shapely.is_empty(parts)  # of two atoms on one cell only the first has its area
    parts = parts[has_area]
    owners = np.array([draft.grid_of[atom] for atom in cells], dtype=object)[of_cell[has_area]]
    return {
        code: _ewkb(shapely.coverage_union_all(parts[owners == code]))
        for code in dict.fromkeys(owners.tolist())
    }


def _ewkb(shape: shapely.Geometry) -> str:
    multi = shapely.multipolygons(shapely.get_parts(shape))
    return str(shapely.to_wkb(shapely.set_srid(multi, STORAGE_SRID), hex=True, include_srid=True))


_EMPTY = _ewkb(shapely.MultiPolygon())


def _add_grids(
    connection: Connection,
    draft: Draft,
    added: Mapping[str, Attributes | None],
    shapes: Mapping[str, str],
) -> None:
    rows = [
        {
            "plan_id": draft.number,
            "code": code,
            "households": 0,
            "geom": shapes.get(code, _EMPTY),
            **(attributes or {}),
        }
        for code, attributes in added.items()
    ]
    if rows:
        connection.execute(insert(Grid).inline(), rows)


def _move_members(connection: Connection, draft: Draft, change: Change) -> None:
    by_target: dict[str, list[int]] = {}
    for atom, (_, after) in change.members.items():
        by_target.setdefault(after, []).append(atom)
    for code, atoms in by_target.items():
        grid = select(Grid.id).where(Grid.plan_id == draft.number, Grid.code == code)
        connection.execute(
            update(GridMember)
            .where(GridMember.id.in_(atoms))
            .values(grid_id=grid.scalar_subquery())
        )


def _write_grids(
    connection: Connection, draft: Draft, change: Change, shapes: Mapping[str, str]
) -> None:
    """Write geometry, households, workload and attributes of the grids that remain."""
    atoms: dict[str, list[int]] = {code: [] for code in shapes}
    for atom, code in draft.grid_of.items():
        if code in atoms:
            atoms[code].append(atom)
    rows = [
        {
            "in_plan": draft.number,
            "of_code": code,
            "geom": shapes[code],
            "households": sum(draft.households[atom] for atom in members),
            "workload": _sum_known(draft.workload[atom] for atom in members),
        }
        for code, members in atoms.items()
    ]
    if rows:
        is_grid = (Grid.plan_id == bindparam("in_plan"), Grid.code == bindparam("of_code"))
        statement = update(Grid).where(*is_grid).values(revision=Grid.revision + 1)
        connection.execute(statement, rows)
    for code, (before, after) in change.grids.items():
        if before is not None and after is not None:
            grid = update(Grid).where(Grid.plan_id == draft.number, Grid.code == code)
            connection.execute(grid.values(**after))


def _sum_known(workloads: Iterable[int | None]) -> int | None:
    """Return a sum, None if all are unknown."""
    known = [workload for workload in workloads if workload is not None]
    return sum(known) if known else None


def copy_as_draft(connection: Connection, plan: int, author: str, note: str = "") -> int:
    """Copy a plan as a new draft with a note; return the number of the draft.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    lock_community_of(connection, plan)
    values = {"plan": plan, "author": author, "note": note}
    draft = connection.execute(_COPY_PLAN, values).scalar()
    if draft is None:
        raise NotFoundError("no_plan_here", plan=plan)
    for statement in (_COPY_GRIDS, _COPY_MEMBERS, _COPY_MICRO_GRIDS):
        connection.execute(statement, {"plan": plan, "draft": draft})
    return int(draft)
