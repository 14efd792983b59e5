"""``/share``: the link to a grid or place on the public page, and its QR code."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from api.core import problems
from maps.qr_code import is_reachable, qr_svg

router = APIRouter(tags=["page"], responses=problems.DOCUMENTED)

DEGREES = r"-?[0-9]{1,3}(\.[0-9]{1,8})?"


class ShareResponse(BaseModel):
    """A link to the public page; ``qr`` is an SVG, null where only this machine can follow it."""

    url: str
    qr: str | None


@router.get("/share")
def share(
    request: Request,
    grid: Annotated[str, Query(pattern="^([0-9]{15})?$")] = "",
    place: Annotated[
        str, Query(pattern=f"^({DEGREES},{DEGREES})?$", description="longitude,latitude")
    ] = "",
) -> ShareResponse:
    """Return the link to a grid or place on the public page, and its QR code."""
    chosen = {key: value for key, value in (("grid", grid), ("place", place)) if value}
    site = str(request.base_url)
    url = f"{site}?{urlencode(chosen, safe=',')}" if chosen else site
    return ShareResponse(url=url, qr=qr_svg(url).decode() if is_reachable(site) else None)
