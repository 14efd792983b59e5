"""Editing a draft: moving atoms between grids, splitting, merging, locking; undo and redo.

Every edit keeps what each atom and grid was before and is after, so that it can be taken back. An
edit starts from the revision its author saw; a later one refuses it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pymetis
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

from geo.errors import ConflictError, InputError, NotFoundError, StaleError, UnconditionalError
from geo.geometry.shared_borders import find_borders
from geo.model import STORAGE_SRID, Grid, GridMember, GridPlan, PlanEdit
from geo.partition.scoring.numbering import FIRST_DEDICATED, SERIAL_DIGITS, grid_codes
from geo.plans import store

_COPY_PLAN = text(
    "INSERT INTO grid_plan (community_code, version, parameters, score, author, parent_id) "
    "SELECT community_code, (SELECT max(version) + 1 FROM grid_plan other "
    "WHERE other.community_code = plan.community_code), parameters, score, :author, id "
    "FROM grid_plan plan WHERE id = :plan RETURNING id"
)
_COPY_GRIDS = text(
    "INSERT INTO grid (plan_id, code, name, kind, households, locked, source, geom) "
    "SELECT :made, code, name, kind, households, locked, source, geom FROM grid "
    "WHERE plan_id = :plan ORDER BY id"
)
_COPY_MEMBERS = text(
    "INSERT INTO grid_member (plan_id, grid_id, building_code, unit_code, households, geom) "
    "SELECT :made, fresh.id, building_code, unit_code, member.households, member.geom "
    "FROM grid_member member JOIN grid ON grid.id = member.grid_id "
    "JOIN grid fresh ON fresh.plan_id = :made AND fresh.code = grid.code "
    "WHERE member.plan_id = :plan ORDER BY member.id"
)

Attributes = dict[str, Any]
"""``name``, ``kind`` and ``locked`` of a grid."""


@dataclass(frozen=True)
class Change:
    """What an edit changes.

    Attributes
    ----------
    members
        Code of the grid before and after, by the number of the atom.
    grids
        Attributes before and after by code; None for a grid that was not, or is no more.
    """

    members: Mapping[int, tuple[str, str]]
    grids: Mapping[str, tuple[Attributes | None, Attributes | None]]

    def reversed(self) -> "Change":
        """Return the change that takes this one back."""
        return Change(
            {member: (after, before) for member, (before, after) in self.members.items()},
            {code: (after, before) for code, (before, after) in self.grids.items()},
        )

    def touched(self) -> set[str]:
        """Return the codes of the grids whose atoms change."""
        return {code for pair in self.members.values() for code in pair}


@dataclass(frozen=True)
class Draft:
    """A draft that is being edited, locked against other edits until the transaction ends.

    Attributes
    ----------
    number, community, revision
        Of the plan.
    grids
        Attributes by code.
    grid_of
        Code of the grid of each atom, by its number.
    households
        Households of each atom.
    """

    number: int
    community: str
    revision: int
    grids: dict[str, Attributes]
    grid_of: dict[int, str]
    households: dict[int, int]

    def atoms(self, code: str) -> list[int]:
        """Return the atoms of a grid."""
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
            raise NotFoundError("no_such_grid", plan=self.number, grid=code)
        return self.grids[code]

    def free(self, code: str) -> Attributes:
        """Return the attributes of a grid that is not locked.

        Raises
        ------
        ConflictError
            If it is.
        """
        found = self.grid(code)
        if found["locked"]:
            raise ConflictError("grid_locked", grid=code)
        return found

    def new_code(self, kind: str) -> str:
        """Return the code of a further grid."""
        used = {int(code[-SERIAL_DIGITS:]) for code in self.grids}
        dedicated = kind == "dedicated"
        first, end = (FIRST_DEDICATED, 10**SERIAL_DIGITS) if dedicated else (1, FIRST_DEDICATED)
        fresh = next((serial for serial in range(first, end) if serial not in used), None)
        if fresh is None:
            raise ConflictError("serials_used_up", plan=self.number)
        return grid_codes(self.community, np.array([fresh]))[0]


def lock_draft(connection: Connection, plan: int, revision: int | None) -> Draft:
    """Lock a draft for an edit until the transaction ends, and return it.

    Parameters
    ----------
    revision
        The one that the author of the edit saw.

    Raises
    ------
    NotFoundError, ConflictError, StaleError, UnconditionalError
        If there is no such plan, it is no draft, was changed since, or no revision is given.
    """
    found = lock_plan(connection, plan, revision)
    if found["status"] != "draft":
        raise ConflictError("plan_not_draft", plan=plan, status=found["status"])
    rows = connection.execute(
        select(Grid.id, Grid.code, Grid.name, Grid.kind, Grid.locked).where(Grid.plan_id == plan)
    ).all()
    code = {row.id: row.code for row in rows}
    atoms = connection.execute(
        select(GridMember.id, GridMember.grid_id, GridMember.households).where(
            GridMember.plan_id == plan
        )
    ).all()
    return Draft(
        plan,
        found["community_code"],
        found["revision"],
        {row.code: {"name": row.name, "kind": row.kind, "locked": row.locked} for row in rows},
        {atom.id: code[atom.grid_id] for atom in atoms},
        {atom.id: atom.households for atom in atoms},
    )


def lock_plan(connection: Connection, plan: int, revision: int | None) -> RowMapping:
    """Lock the plans of a plan's community until the transaction ends, and return the plan.

    Parameters
    ----------
    revision
        The one that the caller saw.

    Raises
    ------
    NotFoundError, StaleError, UnconditionalError
        If there is no such plan, it was changed since, or no revision is given.
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
    found = connection.execute(statement).mappings().first()
    if found is None:
        raise NotFoundError("no_plan_here", plan=plan)
    if revision is None:
        raise UnconditionalError("if_match_missing", plan=plan, revision=found["revision"])
    if revision != found["revision"]:
        told = {"plan": plan, "seen": revision, "revision": found["revision"]}
        author = last_author(connection, plan)
        if not author:  # it never was at the revision that was named
            raise StaleError("plan_at_another", **told)
        raise StaleError("plan_changed", **told, changed_by=author)
    return found


