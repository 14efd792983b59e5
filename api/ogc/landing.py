"""Landing page, conformance and the description of the OGC API."""

from starlette.responses import Response

from api.core.public_layers import layers_for_role
from api.ogc.collections import Extent
from api.ogc.description import describe_api
from api.ogc.extents import read_extents, union_of_bounds
from api.ogc.features import describe_extent
from api.ogc.representation import (
    HTML,
    OPENAPI,
    REL_CONFORMANCE,
    REL_TILESETS,
    REL_TILING_SCHEMES,
    Call,
    answer,
    link,
)

CONFORMANCE_CLASSES = [
    f"http://www.opengis.net/spec/{part}"
    for part in (
        "ogcapi-common-1/1.0/conf/core",
        "ogcapi-common-1/1.0/conf/landing-page",
        "ogcapi-common-1/1.0/conf/json",
        "ogcapi-common-1/1.0/conf/html",
        "ogcapi-common-1/1.0/conf/oas30",
        "ogcapi-common-2/1.0/conf/collections",
        "ogcapi-features-1/1.0/conf/core",
        "ogcapi-features-1/1.0/conf/oas30",
        "ogcapi-features-1/1.0/conf/geojson",
        "ogcapi-features-1/1.0/conf/html",
        "ogcapi-features-2/1.0/conf/crs",
        "ogcapi-features-3/1.0/conf/filter",
        "ogcapi-features-3/1.0/conf/features-filter",
        "ogcapi-features-3/1.0/conf/queryables",
        "ogcapi-features-3/1.0/conf/queryables-query-parameters",
        "ogcapi-features-5/1.0/conf/schemas",
        "ogcapi-features-5/1.0/conf/core-roles-features",
        "ogcapi-features-5/1.0/conf/returnables-and-receivables",
        "ogcapi-features-5/1.0/conf/queryables",
        "ogcapi-features-5/1.0/conf/sortables",
        "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/cql2-json",
        "cql2/1.0/conf/basic-cql2",
        "cql2/1.0/conf/basic-spatial-functions",
        "cql2/1.0/conf/advanced-comparison-operators",
        "ogcapi-tiles-1/1.0/conf/core",
        "ogcapi-tiles-1/1.0/conf/tileset",
        "ogcapi-tiles-1/1.0/conf/tilesets-list",
        "ogcapi-tiles-1/1.0/conf/dataset-tilesets",
        "ogcapi-tiles-1/1.0/conf/geodata-tilesets",
        "ogcapi-tiles-1/1.0/conf/oas30",
        "ogcapi-tiles-1/1.0/conf/mvt",
    )
]
"""Conformance classes covered by tests."""


async def show_landing_page(call: Call) -> Response:
    """Return the landing page."""
    extents = await read_extents(call, list(layers_for_role(call.caller.role)))
    start = min(
        (extent.start for extent in extents.values() if extent.start is not None), default=None
    )
    base = call.base
    links = [
        *call.self_links(),
        link("service-desc", f"{base}/api", call.title("api"), OPENAPI),
        link("service-doc", f"{base}/api?f=html", call.title("api"), HTML),
        link("conformance", f"{base}/conformance", call.title("conformance")),
        link(REL_CONFORMANCE, f"{base}/conformance", call.title("conformance")),
        link("data", f"{base}/collections", call.title("collections")),
        link(REL_TILESETS, f"{base}/tiles", call.title("tiles")),
        link(REL_TILING_SCHEMES, f"{base}/tileMatrixSets", call.title("tileMatrixSets")),
    ]
    if call.format == "html":  # one link a page
        links = [entry for entry in links if entry["rel"] not in {REL_CONFORMANCE, "service-desc"}]
    document = {
        "title": call.title("site"),
        "description": call.title("description"),
        "extent": describe_extent(Extent(union_of_bounds(extents.values()), start)),
        "links": links,
    }
    return answer(call, document, "landing")


async def show_conformance(call: Call) -> Response:
    """Return the conformance classes."""
    document = {
        "title": call.title("conformance"),
        "links": call.self_links(),
        "conformsTo": CONFORMANCE_CLASSES,
    }
    return answer(call, document, "conformance")


async def show_api(call: Call) -> Response:
    """Return the description of the API in OpenAPI 3.0."""
    document = describe_api(call.request.app.state.ogc_resources, call.base)
    if call.format == "html":
        document |= {"links": call.self_links()}
    return answer(call, document, "api")
