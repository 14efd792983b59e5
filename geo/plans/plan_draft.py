"""A draft that is locked for an edit, and the change that an edit makes to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from sqlalchemy import Connection, LargeBinary, RowMapping, func, select

from geo.errors import ConflictError, NotFoundError, StaleError, UnconditionalError
from geo.model import Grid, GridMember, GridPlan, PlanEdit
from geo.partition.scoring.numbering import FIRST_DEDICATED, SERIAL_DIGITS, grid_codes
from geo.partition.scoring.objective import Balance, Limits
from geo.plans import store
from geo.plans.validation import limits_from_parameters

GridKind = Literal["general", "dedicated"]
Attributes = dict[str, Any]
"""``name``, ``kind`` and ``locked`` of a grid."""


@dataclass(frozen=True)
class Change:
    """The atoms and grids that an edit changes.

    Attributes
    ----------
    members
        Code of its grid before and after the edit, by atom id.
    grids
        Attributes before and after, by grid code; None before a grid is added, or after it is
        removed.
    """

    members: Mapping[int, tuple[str, str]]
    grids: Mapping[str, tuple[Attributes | None, Attributes | None]]

    def inverse(self) -> "Change":
        """Return the change that undoes this one."""
        return Change(
            {member: (after, before) for member, (before, after) in self.members.items()},
            {code: (after, before) for code, (before, after) in self.grids.items()},
        )

    def grids_with_moved_atoms(self) -> set[str]:
        """Return the codes of the grids that atoms leave or join."""
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
        """Return the workload of an atom if the plan balances workload, else its households."""
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

    def require_unlocked_grid(self, code: str) -> Attributes:
        """Return the attributes of a grid that is not locked.

        Raises
        ------
        NotFoundError
            If the plan has no such grid.
        ConflictError
            If the grid is locked.
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
    NotFoundError
        If there is no such plan.
    UnconditionalError
        If no revision is given.
    StaleError
        If the plan has another revision.
    """
    lock_community_of(connection, plan)
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


def lock_community_of(connection: Connection, plan: int) -> str:
    """Lock the plans of the community of a plan until the transaction ends; return its code.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    community = store.community_of(connection, plan)
    if community is None:
        raise NotFoundError("no_plan_here", plan=plan)
    store.lock_community(connection, community)
    return community


def last_author(connection: Connection, plan: int) -> str:
    """Return the author of the last edit of a plan; empty without edits."""
    newest = select(PlanEdit.author).where(PlanEdit.plan_id == plan).order_by(PlanEdit.id.desc())
    return connection.execute(newest.limit(1)).scalar() or ""


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