def _lock_community_of(connection: Connection, plan: int) -> None:
    community = store.community_of(connection, plan)
    if community is None:
        raise NotFoundError("no_plan_here", plan=plan)
    store.lock_community(connection, community)


def last_author(connection: Connection, plan: int) -> str:
    """Return who edited a plan last."""
    newest = select(PlanEdit.author).where(PlanEdit.plan_id == plan).order_by(PlanEdit.id.desc())
    return connection.execute(newest.limit(1)).scalar() or ""


def move_atoms(draft: Draft, atoms: Iterable[int], to: str | None) -> Change:
    """Return the change that moves atoms to a grid, or to a new one."""
    moving = _atom_rows(draft, atoms)
    if to is None:
        return _into_new(draft, moving)
    draft.free(to)
    return _move_change(draft, moving, to)


def split(connection: Connection, draft: Draft, code: str, atoms: Sequence[int]) -> Change:
    """Return the change that makes some atoms of a grid a grid of their own.

    Parameters
    ----------
    atoms
        Which; none to have the grid halved.
    """
    draft.free(code)
    own = draft.atoms(code)
    if not atoms:
        return _into_new(draft, _half(connection, draft, own))
    foreign = set(atoms) - set(own)
    if foreign:
        raise InputError("atom_not_in_grid", atom=min(foreign), grid=code)
    return _into_new(draft, list(atoms))


def merge_grids(draft: Draft, codes: Sequence[str]) -> Change:
    """Return the change that makes several grids the first of them."""
    if len(set(codes)) < 2:
        raise InputError("merge_needs_two")
    for code in codes:
        draft.free(code)
    others = [code for code in dict.fromkeys(codes) if code != codes[0]]
    change = _move_change(draft, [atom for code in others for atom in draft.atoms(code)], codes[0])
    gone = {code: (draft.grids[code], None) for code in others}
    return Change(change.members, {**change.grids, **gone})


def with_attributes(draft: Draft, codes: Iterable[str], **values: Any) -> Change:
    """Return the change of attributes of grids."""
    grids = {}
    for code in codes:
        before = draft.grid(code)
        if before | values != before:
            grids[code] = (before, before | values)
    return Change({}, grids)


