"""PDF by typst: a template, its data as JSON, pictures beside it; fonts of the machine embedded.

Data reach the template as data alone, so that no name in the database is ever read as markup.
"""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import typst

from geo.errors import InputError, SetupError
from maps.style import FONTS

CHINESE_FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei")
TEMPLATES = files("maps").joinpath("templates", "paper")


def compile_pdf(
    template: str, data: Mapping[str, Any], pictures: Mapping[str, bytes], dated: datetime
) -> bytes:
    """Return a PDF.

    Parameters
    ----------
    template
        Name of a template in ``maps/templates/paper``, without its ending.
    data
        What the template reads as ``data.json``.
    pictures
        Files that the data name, SVG, PNG or JPEG.
    dated
        The date of the document: the same data of the same date give the same file.

    Raises
    ------
    SetupError
        If the machine has no Chinese font to embed.
    """
    with tempfile.TemporaryDirectory(prefix="gridatlas-paper-") as folder:
        root = Path(folder)
        for source in TEMPLATES.iterdir():
            (root / source.name).write_bytes(source.read_bytes())
        for name, content in pictures.items():
            (root / name).write_bytes(content)
        shown = {"fonts": [chinese_font()]} | dict(data)
        (root / "data.json").write_bytes(orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY))
        return typst.compile(
            root / f"{template}.typ",
            root=root,
            font_paths=_fonts(),
            format="pdf",
            timestamp=dated.astimezone(UTC).replace(microsecond=0),
            pdf_tags=False,
        )


def write_file(pdf: bytes, out: Path) -> Path:
    """Write a document, whole or not at all.

    Raises
    ------
    InputError
        If the place can't be written to.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(pdf)
        part.replace(out)
    except OSError as error:
        raise InputError("export_unwritable", file=out, said=error.strerror or error) from error
    return out


@cache
def chinese_font() -> str:
    """Return the first family of the machine that has Chinese letters."""
    families = set(_fonts().families())
    for family in (*CHINESE_FONTS, *FONTS):
        if family in families and family != "sans-serif":
            return family
    raise SetupError("no_chinese_font")


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=False)
