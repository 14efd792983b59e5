"""The pages at ``/``, ``/plan``, ``/fire`` and ``/data``: their assets, style and words."""

from mimetypes import guess_type
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, FastAPI, Query, Request
from sqlalchemy import func, select
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.core.parameters import Connection, Shown
from api.core.responses import etag_response
from api.tiles.tile_archive import current_file
from api.tiles.tiles import MAX_SOURCE_ZOOM
from geo.messages import Language, catalogue
from geo.model import Region
from geo.settings import settings
from maps import build
from maps.attribution import attributions
from maps.qgis import build_project
from maps.style import maplibre_style

router = APIRouter(tags=["page"])

PageName = Literal["public", "plan", "fire", "data", "session"]

CODED_VALUE_SECTIONS = (
    *("use.", "structure.", "category.", "households_source.", "kind.", "level.", "material."),
    *("network.", "oneway.", "road_class.", "surface."),
)
"""Where the words for the values of coded columns stand: a section for a column."""

SECTIONS: dict[PageName, tuple[str, ...]] = {
    "public": ("page.", "legend.", "tour."),
    "plan": (
        "page.",
        "legend.",
        "session.",
        "tour.",
        "plan.",
        "scorecard.",
        "reason.",
        "trait.",
        "atlas.",
    ),
    "fire": ("page.", "legend.", "session.", "tour.", "desk.", "use.", "structure."),
    "data": (
        "page.",
        "legend.",
        "session.",
        "tour.",
        "data.",
        "quarantine.",
        "field.",
        *CODED_VALUE_SECTIONS,
    ),
    "session": ("page.", "session."),
}
"""What of the catalogues each page needs."""

YEAR_S = 31_536_000


class _Assets(StaticFiles):
    """Built files; those with a hash in their name never change, and lie there compressed too."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        packed = f"{path}{build.GZIP_SUFFIX}"
        takes = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        if takes and self.lookup_path(packed)[1]:
            response = await super().get_response(packed, scope)
            response.headers["Content-Encoding"] = "gzip"
            kind = guess_type(path)[0] or "application/octet-stream"
            charset = "; charset=utf-8" if kind.startswith("text/") else ""
            response.headers["Content-Type"] = kind + charset
        else:
            response = await super().get_response(path, scope)
        response.headers["Vary"] = "Accept-Encoding"
        lasting = path.startswith("assets/") and response.status_code == 200
        fresh = f"public, max-age={YEAR_S}, immutable" if lasting else "no-cache"
        response.headers["Cache-Control"] = fresh
        return response


def mount_assets(app: FastAPI) -> None:
    """Serve the built files under ``/static``."""
    app.mount("/static", _Assets(directory=build.DIST, check_dir=False), name="static")


@router.get("/", response_class=FileResponse, include_in_schema=False)
def page() -> Response:
    """Return the public page."""
    return _html("index.html")


@router.get("/plan", response_class=FileResponse, include_in_schema=False)
@router.get("/plan/{place:path}", response_class=FileResponse, include_in_schema=False)
def planner(place: str = "") -> Response:
    """Return the planner, which reads its place from the address."""
    return _html("plan.html")


@router.get("/fire", response_class=FileResponse, include_in_schema=False)
def fire_desk() -> Response:
    """Return the fire desk."""
    return _html("fire.html")


@router.get("/data", response_class=FileResponse, include_in_schema=False)
@router.get("/data/{place:path}", response_class=FileResponse, include_in_schema=False)
def data_desk(place: str = "") -> Response:
    """Return the data desk, which reads its place from the address."""
    return _html("data.html")


@router.get("/signed-in", response_class=FileResponse, include_in_schema=False)
def signed_in_page() -> Response:
    """Return the page to which an identity provider sends who has signed in there."""
    return _html("signed-in.html")


def _html(name: str) -> Response:
    return FileResponse(build.dist_folder() / name, headers={"Cache-Control": "no-cache"})


@router.get("/favicon.ico", include_in_schema=False)
def favicon() -> Response:
    """Return nothing: the page names its icon."""
    return Response(status_code=204)


@router.get("/style.json", response_class=Response, responses={200: {"model": dict[str, Any]}})
def style(
    request: Request,
    connection: Connection,
    lang: Annotated[Language, Query()] = "zh",
    status: Shown = "published",
    archive: Annotated[
        bool, Query(description="read the tiles from one file (PMTiles), if it is there")
    ] = False,
    absolute: Annotated[
        bool, Query(description="write whole addresses, for other programs")
    ] = False,
) -> Response:
    """Return the MapLibre style of the city map."""
    site = str(request.base_url).rstrip("/") if absolute else ""
    tiles = f"{site}/tiles/{{z}}/{{x}}/{{y}}?status={status}"
    key = "" if absolute else settings().tianditu_key
    credits = attributions(connection, lang)
    made = maplibre_style(tiles, MAX_SOURCE_ZOOM, lang, credits, tianditu_key=key)
    name = current_file(connection) if archive and status == "published" else None
    if name:
        made["sources"]["city"] |= {"tiles": [f"pmtiles:///baked/{name}/{{z}}/{{x}}/{{y}}"]}
    return etag_response(request, orjson.dumps(made), "application/json")


@router.get("/gridatlas.qgs", response_class=Response)
def qgis_project(
    request: Request, connection: Connection, lang: Annotated[Language, Query()] = "zh"
) -> Response:
    """Return a project of QGIS that opens the published map with our symbols."""
    shape = func.ST_Extent(Region.geom_3857)
    sides = (func.ST_XMin(shape), func.ST_YMin(shape), func.ST_XMax(shape), func.ST_YMax(shape))
    row = connection.execute(select(*sides).where(Region.level == "community")).one()
    extent = tuple(row) if row[0] is not None else None
    made = build_project(str(request.base_url), MAX_SOURCE_ZOOM, lang, extent)
    answer = etag_response(request, made, "application/x-qgis-project")
    answer.headers["Content-Disposition"] = 'attachment; filename="gridatlas.qgs"'
    return answer


@router.get("/locale/{lang}", response_class=Response, responses={200: {"model": dict[str, str]}})
def words(request: Request, lang: Language, page: PageName = "public") -> Response:
    """Return the words of a page in a language."""
    wanted = SECTIONS[page]
    shown = {key: text for key, text in catalogue(lang).items() if key.startswith(wanted)}
    return etag_response(request, orjson.dumps(shown), "application/json")
