"""Representations of the resources of the OGC API: negotiation, links, and answers with an ETag."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.core.caller import Caller
from api.core.public_layers import layers_for_role
from api.core.responses import GEOJSON, JSON, etag_matches
from api.ogc.collections import COLLECTIONS, Collection
from api.ogc.html_pages import render_page
from geo.errors import InputError, NotFoundError
from geo.messages import Language, text

HTML = "text/html"
SCHEMA = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
GEOJSON_SEQUENCE = "application/geo+json-seq"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
MVT = "application/vnd.mapbox-vector-tile"

Formats = Mapping[str, str]
"""Media types by the names that the parameter ``f`` has for them, the usual one first."""

DOCUMENT: Formats = {"json": JSON, "html": HTML}
FEATURE: Formats = {"geojson": GEOJSON, "json": JSON, "html": HTML}
FEATURES: Formats = {
    **{"geojson": GEOJSON, "json": JSON, "html": HTML, "csv": CSV},
    **{"geojsonseq": GEOJSON_SEQUENCE, "ndjson": NDJSON},
}
SCHEMA_DOCUMENT: Formats = {"json": SCHEMA, "html": HTML}
API_DEFINITION: Formats = {"json": OPENAPI, "html": HTML}

VARY = "Accept, Accept-Language"
_OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
REL_QUERYABLES, REL_SCHEMA = f"{_OGC}queryables", f"{_OGC}schema"
REL_SORTABLES = f"{_OGC}sortables"
REL_TILESETS, REL_CONFORMANCE = f"{_OGC}tilesets-vector", f"{_OGC}conformance"
REL_TILING_SCHEMES, REL_TILING_SCHEME = f"{_OGC}tiling-schemes", f"{_OGC}tiling-scheme"

Link = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A request to a resource.

    Attributes
    ----------
    format
        Name of the format to answer in.
    formats
        Formats that the resource has.
    lang
        Language for titles and pages.
    """

    request: Request
    caller: Caller
    format: str
    formats: Formats
    lang: Language

    @property
    def base(self) -> str:
        """The address of the landing page, without a slash at its end."""
        return f"{self.request.base_url}ogc"

    @property
    def url(self) -> str:
        """The address of the request, with its path as the client encoded it."""
        scope = self.request.scope
        path = scope.get("raw_path", b"").decode("ascii") or quote(scope["path"])
        query = scope["query_string"].decode("latin-1")
        return f"{str(self.request.base_url)[:-1]}{path}{'?' if query else ''}{query}"

    @property
    def media_type(self) -> str:
        """The media type to answer in."""
        return self.formats[self.format]

    def title(self, name: str) -> str:
        """Return a text of the section ``ogc`` of the catalogue."""
        return text(f"ogc.{name}", lang=self.lang)

    def layer_title(self, name: str) -> str:
        """Return the title of a layer."""
        return text(f"layer.{name}", lang=self.lang)

    @property
    def collection(self) -> Collection:
        """The collection that the path names.

        Raises
        ------
        NotFoundError
            If the caller may read no layer of this name.
        """
        return find_collection(self.request.path_params["collectionId"], self.caller)

    def self_links(self) -> list[Link]:
        """Return the links to this representation and to the others of the resource."""
        links = [link("self", self.url, self.title("self"), self.media_type)]
        others = [name for name in self.formats if name != self.format]
        return links + [
            link("alternate", self.address(f=name), name, self.formats[name]) for name in others
        ]

    def address(self, **changes: Any) -> str:
        """Return the address of the request with other query parameters."""
        parameters = dict(self.request.query_params) | changes
        query = urlencode(parameters, quote_via=quote, safe=":/,")
        return f"{self.url.partition('?')[0]}?{query}"


def find_collection(name: str, caller: Caller) -> Collection:
    """Return a collection by its name.

    Raises
    ------
    NotFoundError
        If the caller may read no layer of this name.
    """
    readable = layers_for_role(caller.role)
    if name not in readable:
        raise NotFoundError("no_layer_here", layer=name[:100], layers=", ".join(readable))
    return COLLECTIONS[name]


def negotiate(request: Request, formats: Formats) -> str:
    """Return the name of the format that a request prefers.

    The parameter ``f`` goes before the header ``Accept``; if neither names one that there is, it is
    the usual one.

    Raises
    ------
    InputError
        If ``f`` names a format that there is not.
    """
    name = request.query_params.get("f")
    if name is not None:
        if name not in formats:
            raise InputError("format_unknown", format=name[:40], formats=", ".join(formats))
        return name
    header = request.headers.get("accept", "*/*")
    usual = next(iter(formats))
    if header == "*/*":
        return usual
    ranges = sorted(map(_media_range, header.split(",")), key=lambda part: -part[1])
    for kind, quality in ranges:
        if quality <= 0:
            continue
        for name, media_type in formats.items():
            if _matches(kind, media_type):
                return name
    return usual


def _media_range(part: str) -> tuple[str, float]:
    kind, *parameters = part.strip().lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return kind.strip(), float(value)
            except ValueError:
                return kind.strip(), 0.0
    return kind.strip(), 1.0


def _matches(kind: str, media_type: str) -> bool:
    plain = media_type.partition(";")[0]
    return kind in {"*/*", plain, f"{plain.partition('/')[0]}/*"}


def link(rel: str, href: str, title: str, kind: str = JSON, **more: Any) -> Link:
    """Return a link (RFC 8288) as the OGC API writes it."""
    return {"rel": rel, "href": href, "title": title, "type": kind, **more}


def answer(call: Call, document: dict[str, Any], page: str) -> Response:
    """Return a document as JSON or as an HTML page.

    Parameters
    ----------
    page
        Name of the page's template in ``api/ogc/templates``.
    """
    if call.format == "html":
        body = render_page(page, call.lang, document, call.base, call.url)
        return respond_with_etag(call.request, body.encode(), "text/html; charset=utf-8")
    return respond_with_etag(call.request, orjson.dumps(document), call.media_type)


def respond_with_etag(
    request: Request, body: bytes, media_type: str, *, content: bytes = b"", crs: str = ""
) -> Response:
    """Return a body with a weak ETag, or 304 if the client has it.

    Parameters
    ----------
    content
        What the tag is made from, by default the body: it leaves out the time of the answer.
    crs
        URI of the coordinate system for the header ``Content-Crs``.
    """
    digest = hashlib.blake2b(content or body, digest_size=12)
    digest.update(media_type.encode())
    tag = f'W/"{digest.hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": VARY}
    if etag_matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    if crs:
        headers["Content-Crs"] = f"<{crs}>"
    response = Response(body, headers=headers)
    response.headers["Content-Type"] = media_type  # Starlette would add a charset to text
    return response


def time_stamp() -> str:
    """Return the time of an answer (OGC 17-069r4, /req/core/fc-timeStamp)."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
