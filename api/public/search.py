"""``/search``: find regions, grids, buildings, facilities, roads and compounds by text."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.core.parameters import Connection
from api.core.responses import etag_response
from api.public import name_search

router = APIRouter(tags=["find"])

Kind = Literal["region", "grid", "building", "facility", "road", "compound"]


class SearchHitResponse(BaseModel):
    """A search result: its position, and the grid of the plan in force there."""

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


class SearchResponse(BaseModel):
    """Search results, the best match first."""

    numberReturned: int  # noqa: N815 (as in the other lists)
    items: list[SearchHitResponse]


@router.get("/search", response_class=Response, responses={200: {"model": SearchResponse}})
@router.get("/grids/search", response_class=Response, responses={200: {"model": SearchResponse}})
def search(
    request: Request,
    connection: Connection,
    q: Annotated[str, Query(min_length=1, max_length=100)],
    kind: Kind | None = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Response:
    """Find regions, grids, buildings, facilities, roads and compounds by name, address or code.

    All words must occur in the name or the address. Exact matches come first, then names that
    begin with the query, then the shortest. If nothing contains all words, the query is split into
    runs of digits and runs of other characters, which may occur in any order; then its characters
    may occur in any order; at last most of them suffice, with every number.
    """
    items = [
        _describe_hit(row) for row in name_search.search_names(connection, q, kind or "", limit)
    ]
    body = {"numberReturned": len(items), "items": items}
    return etag_response(request, orjson.dumps(body), "application/json")


def _describe_hit(row: Any) -> dict[str, Any]:
    bbox = [round(row[side], 7) for side in ("west", "south", "east", "north")]
    return SearchHitResponse.model_validate({**row, "bbox": bbox}).model_dump()
