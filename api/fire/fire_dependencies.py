"""Parameters, contexts and answers that the routes of ``/fire`` and ``/networks`` share."""

from typing import Annotated, Any

import sqlalchemy
from fastapi import Path, Query, Request
from starlette.responses import Response

from api.core.geojson import encode
from api.core.responses import etag_response
from geo.fire.cities import city_of_code, list_cities
from geo.fire.context import FireContext, FireContextCache
from geo.fire.layer_state import read_data_age
from geo.messages import Language
from geo.missing_data import describe_missing

JSON = "application/json"
GEOJSON = "application/geo+json"

Code = Annotated[str, Path(min_length=1, max_length=64)]
Region = Annotated[str | None, Query(pattern="^[0-9]{2,15}$")]
Longitude = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)]


def fire_contexts(request: Request) -> FireContextCache:
    """Return the application's fire contexts."""
    contexts: FireContextCache = request.app.state.fire_contexts
    return contexts


def region_context(
    request: Request, connection: sqlalchemy.Connection, region: str | None
) -> FireContext:
    """Return the current fire context of a region's city."""
    return fire_contexts(request).context_of(connection, city_of_region(connection, region))


def city_of_region(connection: sqlalchemy.Connection, region: str | None) -> str:
    """Return the city of a region; without a region, the first city."""
    return city_of_code(connection, region) if region else list_cities(connection)[0]


def snapshot_response(
    request: Request,
    connection: sqlalchemy.Connection,
    context: FireContext,
    body: dict[str, Any],
    layers: tuple[str, ...],
    lang: Language,
) -> Response:
    """Return a response made from a snapshot.

    Parameters
    ----------
    body
        Geometry in metres, and ``missing`` as counts; both are converted.
    layers
        Layers whose age is given with the response.
    """
    body["missing"] = describe_missing(body["missing"], lang)
    body["data"] = read_data_age(connection, layers)
    return etag_response(request, encode(body, context.snapshot.to_degrees), JSON)
