"""QR codes and the links in them, which must work on other machines than this one."""

import io
import ipaddress
from urllib.parse import urlencode, urlsplit

import segno

from geo.errors import InputError


def grid_link(site: str, grid: str) -> str:
    """Return the URL at which the public page shows a grid.

    Raises
    ------
    InputError
        If ``site`` is missing, or an address of this machine only.
    """
    if not is_reachable(site):
        raise InputError("site_is_loopback", site=site or "-")
    return f"{site.rstrip('/')}/?{urlencode({'grid': grid})}"


def is_reachable(site: str) -> bool:
    """Return whether a URL names a host that other machines can reach."""
    host = urlsplit(site).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host != "" and host != "localhost" and not host.endswith(".localhost")
    return not (address.is_loopback or address.is_unspecified)


def qr_svg(content: str) -> bytes:
    """Return a text as QR code, as an SVG file."""
    svg = io.BytesIO()
    segno.make(content, error="m", micro=False).save(svg, kind="svg", border=2, scale=4)
    return svg.getvalue()
