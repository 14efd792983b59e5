"""``/legal``: which personal information is held, as a page made of the documentation."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from markdown_it import MarkdownIt
from starlette.responses import HTMLResponse

from api.core.problems import preferred_language
from api.ogc.html_pages import CONTENT_MARK, LANGUAGE_TAGS, TITLE_MARK
from geo.messages import LANGUAGES, Language, text
from maps import build

router = APIRouter(tags=["page"])

_CHECKOUT = Path(__file__).parents[2]
_FOLDER = next(
    folder
    for folder in (Path(__file__).parent / "documents", _CHECKOUT / "docs")
    if (folder / "personal-information.md").is_file()
)
"""In an installed package beside this module, in a checkout under ``docs``."""

_FILES: dict[Language, str] = {
    "zh": "personal-information.zh-CN.md",
    "en": "personal-information.md",
}
_FILE_LINK = re.compile(r"^\[[^\]]+\]\([\w.-]+\.md\)\n+", re.MULTILINE)


@router.get("/legal", response_class=HTMLResponse, include_in_schema=False)
def legal_page(request: Request, lang: Annotated[Language | None, Query()] = None) -> HTMLResponse:
    """Return which personal information is held, for what, how long, and what is not built."""
    chosen = lang or preferred_language(request)
    frame = (build.dist_folder() / "legal.html").read_text(encoding="utf-8")
    frame = frame.replace('<html lang="zh-CN">', f'<html lang="{LANGUAGE_TAGS[chosen]}">')
    frame = frame.replace(TITLE_MARK, text("online.privacy", lang=chosen))
    content = f"{_language_links(chosen)}<main>{_document(chosen)}</main>"
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language"}
    return HTMLResponse(frame.replace(CONTENT_MARK, content), headers=headers)


def _language_links(current: Language) -> str:
    other = next(lang for lang in LANGUAGES if lang != current)
    name = text("page.language", lang=current)
    return f'<nav><a href="/legal?lang={other}" lang="{LANGUAGE_TAGS[other]}">{name}</a></nav>'


@cache
def _document(lang: Language) -> str:
    """Return the document as HTML, without links to other files of the documentation."""
    words = (_FOLDER / _FILES[lang]).read_text(encoding="utf-8")
    html: str = MarkdownIt("js-default").render(_FILE_LINK.sub("", words))  # escapes HTML in it
    name = text("online.privacy", lang=lang)
    box = f'<div class="wide" tabindex="0" role="region" aria-label="{name}"><table>'
    return html.replace("<table>", box).replace("</table>", "</table></div>")
