"""HTML pages of the OGC API: a frame that Vite builds, and content from Jinja templates.

The frame (``maps/web/ogc.html``) brings styles and the map; nothing comes from other servers.
"""

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jinja2

from geo.messages import Language, catalogue
from maps import build

CONTENT_MARK = "<!--content-->"
TITLE_MARK = "<!--title-->"
LANGUAGE_TAGS: dict[Language, str] = {"zh": "zh-CN", "en": "en"}


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _frame(built: float) -> str:
    return (build.dist_folder() / "ogc.html").read_text(encoding="utf-8")


def render_page(
    template: str, lang: Language, document: dict[str, Any], base: str, url: str
) -> str:
    """Return a document as an HTML page.

    Parameters
    ----------
    template
        Name of the template, without its suffix.
    base
        Address of the landing page.
    url
        Address of the page.

    Raises
    ------
    SetupError
        If the web pages have not been built.
    """
    texts = catalogue(lang)

    def t(key: str) -> str:
        return texts.get(f"ogc.{key}", key)

    def field_title(name: str) -> str:
        return texts.get(f"field.{name}", name)

    content = (
        _environment()
        .get_template(f"{template}.html")
        .render(
            document=document,
            base=base,
            crumbs=_crumbs(base, url, texts),
            links=document.get("links", []),
            language="en" if lang == "zh" else "zh",
            t=t,
            field_title=field_title,
        )
    )
    title = f"{document.get('title') or t(template)} - Gridatlas"
    frame = _frame((build.dist_folder() / "ogc.html").stat().st_mtime)
    frame = frame.replace(TITLE_MARK, str(jinja2.filters.do_forceescape(title)))
    frame = frame.replace('<html lang="zh-CN">', f'<html lang="{LANGUAGE_TAGS[lang]}">')
    return frame.replace(CONTENT_MARK, content)


def _crumbs(base: str, url: str, texts: dict[str, str]) -> list[tuple[str, str]]:
    """Return the pages above a page with their addresses, from the landing page on."""
    crumbs = [(texts["ogc.landing"], f"{base}/?f=html")]
    address = base
    for part in urlsplit(url).path.partition("/ogc/")[2].split("/"):
        if part:
            address += f"/{part}"
            name = unquote(part)
            title = texts.get(f"ogc.{name}") or texts.get(f"layer.{name}") or name
            crumbs.append((title, f"{address}?f=html"))
    return crumbs
