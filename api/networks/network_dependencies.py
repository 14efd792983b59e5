"""Networks of a city, and answers, that the routes of ``/networks`` share."""

from typing import Any

import pyproj
from fastapi import Request
from sqlalchemy import Connection, select
from starlette.responses import Response

from api.core.geojson import encode
from api.core.responses import etag_response
from api.fire.fire_dependencies import JSON, fire_contexts
from geo import crs as systems
from geo.errors import InputError
from geo.fire.layer_state import read_data_age
from geo.messages import Language
from geo.missing_data import MissingData, describe_missing
from geo.model import PipeSegment
from geo.model.pipe import Network
from geo.network.isolation import Sectors

PIPE_LAYERS = ("pipe_segment", "pipe_node")


def sectors_of_network(
    request: Request, connection: Connection, network: Network, city: str
) -> Sectors:
    """Return the sectors of a city's network.

    Raises
    ------
    InputError
        If it has no segments, or none that the caller may see.
    """
    visible = select(PipeSegment.code).where(PipeSegment.network == network.value).limit(1)
    if connection.execute(visible).first() is None:
        raise InputError("no_pipes", network=network.value)
    return fire_contexts(request).pipe_sectors(connection, city, network.value)


def network_response(
    request: Request,
    connection: Connection,
    crs: pyproj.CRS,
    body: dict[str, Any],
    missing: list[MissingData],
    lang: Language,
    media_type: str = JSON,
) -> Response:
    """Return a response with its geometry in degrees, what is missing, and the age of its data.

    Parameters
    ----------
    crs
        The metric system of the body's geometry.
    """
    body["data"] = read_data_age(connection, PIPE_LAYERS)
    body["missing"] = describe_missing(missing, lang)

    def to_degrees(shapes: Any) -> Any:
        return systems.transform(shapes, crs, systems.STORAGE)

    return etag_response(request, encode(body, to_degrees), media_type)
