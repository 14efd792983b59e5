"""``/imports/corrections``: values that people set in place of the imported ones."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection as Database
from sqlalchemy import func, select

from api.core import problems
from api.core.caller import CurrentCaller, allow
from api.core.parameters import Connection, PageParameter
from api.core.read_audit import audit_reads
from api.core.responses import Listing, listing
from geo import db
from geo.db import overrides
from geo.model import Correction

router = APIRouter(prefix="/imports", tags=["imports"], dependencies=[allow("importer", "admin")])

Word = Annotated[str, Query(max_length=200)]


class CorrectionResponse(BaseModel):
    """A value that a person set in place of the imported one."""

    layer: str
    code: str
    field: str
    value: str | None
    actor: str
    at: str


@router.get(
    "/corrections",
    dependencies=[audit_reads("correction")],
    responses=problems.protected_response(Listing[CorrectionResponse]),
)
def corrections(
    request: Request, connection: Connection, page: PageParameter, layer: Word = ""
) -> Response:
    """List manual corrections."""
    chosen = [Correction.layer == layer] if layer else []
    matched = connection.scalar(select(func.count()).select_from(Correction).where(*chosen)) or 0
    rows = connection.execute(
        select(Correction.__table__)
        .where(*chosen)
        .order_by(Correction.layer, Correction.code, Correction.field)
        .limit(page.limit)
        .offset(page.offset)
    )
    items = [CorrectionResponse(**{**row._mapping, "at": row.at.isoformat()}) for row in rows]
    return listing(request, items, page, matched)


@router.put("/corrections/{layer}/{code}", responses=problems.problem_responses(403, 404, 409))
def correct(
    caller: CurrentCaller,
    layer: Annotated[str, Path(max_length=60)],
    code: Annotated[str, Path(max_length=200)],
    columns: Annotated[dict[str, str | int | float | bool | None], Body()],
) -> list[CorrectionResponse]:
    """Set columns of a feature; imports no longer overwrite them."""
    values = {name: None if value is None else str(value) for name, value in columns.items()}

    def set_override(connection: Database) -> list[CorrectionResponse]:
        overrides.set_override(connection, layer, code, values, caller.name)
        rows = connection.execute(
            select(Correction.__table__).where(Correction.layer == layer, Correction.code == code)
        )
        return [CorrectionResponse(**{**row._mapping, "at": row.at.isoformat()}) for row in rows]

    return db.run_in_transaction(db.get_engine(), set_override)


@router.delete(
    "/corrections/{layer}/{code}",
    status_code=204,
    responses=problems.problem_responses(403, 404, 409),
)
def release(
    caller: CurrentCaller,
    layer: Annotated[str, Path(max_length=60)],
    code: Annotated[str, Path(max_length=200)],
) -> None:
    """Remove the corrections of a feature; the next import writes its columns again."""
    db.run_in_transaction(
        db.get_engine(),
        lambda connection: overrides.clear_override(connection, layer, code, caller.name),
    )
