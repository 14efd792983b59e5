"""The web pages: HTML, assets, map style and texts."""

from mimetypes import guess_type
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel
from sqlalchemy import func, select
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.core.parameters import Connection, StatusParameter
from api.core.problems import preferred_language
from api.core.responses import etag_response
from api.public.regions import bounds_columns
from api.tiles.tile_archive import current_file
from api.tiles.tiles import MAX_SOURCE_ZOOM
from geo.messages import Language, catalogue, text
from geo.model import Region
from geo.settings import settings
from maps import build
from maps.attribution import attributions
from maps.qgis import build_project
from maps.style import maplibre_style

router = APIRouter(tags=["page"])

PageName = Literal[
    "public",
    "plan",
    "fire",
    "data",
    "cases",
    "assess",
    "admin",
    "session",
    "field",
    "report",
    "kiosk",
]

CODED_VALUE_SECTIONS = (
    *("use.", "structure.", "category.", "households_source.", "kind.", "level.", "material."),
    *("network.", "oneway.", "road_class.", "surface."),
    *("laying.", "depth_of.", "pipe_status.", "pressure_class."),
)
"""Sections of the catalogue with the texts of coded values, one for each column."""

SECTIONS: dict[PageName, tuple[str, ...]] = {
    "public": ("page.", "legend.", "tour."),
    "plan": (
        *("page.", "legend.", "session.", "tour.", "plan.", "what_if.", "scorecard."),
        *("reason.", "trait.", "atlas.", "staff.", "staff_column."),
    ),
    "fire": (
        *("page.", "legend.", "session.", "tour.", "fire."),
        *("use.", "structure.", "building_sheet."),
    ),
    "data": (
        *("page.", "legend.", "session.", "tour.", "data.", "quarantine.", "field."),
        *("layer.", "status.", "step.", "count.", "report."),
        *CODED_VALUE_SECTIONS,
    ),
    "cases": (
        *("page.", "legend.", "session.", "tour.", "cases.", "case_state.", "case_action."),
        *("case_column.", "case_group.", "case_channel.", "case_level."),
    ),
    "assess": (
        *("page.", "legend.", "session.", "tour.", "assess.", "case_level."),
        "assessment_measure.",
    ),
    "admin": ("page.", "session.", "tour.", "admin."),
    "session": ("page.", "session."),
    "field": ("page.", "session.", "field_app.", "visit_topic.", "occupancy.", "hydrant_type."),
    "report": ("page.", "online.", "case.", "case_state."),
    "kiosk": ("page.", "online.", "kiosk.", "case.", "case_state."),
}
"""Sections of the catalogue that each page loads."""

PAGES = {
    "/": "index.html",
    "/plan": "plan.html",
    "/plan/{place:path}": "plan.html",
    "/fire": "fire.html",
    "/data": "data.html",
    "/data/{place:path}": "data.html",
    "/cases": "cases.html",
    "/cases/{place:path}": "cases.html",
    "/assess": "assess.html",
    "/admin": "admin.html",
    "/field": "field.html",
    "/report": "report.html",
    "/kiosk": "kiosk.html",
    "/signed-in": "signed-in.html",
}
"""The pages by path; they read their view from the rest of the path."""

PNG = "image/png"
YEAR_S = 31_536_000


class KioskSettingsResponse(BaseModel):
    """``idle_s``: seconds without a touch after which a kiosk starts anew."""

    idle_s: int


class _Assets(StaticFiles):
    """Serve built files: precompressed if possible, cached for a year if the name has a hash."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        compressed = f"{path}{build.GZIP_SUFFIX}"
        accepts_gzip = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        if accepts_gzip and self.lookup_path(compressed)[1]:
            response = await super().get_response(compressed, scope)
            response.headers["Content-Encoding"] = "gzip"
            kind = guess_type(path)[0] or "application/octet-stream"
            charset = "; charset=utf-8" if kind.startswith("text/") else ""
            response.headers["Content-Type"] = kind + charset
        else:
            response = await super().get_response(path, scope)
        response.headers["Vary"] = "Accept-Encoding"
        is_hashed = path.startswith("assets/") and response.status_code == 200
        policy = f"public, max-age={YEAR_S}, immutable" if is_hashed else "no-cache"
        response.headers["Cache-Control"] = policy
        return response


def mount_assets(app: FastAPI) -> None:
    """Serve the built files under ``/static``."""
    app.mount("/static", _Assets(directory=build.DIST, check_dir=False), name="static")


def _add_page(path: str, file: str) -> None:
    def page() -> Response:
        return _file_response(file)

    router.add_api_route(path, page, response_class=FileResponse, include_in_schema=False)


for _path, _file in PAGES.items():
    _add_page(_path, _file)


@router.get("/field/worker.js", response_class=FileResponse, include_in_schema=False)
def field_worker() -> Response:
    """Return the field app's service worker, which may answer for ``/field``."""
    response = _file_response("field/worker.js")
    response.headers["Service-Worker-Allowed"] = "/field"
    return response


