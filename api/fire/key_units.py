"""``/fire/key-units``: the key units of fire safety, and how far their sheets are collected."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.core import problems
from api.core.parameters import Connection
from api.core.read_audit import audit_reads
from api.core.responses import etag_response
from api.fire.building_responses import KeyUnitsResponse
from api.fire.fire_dependencies import JSON, Region
from geo.codes import code_prefix
from geo.fire import register_extracts

router = APIRouter()


@router.get(
    "/key-units",
    responses=problems.ok_response(KeyUnitsResponse),
    dependencies=[audit_reads("entity")],
)
def list_key_units(
    request: Request,
    connection: Connection,
    region: Region = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> Response:
    """List the key units of the register, those with the least collected first."""
    units = register_extracts.list_key_units(connection, code_prefix((region or "")[:12]))
    listed = units[offset : offset + limit]
    body = {"key_units": listed, "numberMatched": len(units), "numberReturned": len(listed)}
    return etag_response(request, orjson.dumps(body), JSON)