def of_kind(draft: Draft, code: str, kind: Literal["general", "dedicated"]) -> Change:
    """Return the change that makes a grid general or dedicated, which gives it another code."""
    before = draft.free(code)
    if before["kind"] == kind:
        return Change({}, {})
    fresh = draft.new_code(kind)
    members = dict.fromkeys(draft.atoms(code), (code, fresh))
    return Change(members, {code: (before, None), fresh: (None, before | {"kind": kind})})


def _atom_rows(draft: Draft, atoms: Iterable[int]) -> list[int]:
    chosen = list(dict.fromkeys(atoms))
    if not chosen:
        raise InputError("no_atoms")
    for atom in chosen:
        if atom not in draft.grid_of:
            raise NotFoundError("no_such_atom", plan=draft.number, atom=atom)
    return chosen


def _into_new(draft: Draft, atoms: Sequence[int]) -> Change:
    fresh = draft.new_code("general")
    change = _move_change(draft, atoms, fresh)
    made: Attributes = {"name": "", "kind": "general", "locked": False}
    return Change(change.members, {**change.grids, fresh: (None, made)})


def _move_change(draft: Draft, atoms: Sequence[int], to: str) -> Change:
    members = {}
    for atom in atoms:
        before = draft.grid_of[atom]
        if before != to:
            draft.free(before)
            members[atom] = (before, to)
    left = set(draft.grid_of.values()) - {
        grid for atom, grid in draft.grid_of.items() if atom not in members
    }
    emptied = {code: (draft.grids[code], None) for code in sorted(left - {to})}
    return Change(members, emptied)


def apply_edit(connection: Connection, draft: Draft, kind: str, change: Change, author: str) -> int:
    """Make a change and keep it as an edit; what was undone can't be done again after it.

    Returns
    -------
    int
        The revision of the plan.
    """
    if not change.members and not change.grids:
        return draft.revision
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


def undo(connection: Connection, draft: Draft) -> Change:
    """Take the last edit back; return what that changed.

    Raises
    ------
    ConflictError
        If there is none.
    """
    newest = select(PlanEdit).where(PlanEdit.plan_id == draft.number, PlanEdit.undone.is_(False))
    return _apply_turn(connection, draft, newest.order_by(PlanEdit.id.desc()), "nothing_to_undo")


def redo(connection: Connection, draft: Draft) -> Change:
    """Make the edit again that was taken back last; return what that changed.

    Raises
    ------
    ConflictError
        If there is none.
    """
    oldest = select(PlanEdit).where(PlanEdit.plan_id == draft.number, PlanEdit.undone.is_(True))
    return _apply_turn(connection, draft, oldest.order_by(PlanEdit.id), "nothing_to_redo")


def _apply_turn(connection: Connection, draft: Draft, which: Any, otherwise: str) -> Change:
    edit = connection.execute(which.limit(1)).mappings().first()
    if edit is None:
        raise ConflictError(otherwise, plan=draft.number)
    change = Change(
        {int(atom): tuple(pair) for atom, pair in edit["members"].items()},
        {code: tuple(pair) for code, pair in edit["grids"].items()},
    )
    change = change if edit["undone"] else change.reversed()
    turn = update(PlanEdit).where(PlanEdit.id == edit["id"]).values(undone=not edit["undone"])
    connection.execute(turn)
    _write_change(connection, draft, change)
    return change


def steps(connection: Connection, plan: int) -> tuple[int, int]:
    """Return how many edits can be undone, and how many redone."""
    count = select(
        func.count().filter(PlanEdit.undone.is_(False)),
        func.count().filter(PlanEdit.undone.is_(True)),
    ).where(PlanEdit.plan_id == plan)
    undo, redo = connection.execute(count).one()
    return undo, redo


