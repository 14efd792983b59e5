"""``/fire/buildings/{code}/items``: what was found on site about a building."""

from datetime import date

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller
from api.core.parameters import Connection, Lang, WritableConnection, retry_conflicts
from api.core.read_audit import audit_reads
from api.core.responses import etag_response
from api.fire.building_responses import FireItemsResponse
from api.fire.fire_dependencies import JSON, Code
from geo.fire import building_items
from geo.model.fire import FireItem

router = APIRouter()


class FireItemRequest(BaseModel):
    """What there is of an item, and where; an empty value removes the record."""

    value: str = Field(max_length=500)
    place: str = Field(default="", max_length=500)


class FireItemsRequest(BaseModel):
    """Items of a building, and who checked them when; items not named stay as they are."""

    items: dict[FireItem, FireItemRequest] = Field(min_length=1)
    checked_by: str = Field(min_length=1, max_length=100)
    checked_on: date


@router.get(
    "/buildings/{code}/items",
    responses=problems.ok_response(FireItemsResponse),
    dependencies=[audit_reads("building_fire")],
)
def list_items(request: Request, connection: Connection, lang: Lang, code: Code) -> Response:
    """List every item of a building; value, place, day and name are null where not recorded."""
    body = {"building": code, "items": building_items.list_items(connection, code, lang)}
    return etag_response(request, orjson.dumps(body), JSON)


@router.put("/buildings/{code}/items", responses=problems.DOCUMENTED)
@retry_conflicts
def record_items(
    connection: WritableConnection,
    caller: CurrentCaller,
    lang: Lang,
    code: Code,
    requested: FireItemsRequest,
) -> FireItemsResponse:
    """Store what was found on site about a building."""
    items = {item: (given.value, given.place) for item, given in requested.items.items()}
    building_items.record_items(connection, code, items, requested.checked_by, requested.checked_on)
    named = {"items": sorted(item.value for item in items)}
    record(connection, caller, "record", "building", code, named)
    body = {"building": code, "items": building_items.list_items(connection, code, lang)}
    return FireItemsResponse.model_validate(body)
