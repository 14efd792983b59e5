"""Changes of a draft by kind of edit: move atoms; split, merge, lock and rename grids."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from geo import crs
from geo.errors import InputError, NotFoundError
from geo.model import Building, GridMember
from geo.partition.community import build_barriers
from geo.partition.scoring.numbering import FIRST_DEDICATED, SERIAL_DIGITS
from geo.plans import community_layers
from geo.plans.grid_split import split_in_two
from geo.plans.plan_draft import Attributes, Change, Draft, GridKind, read_cells
from geo.types import Ints


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
        draft.require_unlocked_grid(code)
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
    for code in change.grids_with_moved_atoms() & draft.grids.keys():
        draft.require_unlocked_grid(code)
    return Change(change.members, grids)


def _check_atoms(draft: Draft, atoms: Iterable[int]) -> list[int]:
    """Return the distinct atoms; raise an error if none is given or one is not in the plan."""
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
    draft.require_unlocked_grid(code)
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
        draft.require_unlocked_grid(code)
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
    before = draft.require_unlocked_grid(code)
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
            draft.require_unlocked_grid(before)
            members[atom] = (before, to)
    occupied = {grid for atom, grid in draft.grid_of.items() if atom not in members}
    emptied = set(draft.grid_of.values()) - occupied - set(targets.values())
    return Change(members, {code: (draft.grids[code], None) for code in sorted(emptied)})


def _half_of_grid(connection: Connection, draft: Draft, atoms: Sequence[int]) -> list[int]:
    """Return the atoms of one half of a grid, which has two with households at least."""
    households = np.array([draft.size(atom) for atom in atoms], dtype=np.int64)
    if (households > 0).sum() < 2:
        raise InputError("grid_indivisible")
    community = community_layers.read_community(connection, draft.community)
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
