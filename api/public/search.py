"""``/search``: find regions, grids, buildings, facilities, roads and compounds by text."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.core.parameters import Connection
from api.core.responses import etag_response
from api.public import place_search

router = APIRouter(tags=["find"])

Kind = Literal["region", "grid", "building", "facility", "road", "compound"]


class SearchHitResponse(BaseModel):
    """A search result: its position, and the grid of the plan in force there.

    ``exact``: the query names this place; others are only similar or near. ``number``: its number
    on the street, where a street alone was searched for.
    """

    kind: Kind
    code: str
    name: str
    address: str
    grid: str | None
    grid_name: str | None
    community: str | None
    lon: float
    lat: float
    bbox: tuple[float, float, float, float]
    rank: int
    exact: bool
    number: str | None = None


class DwellingResponse(BaseModel):
    """The unit, floor and room that an address names; empty where it does not."""

    unit: str
    floor: str
    room: str


class SearchResponse(BaseModel):
    """Search results, the best match first.

    ``asks_number``: the query is a street alone, and the results list its numbers.
    """

    numberReturned: int  # noqa: N815 (as in the other lists)
    items: list[SearchHitResponse]
    asks_number: bool = False
    dwelling: DwellingResponse | None = None


@router.get("/search", responses={200: {"model": SearchResponse}})
@router.get("/grids/search", responses={200: {"model": SearchResponse}})
def search(
    request: Request,
    connection: Connection,
    q: Annotated[str, Query(min_length=1, max_length=100)],
    kind: Kind | None = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Response:
    """Find regions, grids, buildings, facilities, roads and compounds by name, address or code.

    An address (with or without province, city, district, street office, community, unit, floor and
    room) gives exactly its building, or, where none has it, those with the nearest numbers, which
    are not ``exact``. A street alone lists its numbers.

    Else all words must occur in the name or the address. Exact matches come first, then names that
    begin with the query, then the shortest. If nothing contains all words, the query is split into
    runs of digits and runs of other characters, which may occur in any order; then its characters
    may occur in any order; then most of them suffice, with every number; at last letters are read
    as pinyin or initials.
    """
    hits = place_search.search_places(connection, q, kind or "", limit)
    items = [_describe_hit(row) for row in hits.rows]
    address = hits.address
    dwelling = None
    if address is not None:
        dwelling = {"unit": address.unit, "floor": address.floor, "room": address.room}
    body = {
        "numberReturned": len(items),
        "items": items,
        "asks_number": hits.asks_number,
        "dwelling": dwelling,
    }
    return etag_response(request, orjson.dumps(body), "application/json")


def _describe_hit(row: Any) -> dict[str, Any]:
    bbox = [round(row[side], 7) for side in ("west", "south", "east", "north")]
    return SearchHitResponse.model_validate({**row, "bbox": bbox}).model_dump()
