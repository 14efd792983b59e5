"""Edits of a draft: move atoms, split, merge, lock and rename grids; undo and redo.

Every edit stores the state of each atom and grid before and after it, so that it can be undone. An
edit names the revision of the plan that its author saw, and is refused if the plan has changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from sqlalchemy import (
    Connection,
    LargeBinary,
    RowMapping,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from geo import crs
from geo.errors import ConflictError, InputError, NotFoundError, StaleError, UnconditionalError
from geo.model import STORAGE_SRID, Building, Grid, GridMember, GridPlan, PlanEdit
from geo.partition.community import build_barriers
from geo.partition.scoring.numbering import FIRST_DEDICATED, SERIAL_DIGITS, grid_codes
from geo.partition.scoring.objective import Balance, Limits
from geo.plans import store
from geo.plans.grid_split import split_in_two
from geo.plans.micro_grids import remove_micro_grids
from geo.plans.validation import limits_from_parameters
from geo.types import Ints

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

GridKind = Literal["general", "dedicated"]
Attributes = dict[str, Any]
"""``name``, ``kind`` and ``locked`` of a grid."""


@dataclass(frozen=True)
class Change:
    """The atoms and grids that an edit changes.

    Attributes
    ----------
    members
        Code of the grid before and after, by atom id.
    grids
        Attributes before and after, by grid code; None before a grid is added, or after it is
        removed.
    """

    members: Mapping[int, tuple[str, str]]
    grids: Mapping[str, tuple[Attributes | None, Attributes | None]]

    def reversed(self) -> "Change":
        """Return the change that undoes this one."""
        return Change(
            {member: (after, before) for member, (before, after) in self.members.items()},
            {code: (after, before) for code, (before, after) in self.grids.items()},
        )

    def touched(self) -> set[str]:
        """Return the codes of the grids whose atoms change."""
        return {code for pair in self.members.values() for code in pair}


@dataclass(frozen=True)
class Draft:
    """A draft that is locked for an edit until the transaction ends.

    Attributes
    ----------
    number, community, revision, limits
        Number of the plan, code of its community, its revision, and its limits.
    grids
        Attributes by grid code.
    grid_of
        Grid code by atom id.
    households, workload
        Households and workload by atom id; the workload is None where the plan has none.
    """

    number: int
    community: str
    revision: int
    limits: Limits
    grids: dict[str, Attributes]
    grid_of: dict[int, str]
    households: dict[int, int]
    workload: dict[int, int | None]

    def size(self, atom: int) -> int:
        """Return what the limits of the plan count of an atom."""
        workload = self.workload[atom]
        if self.limits.balance is Balance.HOUSEHOLDS or workload is None:
            return self.households[atom]
        return workload

    def atoms(self, code: str) -> list[int]:
        """Return the ids of the atoms of a grid.

        Raises
        ------
        NotFoundError
            If the plan has no such grid.
        """
        self.grid(code)
        return [atom for atom, grid in self.grid_of.items() if grid == code]

    def grid(self, code: str) -> Attributes:
        """Return the attributes of a grid.

        Raises
        ------
        NotFoundError
            If the plan has no such grid.
        """
        if code not in self.grids:
            raise NotFoundError("no_grid_in_plan", plan=self.number, grid=code)
        return self.grids[code]

    def unlocked_grid(self, code: str) -> Attributes:
        """Return the attributes of a grid that is not locked.

        Raises
        ------
        NotFoundError, ConflictError
            If the plan has no such grid, or the grid is locked.
        """
        attributes = self.grid(code)
        if attributes["locked"]:
            raise ConflictError("grid_locked", grid=code)
        return attributes

    def new_code(self, kind: str) -> str:
        """Return the first unused code of a kind of grid.

        Raises
        ------
        ConflictError
            If no serial number is left.
        """
        used = {int(code[-SERIAL_DIGITS:]) for code in self.grids}
        dedicated = kind == "dedicated"
        first, end = (FIRST_DEDICATED, 10**SERIAL_DIGITS) if dedicated else (1, FIRST_DEDICATED)
        serial = next((number for number in range(first, end) if number not in used), None)
        if serial is None:
            raise ConflictError("serials_used_up", plan=self.number)
        return grid_codes(self.community, np.array([serial]))[0]


def lock_draft(connection: Connection, plan: int, revision: int | None) -> Draft:
    """Lock a draft for an edit until the transaction ends, and return it.

    Parameters
    ----------
    revision
        The revision that the author of the edit saw.

    Raises
    ------
    ConflictError
        If the plan is not a draft.
    NotFoundError, StaleError, UnconditionalError
        As :func:`lock_plan`.
    """
    row = lock_plan(connection, plan, revision)
    if row["status"] != "draft":
        raise ConflictError("plan_not_draft", plan=plan, status=row["status"])
    grids = connection.execute(
        select(Grid.id, Grid.code, Grid.name, Grid.kind, Grid.locked).where(Grid.plan_id == plan)
    ).all()
    codes = {grid.id: grid.code for grid in grids}
    atoms = connection.execute(
        select(GridMember.id, GridMember.grid_id, GridMember.households, GridMember.workload).where(
            GridMember.plan_id == plan
        )
    ).all()
    return Draft(
        plan,
        row["community_code"],
        row["revision"],
        limits_from_parameters(row["parameters"]),
        {
            grid.code: {"name": grid.name, "kind": grid.kind, "locked": grid.locked}
            for grid in grids
        },
        {atom.id: codes[atom.grid_id] for atom in atoms},
        {atom.id: atom.households for atom in atoms},
        {atom.id: atom.workload for atom in atoms},
    )


def lock_plan(connection: Connection, plan: int, revision: int | None) -> RowMapping:
    """Lock the plans of a plan's community until the transaction ends, and return the plan.

    Parameters
    ----------
    revision
        The revision that the caller saw.

    Raises
    ------
    NotFoundError, UnconditionalError, StaleError
        If there is no such plan, no revision is given, or the plan has another revision.
    """
    _lock_community_of(connection, plan)
    columns = (
        GridPlan.community_code,
        GridPlan.status,
        GridPlan.revision,
        GridPlan.version,
        GridPlan.parameters,
    )
    statement = select(*columns).where(GridPlan.id == plan).with_for_update()
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise NotFoundError("no_plan_here", plan=plan)
    if revision is None:
        raise UnconditionalError("if_match_missing", plan=plan, revision=row["revision"])
    if revision != row["revision"]:
        values = {"plan": plan, "seen": revision, "revision": row["revision"]}
        author = last_author(connection, plan)
        if not author:  # nobody edited it: it never had the given revision
            raise StaleError("plan_at_another", **values)
        raise StaleError("plan_changed", **values, changed_by=author)
    return row


def _lock_community_of(connection: Connection, plan: int) -> None:
    community = store.community_of(connection, plan)
    if community is None:
        raise NotFoundError("no_plan_here", plan=plan)
    store.lock_community(connection, community)


def last_author(connection: Connection, plan: int) -> str:
    """Return the author of the last edit of a plan; empty without edits."""
    newest = select(PlanEdit.author).where(PlanEdit.plan_id == plan).order_by(PlanEdit.id.desc())
    return connection.execute(newest.limit(1)).scalar() or ""


def move_atoms(
    draft: Draft, atoms: Iterable[int], to: str | None, kind: GridKind = "general"
) -> Change:
    """Return the change that moves atoms to a grid; None for a new grid of a kind.

    Raises
    ------
    InputError
        If no atom is given.
    NotFoundError, ConflictError
        If the plan has no such atom or grid, or a grid is locked.
    """
    if to is None:
        return _move_to_new_grid(draft, _check_atoms(draft, atoms), kind)
    return move_to_grids(draft, dict.fromkeys(atoms, to))


def move_to_grids(draft: Draft, targets: Mapping[int, str]) -> Change:
    """Return the change that moves each atom to its grid.

    Parameters
    ----------
    targets
        Grid code by atom id.

    Raises
    ------
    InputError
        If no atom is given.
    NotFoundError, ConflictError
        If the plan has no such atom or grid, or a grid is locked.
    """
    _check_atoms(draft, targets)
    for code in dict.fromkeys(targets.values()):
        draft.unlocked_grid(code)
    return _move_change(draft, targets)


def assign_codes(draft: Draft, targets: Mapping[int, str], names: Mapping[str, str]) -> Change:
    """Return the change that moves each atom to the grid of a code; missing grids are added.

    Parameters
    ----------
    targets
        Grid code by atom id.
    names
        Names of grids by code; the grids that have none here keep theirs.

    Raises
    ------
    InputError
        If no atom is given.
    NotFoundError, ConflictError
        If the plan has no such atom, or a grid that changes is locked.
    """
    _check_atoms(draft, targets)
    change = _move_change(draft, targets)
    grids = dict(change.grids)
    for code in dict.fromkeys(targets.values()):
        before = draft.grids.get(code)
        if before is None:
            is_dedicated = int(code[-SERIAL_DIGITS:]) >= FIRST_DEDICATED
            kind = "dedicated" if is_dedicated else "general"
            grids[code] = (None, {"name": names.get(code, ""), "kind": kind, "locked": False})
        elif names.get(code, before["name"]) != before["name"]:
            grids[code] = (before, before | {"name": names[code]})
    for code in change.touched() & draft.grids.keys():
        draft.unlocked_grid(code)
    return Change(change.members, grids)


def _check_atoms(draft: Draft, atoms: Iterable[int]) -> list[int]:
    """Return the distinct atoms; raise an error where one is not of the plan, or none is given."""
    atom_ids = list(dict.fromkeys(atoms))
    if not atom_ids:
        raise InputError("no_atoms")
    for atom in atom_ids:
        if atom not in draft.grid_of:
            raise NotFoundError("no_such_atom", plan=draft.number, atom=atom)
    return atom_ids


def split_grid(connection: Connection, draft: Draft, code: str, atoms: Sequence[int]) -> Change:
    """Return the change that moves some atoms of a grid to a new grid.

    Parameters
    ----------
    atoms
        The atoms to move; none to split the grid in two along streets, within the limits.

    Raises
    ------
    InputError
        If an atom is not in the grid, or the grid can't be halved.
    NotFoundError, ConflictError
        If the plan has no such grid, or the grid is locked.
    """
    draft.unlocked_grid(code)
    grid_atoms = draft.atoms(code)
    if not atoms:
        return _move_to_new_grid(draft, _half_of_grid(connection, draft, grid_atoms))
    if foreign := set(atoms) - set(grid_atoms):
        raise InputError("atom_not_in_grid", atom=min(foreign), grid=code)
    return _move_to_new_grid(draft, list(atoms))


def merge_grids(draft: Draft, codes: Sequence[str]) -> Change:
    """Return the change that merges grids into the first of them.

    Raises
    ------
    InputError
        If there are fewer than two grids.
    NotFoundError, ConflictError
        If the plan has no such grid, or a grid is locked.
    """
    if len(set(codes)) < 2:
        raise InputError("merge_needs_two")
    for code in codes:
        draft.unlocked_grid(code)
    others = [code for code in dict.fromkeys(codes) if code != codes[0]]
    merged = [atom for code in others for atom in draft.atoms(code)]
    change = _move_change(draft, dict.fromkeys(merged, codes[0]))
    removed = {code: (draft.grids[code], None) for code in others}
    return Change(change.members, {**change.grids, **removed})


def change_attributes(draft: Draft, codes: Iterable[str], **values: Any) -> Change:
    """Return the change that sets attributes of grids.

    Raises
    ------
    NotFoundError
        If the plan has no such grid.
    """
    grids = {}
    for code in codes:
        before = draft.grid(code)
        if before | values != before:
            grids[code] = (before, before | values)
    return Change({}, grids)


def change_kind(draft: Draft, code: str, kind: GridKind) -> Change:
    """Return the change that makes a grid general or dedicated, under a new code.

    Raises
    ------
    NotFoundError, ConflictError
        If the plan has no such grid, or the grid is locked.
    """
    before = draft.unlocked_grid(code)
    if before["kind"] == kind:
        return Change({}, {})
    new_code = draft.new_code(kind)
    members = dict.fromkeys(draft.atoms(code), (code, new_code))
    return Change(members, {code: (before, None), new_code: (None, before | {"kind": kind})})


def _move_to_new_grid(draft: Draft, atoms: Sequence[int], kind: GridKind = "general") -> Change:
    new_code = draft.new_code(kind)
    change = _move_change(draft, dict.fromkeys(atoms, new_code))
    attributes: Attributes = {"name": "", "kind": kind, "locked": False}
    return Change(change.members, {**change.grids, new_code: (None, attributes)})


def _move_change(draft: Draft, targets: Mapping[int, str]) -> Change:
    members = {}
    for atom, to in targets.items():
        before = draft.grid_of[atom]
        if before != to:
            draft.unlocked_grid(before)
            members[atom] = (before, to)
    occupied = {grid for atom, grid in draft.grid_of.items() if atom not in members}
    emptied = set(draft.grid_of.values()) - occupied - set(targets.values())
    return Change(members, {code: (draft.grids[code], None) for code in sorted(emptied)})


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
    change = change if edit["undone"] else change.reversed()
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
    remove_micro_grids(connection, draft.number, sorted(change.touched()))
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
    touched = change.touched()
    atoms = [atom for atom, code in draft.grid_of.items() if code in touched]
    cells = read_cells(connection, atoms)
    parts, of_cell = shapely.get_parts(list(cells.values()), return_index=True)
    has_area = ~shapely.is_empty(parts)  # of two atoms on one cell only the first has its area
    parts = parts[has_area]
    owners = np.array([draft.grid_of[atom] for atom in cells], dtype=object)[of_cell[has_area]]
    return {
        code: _ewkb(shapely.coverage_union_all(parts[owners == code]))
        for code in dict.fromkeys(owners.tolist())
    }


def read_cells(connection: Connection, atoms: Sequence[int]) -> dict[int, shapely.Geometry]:
    """Return the cells of atoms in degrees of EPSG:4490, by atom id."""
    if not atoms:
        return {}
    rows = connection.execute(
        select(GridMember.id, func.ST_AsBinary(GridMember.geom, type_=LargeBinary)).where(
            GridMember.id.in_(atoms)
        )
    ).all()
    shapes = shapely.from_wkb([row[1] for row in rows])
    return {row[0]: shape for row, shape in zip(rows, shapes, strict=True)}


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


def _half_of_grid(connection: Connection, draft: Draft, atoms: Sequence[int]) -> list[int]:
    """Return the atoms of one half of a grid.

    Raises
    ------
    InputError
        If fewer than two atoms have households.
    """
    households = np.array([draft.size(atom) for atom in atoms], dtype=np.int64)
    if (households > 0).sum() < 2:
        raise InputError("grid_indivisible")
    community = store.read_community(connection, draft.community)
    cells = read_cells(connection, atoms)
    polygons = np.array([cells[atom] for atom in atoms], dtype=object)
    polygons = crs.transform(polygons, crs.STORAGE, community.buildings.crs)
    compound = _compound_numbers(connection, atoms)
    half = split_in_two(polygons, households, compound, build_barriers(community), draft.limits)
    return [atom for atom, part in zip(atoms, half.tolist(), strict=True) if part == 1]


def _compound_numbers(connection: Connection, atoms: Sequence[int]) -> Ints:
    """Return (n,) the number of the compound of each atom, -1 for none."""
    statement = (
        select(GridMember.id, Building.compound_code)
        .join(Building, Building.code == GridMember.building_code)
        .where(GridMember.id.in_(atoms), Building.compound_code.is_not(None))
    )
    codes = {row.id: row.compound_code for row in connection.execute(statement)}
    numbers = {code: number for number, code in enumerate(sorted(set(codes.values())))}
    return np.array([numbers.get(codes.get(atom), -1) for atom in atoms], dtype=np.int64)


def copy_as_draft(connection: Connection, plan: int, author: str, note: str = "") -> int:
    """Copy a plan as a new draft with a note; return the number of the draft.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    _lock_community_of(connection, plan)
    values = {"plan": plan, "author": author, "note": note}
    draft = connection.execute(_COPY_PLAN, values).scalar()
    if draft is None:
        raise NotFoundError("no_plan_here", plan=plan)
    for statement in (_COPY_GRIDS, _COPY_MEMBERS, _COPY_MICRO_GRIDS):
        connection.execute(statement, {"plan": plan, "draft": draft})
    return int(draft)
