"""Files of plans of buildings: what they are by their content, re-encoded where they are pictures.

A PDF is read page by page by the program that will print it, in a process of its own with limits.
"""

import io
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typst
from PIL import Image, ImageOps

from geo.errors import InputError, TooLargeError
from geo.model.fire import PlanMedia

MAX_PLAN_BYTES, MAX_PLAN_PIXELS, MAX_PLAN_PAGES = 7_000_000, 60_000_000, 20

PLAN_SIDE_PIXELS = 5000
"""Longest side of a stored picture: more than A4 prints at 300 dots an inch."""

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP")
SUFFIXES = {PlanMedia.PDF: "pdf", PlanMedia.JPEG: "jpg", PlanMedia.PNG: "png"}

_TIMEOUT_S = 20
_MEMORY_BYTES = 2 * 2**30
_UNREADABLE, _TOO_MANY_PAGES = 3, 4
"""Exit codes of the process that reads a PDF."""


@dataclass(frozen=True)
class PlanFile:
    """A plan as it is stored."""

    media_type: PlanMedia
    pages: int
    content: bytes


def inspect_plan(content: bytes) -> PlanFile:
    """Return a plan as it is stored, by its content and not by its name.

    Pictures lose their metadata.

    Raises
    ------
    InputError
        If it is neither a readable PDF nor a picture in one of :data:`PICTURE_FORMATS`.
    TooLargeError
        If it has too many bytes, pixels or pages.
    """
    if len(content) > MAX_PLAN_BYTES:
        raise TooLargeError("plan_too_large", most=MAX_PLAN_BYTES // 1_000_000)
    if content.startswith(b"%PDF-"):
        return PlanFile(PlanMedia.PDF, _count_pages(content), content)
    try:
        with Image.open(io.BytesIO(content), formats=PICTURE_FORMATS) as picture:
            if picture.width * picture.height > MAX_PLAN_PIXELS:
                raise TooLargeError("plan_pixels", most=MAX_PLAN_PIXELS // 1_000_000)
            media = PlanMedia.PNG if picture.format == "PNG" else PlanMedia.JPEG
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        _refuse_unreadable()
    upright.thumbnail((PLAN_SIDE_PIXELS, PLAN_SIDE_PIXELS))
    upright.info.clear()
    out = io.BytesIO()
    upright.save(out, media.name, quality=88, optimize=True)
    return PlanFile(media, 1, out.getvalue())


def _refuse_unreadable() -> NoReturn:
    raise InputError("plan_unreadable", formats=", ".join(("PDF", *PICTURE_FORMATS))) from None


def _count_pages(content: bytes) -> int:
    """Return the number of pages of a PDF, each of which can be printed."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-plan-") as folder:
        (Path(folder) / "plan.pdf").write_bytes(content)
        command = [sys.executable, "-m", "maps.paper.plan_files", folder]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            _refuse_unreadable()
    if done.returncode == _TOO_MANY_PAGES:
        raise TooLargeError("plan_pages", most=MAX_PLAN_PAGES)
    if done.returncode:
        _refuse_unreadable()
    return int(done.stdout)


def _main(folder: str) -> int:
    """Print the number of pages of ``plan.pdf`` in a folder; return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_TIMEOUT_S, _TIMEOUT_S))
    pages = 0
    while pages <= MAX_PLAN_PAGES and _has_page(Path(folder), pages + 1):
        pages += 1
    if not pages:
        return _UNREADABLE
    if pages > MAX_PLAN_PAGES:
        return _TOO_MANY_PAGES
    sys.stdout.write(str(pages))
    return 0


def _has_page(folder: Path, page: int) -> bool:
    """Return whether a PDF has a page that can be printed."""
    (folder / "page.typ").write_text(f'#image("plan.pdf", page: {page}, width: 100%)')
    try:
        typst.compile(folder / "page.typ", root=folder, ignore_system_fonts=True)
    except typst.TypstError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