def _write_change(connection: Connection, draft: Draft, change: Change) -> int:
    """Write a change: new grids, their atoms, the land and households of both sides, the rest."""
    for atom, (_, after) in change.members.items():
        draft.grid_of[atom] = after
    shapes = _land(connection, draft, change)
    made = {code: after for code, (before, after) in change.grids.items() if before is None}
    _add_grids(connection, draft, made, shapes)
    _move_members(connection, draft, change)
    removed = [code for code, (_, after) in change.grids.items() if after is None]
    if removed:
        connection.execute(delete(Grid).where(Grid.plan_id == draft.number, Grid.code.in_(removed)))
    _write_grids(connection, draft, change, shapes)
    for code, (_, attributes) in change.grids.items():
        if attributes is None:
            del draft.grids[code]
        else:
            draft.grids[code] = attributes
    moved = update(GridPlan).where(GridPlan.id == draft.number)
    connection.execute(moved.values(revision=GridPlan.revision + 1))
    return draft.revision + 1


def _land(connection: Connection, draft: Draft, change: Change) -> dict[str, str]:
    """Return the land of the grids whose atoms change, as the table takes it."""
    touched = change.touched()
    atoms = [atom for atom, code in draft.grid_of.items() if code in touched]
    cells = cells_of(connection, atoms)
    parts, of_cell = shapely.get_parts(list(cells.values()), return_index=True)
    has_land = ~shapely.is_empty(parts)  # of two atoms on one cell the first has the land
    parts = parts[has_land]
    owners = np.array([draft.grid_of[atom] for atom in cells], dtype=object)[of_cell[has_land]]
    grouped = {code: parts[owners == code] for code in dict.fromkeys(owners.tolist())}
    return {code: _ewkb(shapely.coverage_union_all(land)) for code, land in grouped.items()}


def cells_of(connection: Connection, atoms: Sequence[int]) -> dict[int, shapely.Geometry]:
    """Return the cells of atoms in degrees, by their numbers."""
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
    made: Mapping[str, Attributes | None],
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
        for code, attributes in made.items()
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
    """Write land, households and attributes of the grids that stay."""
    households = dict.fromkeys(shapes, 0)
    for atom, code in draft.grid_of.items():
        if code in households:
            households[code] += draft.households[atom]
    rows = [
        {"in_plan": draft.number, "of_code": code, "geom": shapes[code], "households": count}
        for code, count in households.items()
    ]
    mine = (Grid.plan_id == bindparam("in_plan"), Grid.code == bindparam("of_code"))
    if rows:
        renewed = update(Grid).where(*mine).values(revision=Grid.revision + 1)
        connection.execute(renewed, rows)
    for code, (before, after) in change.grids.items():
        if before is not None and after is not None:
            renamed = update(Grid).where(Grid.plan_id == draft.number, Grid.code == code)
            connection.execute(renamed.values(**after))


def _half(connection: Connection, draft: Draft, atoms: Sequence[int]) -> list[int]:
    """Return the atoms of one half of a grid, cut along the borders of its cells by METIS.

    Raises
    ------
    InputError
        If there are not two atoms with households.
    """
    weights = [draft.households[atom] for atom in atoms]
    if sum(weight > 0 for weight in weights) < 2:
        raise InputError("grid_indivisible")
    cells = cells_of(connection, atoms)
    shared = find_borders(np.array([cells[atom] for atom in atoms], dtype=object))
    beside: list[set[int]] = [set() for _ in atoms]
    for one, other in zip(shared.left.tolist(), shared.right.tolist(), strict=True):
        if one >= 0 and one != other:
            beside[one].add(other)
            beside[other].add(one)
    _, part = pymetis.part_graph(2, adjacency=[sorted(near) for near in beside], vweights=weights)
    chosen = [atom for atom, side in zip(atoms, part, strict=True) if side == 1]
    return chosen if 0 < len(chosen) < len(atoms) else [atoms[int(np.argmax(weights))]]


def copy_as_draft(connection: Connection, plan: int, author: str) -> int:
    """Make a draft that begins as another plan is; return its number.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    _lock_community_of(connection, plan)
    made = connection.execute(_COPY_PLAN, {"plan": plan, "author": author}).scalar()
    if made is None:
        raise NotFoundError("no_plan_here", plan=plan)
    connection.execute(_COPY_GRIDS, {"plan": plan, "made": made})
    connection.execute(_COPY_MEMBERS, {"plan": plan, "made": made})
    return int(made)