@router.get("/field/manifest.webmanifest", include_in_schema=False)
def field_manifest(request: Request) -> Response:
    """Return the web app manifest of the field app."""
    lang = preferred_language(request)
    manifest = {
        "name": text("field_app.long_title", lang=lang),
        "short_name": text("field_app.title", lang=lang),
        "lang": "zh-CN" if lang == "zh" else "en",
        "id": "/field",
        "start_url": "/field",
        "scope": "/field",
        "display": "standalone",
        "background_color": "#f5f4ef",
        "theme_color": "#26323d",
        "icons": [
            {"src": f"/static/field/icon-{side}.png", "sizes": f"{side}x{side}", "type": PNG}
            for side in (192, 512)
        ],
    }
    return etag_response(request, orjson.dumps(manifest), "application/manifest+json")


@router.get("/kiosk/settings")
def kiosk_settings() -> KioskSettingsResponse:
    """Return how long a kiosk waits before it forgets what was entered."""
    return KioskSettingsResponse(idle_s=settings().kiosk_idle_s)


def _file_response(name: str) -> Response:
    return FileResponse(build.dist_folder() / name, headers={"Cache-Control": "no-cache"})


@router.get("/favicon.ico", include_in_schema=False)
def favicon() -> Response:
    """Return nothing: the pages link their own icon."""
    return Response(status_code=204)


@router.get("/style.json", responses={200: {"model": dict[str, Any]}})
def style(
    request: Request,
    connection: Connection,
    lang: Annotated[Language, Query()] = "zh",
    status: StatusParameter = "published",
    archive: Annotated[
        bool, Query(description="read the tiles from the PMTiles file, if it is available")
    ] = False,
    absolute: Annotated[bool, Query(description="absolute URLs, for other programs")] = False,
) -> Response:
    """Return the MapLibre style of the city map."""
    site = str(request.base_url).rstrip("/") if absolute else ""
    tiles = f"{site}/tiles/{{z}}/{{x}}/{{y}}?status={status}"
    key = "" if absolute else settings().tianditu_key
    credits = attributions(connection, lang)
    style = maplibre_style(tiles, MAX_SOURCE_ZOOM, lang, credits, tianditu_key=key)
    name = current_file(connection) if archive and status == "published" else None
    if name:
        style["sources"]["city"] |= {"tiles": [f"pmtiles:///baked/{name}/{{z}}/{{x}}/{{y}}"]}
    return etag_response(request, orjson.dumps(style), "application/json")


@router.get("/gridatlas.qgs", response_class=Response)
def qgis_project(
    request: Request, connection: Connection, lang: Annotated[Language, Query()] = "zh"
) -> Response:
    """Return a QGIS project that opens the published map with the project's symbols."""
    bounds = bounds_columns(func.ST_Extent(Region.geom_3857))
    row = connection.execute(select(*bounds).where(Region.level == "community")).one()
    extent = tuple(row) if row[0] is not None else None
    project = build_project(str(request.base_url), MAX_SOURCE_ZOOM, lang, extent)
    response = etag_response(request, project, "application/x-qgis-project")
    response.headers["Content-Disposition"] = 'attachment; filename="gridatlas.qgs"'
    return response


@router.get("/locale/{lang}", responses={200: {"model": dict[str, str]}})
def words(request: Request, lang: Language, page: PageName = "public") -> Response:
    """Return the texts of a page in a language."""
    texts = {key: word for key, word in catalogue(lang).items() if key.startswith(SECTIONS[page])}
    return etag_response(request, orjson.dumps(texts), "application/json")
