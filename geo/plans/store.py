"""Plans in the database: store a drawing, publish a plan, read score cards."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import (
    ColumnElement,
    Connection,
    func,
    insert,
    select,
    text,
    update,
)

from geo import crs, locks
from geo.db.layer_frames import read_frame, wkb
from geo.errors import NotFoundError
from geo.locks import Lock
from geo.model import STORAGE_SRID, Grid, GridMember, GridPlan, Region
from geo.partition.community import Community

if TYPE_CHECKING:  # a server that only shows plans does not load the search and Numba
    from geo.partition.draw import Drawing
    from geo.partition.previous_plan import PreviousPlan


def read_previous_plan(
    connection: Connection, community: Community, plan: int | None
) -> "PreviousPlan | None":
    """Return the plan from which a drawing starts.

    Parameters
    ----------
    plan
        Number of the plan; None for the plan in force.

    Returns
    -------
    PreviousPlan or None
        In the metric coordinate system of the community; None if no plan is in force.

    Raises
    ------
    NotFoundError
        If the community has no plan of this number.
    """
    number = plan if plan is not None else plan_in_force(connection, community.code)
    if number is None:
        return None
    if community_of(connection, number) != community.code:
        raise NotFoundError("no_such_plan", plan=number, community=community.code)
    grids = read_frame(
        connection,
        select(Grid.code, Grid.name, Grid.kind, wkb(Grid.geom))
        .where(Grid.plan_id == number)
        .order_by(Grid.code),
    )
    members = connection.execute(
        select(Grid.code, GridMember.building_code, GridMember.unit_code, GridMember.households)
        .join(Grid, Grid.id == GridMember.grid_id)
        .where(GridMember.plan_id == number)
        .order_by(GridMember.id)
    ).all()
    columns = ["grid", "building_code", "unit_code", "households"]
    from geo.partition.previous_plan import PreviousPlan

    return PreviousPlan(
        grids.to_crs(community.buildings.crs), pd.DataFrame(members, columns=columns), number
    )


def community_of(connection: Connection, plan: int) -> str | None:
    """Return the code of the community of a plan; None if there is no such plan."""
    owner = select(GridPlan.community_code).where(GridPlan.id == plan)
    return connection.execute(owner).scalar()


def lock_community(connection: Connection, community: str) -> None:
    """Lock the plans of a community against other writers until the transaction ends.

    Call it before reading the rows on which a write of plans depends.
    """
    locks.acquire_shared(connection, Lock.PLANS)
    locks.acquire(connection, Lock.COMMUNITY, community)


def lock_all_communities(connection: Connection) -> None:
    """Lock the plans of all communities against other writers until the transaction ends."""
    locks.acquire(connection, Lock.PLANS)


def store_drawing(
    connection: Connection, drawing: "Drawing", author: str = "", run: int | None = None
) -> int:
    """Store a drawing as a draft; return the number of its plan.

    Parameters
    ----------
    run
        Number of the drawing run. A run has at most one plan per community.
    """
    lock_community(connection, drawing.community)
    last_version = connection.execute(
        select(func.max(GridPlan.version)).where(GridPlan.community_code == drawing.community)
    ).scalar()
    plan: int = connection.execute(
        insert(GridPlan)
        .values(
            community_code=drawing.community,
            version=(last_version or 0) + 1,
            parameters=asdict(drawing.constraints),
            score=drawing.score.as_json(),
            author=author,
            parent_id=_find_parent(connection, drawing),
            run_id=run,
        )
        .returning(GridPlan.id)
    ).scalar_one()
    grids = drawing.grids
    rows = [
        {
            "plan_id": plan,
            "code": code,
            "name": name,
            "kind": kind,
            "households": int(households),
            "workload": workload,
            "geom": shape.hex(),
        }
        for code, name, kind, households, workload, shape in zip(
            grids["code"],
            grids["name"],
            grids["kind"],
            grids["households"],
            grids["workload"],
            _ewkb(grids),
            strict=True,
        )
    ]
    inserted = connection.execute(insert(Grid).returning(Grid.code, Grid.id), rows).all()
    _store_members(connection, plan, {row.code: row.id for row in inserted}, drawing.members)
    return plan


def _find_parent(connection: Connection, drawing: "Drawing") -> int | None:
    """Return the plan from which a drawing started, unless it has been deleted since."""
    if drawing.parent is None:
        return plan_in_force(connection, drawing.community)
    return connection.execute(select(GridPlan.id).where(GridPlan.id == drawing.parent)).scalar()


def _store_members(
    connection: Connection, plan: int, grid_ids: dict[str, int], members: gpd.GeoDataFrame
) -> None:
    columns = {
        "grids": [grid_ids[code] for code in members["grid"]],
        "buildings": members["building_code"].tolist(),
        "units": members["unit_code"].tolist(),
        "households": members["households"].tolist(),
        "workloads": members["workload"].tolist(),
        "shapes": _ewkb(members),
    }
    connection.execute(_INSERT_MEMBERS, columns | {"plan": plan})


_INSERT_MEMBERS = text(  # COPY does not support row-level security
    "INSERT INTO grid_member "
    "(plan_id, grid_id, building_code, unit_code, households, workload, geom) "
    "SELECT :plan, grid, building, unit, households, workload, ST_GeomFromEWKB(shape) FROM unnest("
    "CAST(:grids AS bigint[]), CAST(:buildings AS text[]), CAST(:units AS text[]), "
    "CAST(:households AS integer[]), CAST(:workloads AS integer[]), CAST(:shapes AS bytea[])"
    ") AS member (grid, building, unit, households, workload, shape)"
)


def _ewkb(frame: gpd.GeoDataFrame) -> list[bytes]:
    """Return geometries as EWKB of multipolygons in the storage coordinate system."""
    shapes = crs.transform(frame.geometry.to_numpy(), frame.crs, crs.STORAGE)
    parts, indices = shapely.get_parts(shapes, return_index=True)
    multi = np.full(len(shapes), shapely.MultiPolygon(), dtype=object)
    shapely.multipolygons(parts, indices=indices, out=multi)
    return list(shapely.to_wkb(shapely.set_srid(multi, STORAGE_SRID), include_srid=True))


def plan_in_force(connection: Connection, community: str) -> int | None:
    """Return the number of the published plan of a community; None if there is none."""
    return connection.execute(
        select(GridPlan.id).where(
            GridPlan.community_code == community, GridPlan.status == "published"
        )
    ).scalar()


@dataclass(frozen=True)
class StoredScoreCard:
    """Number of a plan, name of its community, and its score card as JSON."""

    plan: int
    name: str
    score: dict[str, Any]


def score_cards_in_force(connection: Connection, region: str = "") -> dict[str, StoredScoreCard]:
    """Return the score cards of plans in force, by community code that starts with ``region``."""
    return _score_cards(connection, region, GridPlan.status == "published")


def score_cards_of_run(
    connection: Connection, run: int, region: str = ""
) -> dict[str, StoredScoreCard]:
    """Return the score cards of a run, by community code that starts with ``region``."""
    return _score_cards(connection, region, GridPlan.run_id == run)


def score_card_of_plan(connection: Connection, plan: int) -> StoredScoreCard:
    """Return the score card of a plan.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    cards = _score_cards(connection, "", GridPlan.id == plan)
    if not cards:
        raise NotFoundError("no_plan_here", plan=plan)
    return next(iter(cards.values()))


