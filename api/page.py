"""The public page at ``/``, its assets, its style and its words."""

from typing import Annotated

import orjson
from fastapi import APIRouter, FastAPI, Query, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api import problems
from api.plans import Shown
from api.requests import Connection
from api.responses import kept
from api.tiles import MADE_TO_ZOOM
from geo.messages import Language, catalogue
from maps import build
from maps.attribution import attributions
from maps.style import maplibre_style

router = APIRouter(tags=["page"])

SECTIONS = ("page.", "legend.")
"""What of the catalogues the page needs."""

A_YEAR_S = 31_536_000


class _Assets(StaticFiles):
    """Built files; those with a hash in their name never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        lasting = path.startswith("assets/") and response.status_code == 200
        fresh = f"public, max-age={A_YEAR_S}, immutable" if lasting else "no-cache"
        response.headers["Cache-Control"] = fresh
        return response


def mount_assets(app: FastAPI) -> None:
    """Serve the built files under ``/static``."""
    app.mount("/static", _Assets(directory=build.DIST, check_dir=False), name="static")


@router.get("/", response_class=FileResponse, include_in_schema=False)
def page() -> Response:
    """Return the public page."""
    return FileResponse(build.dist() / "index.html", headers={"Cache-Control": "no-cache"})


@router.get("/favicon.ico", include_in_schema=False)
def favicon() -> Response:
    """Return nothing: the page names its icon."""
    return Response(status_code=204)


@router.get("/style.json", response_class=Response, responses={422: problems.DOCUMENTED[422]})
def style(
    request: Request,
    connection: Connection,
    lang: Annotated[Language, Query()] = "zh",
    status: Shown = "published",
) -> Response:
    """Return the MapLibre style of the city map."""
    tiles = f"/tiles/{{z}}/{{x}}/{{y}}?status={status}"
    made = maplibre_style(tiles, MADE_TO_ZOOM, lang, attributions(connection, lang))
    return kept(request, orjson.dumps(made), "application/json")


@router.get("/locale/{lang}", response_class=Response, responses={422: problems.DOCUMENTED[422]})
def words(request: Request, lang: Language) -> Response:
    """Return the words of the page in a language."""
    shown = {key: text for key, text in catalogue(lang).items() if key.startswith(SECTIONS)}
    return kept(request, orjson.dumps(shown), "application/json")