def _score_cards(
    connection: Connection, region: str, condition: ColumnElement[bool]
) -> dict[str, StoredScoreCard]:
    rows = connection.execute(
        select(GridPlan.community_code, GridPlan.id, Region.name, GridPlan.score)
        .join(Region, Region.code == GridPlan.community_code)
        .where(condition, GridPlan.community_code.startswith(region, autoescape=True))
    )
    return {row.community_code: StoredScoreCard(row.id, row.name, row.score) for row in rows}


def publish(connection: Connection, plan: int) -> int | None:
    """Publish a draft and archive the plan in force before it.

    Returns
    -------
    int or None
        Number of the archived plan.

    Raises
    ------
    NotFoundError
        If there is no such draft.
    """
    community = community_of(connection, plan)
    if community is None:
        raise NotFoundError("no_such_draft", plan=plan)
    lock_community(connection, community)
    draft = select(GridPlan.id).where(GridPlan.id == plan, GridPlan.status == "draft")
    if connection.execute(draft).first() is None:
        raise NotFoundError("no_such_draft", plan=plan)
    # Not the start of the transaction: it may have waited for another publication.
    published_at = connection.execute(select(func.clock_timestamp())).scalar_one()
    previous = plan_in_force(connection, community)
    if previous is not None:
        connection.execute(
            update(GridPlan)
            .where(GridPlan.id == previous)
            .values(status="archived", archived_at=published_at)
        )
        connection.execute(
            update(Grid).where(Grid.plan_id == previous).values(valid_to=published_at)
        )
    connection.execute(
        update(GridPlan)
        .where(GridPlan.id == plan)
        .values(status="published", published_at=published_at)
    )
    connection.execute(update(Grid).where(Grid.plan_id == plan).values(valid_from=published_at))
    return previous
