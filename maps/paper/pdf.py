"""Compile typst templates to PDF, with data as JSON, pictures as files and system fonts.

Templates read values from JSON, so that no text of the database is interpreted as markup.
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
from maps.paper.glyphs import replace_undrawable, system_fonts
from maps.style import FONTS

CHINESE_FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei")
TEMPLATES = files("maps").joinpath("templates", "paper")


def compile_pdf(
    template: str, data: Mapping[str, Any], pictures: Mapping[str, bytes], dated: datetime
) -> bytes:
    """Compile a template to a PDF.

    Parameters
    ----------
    template
        Name of a template in ``maps/templates/paper``, without its suffix.
    data
        Content of ``data.json``, which the template reads.
    pictures
        Contents of the SVG, PNG or JPEG files named in the data, by file name.
    dated
        Date of the document; the same data and date give the same file.

    Raises
    ------
    SetupError
        If the system has no Chinese font to embed.
    """
    with tempfile.TemporaryDirectory(prefix="gridatlas-paper-") as folder:
        root = Path(folder)
        for source in TEMPLATES.iterdir():
            (root / source.name).write_bytes(source.read_bytes())
        values = {"fonts": [chinese_font()]} | dict(data)
        content = {"data.json": orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)}
        for name, content in (content | dict(pictures)).items():
            is_text = name.endswith((".json", ".svg"))
            shown = replace_undrawable(content.decode()).encode() if is_text else content
            (root / name).write_bytes(shown)
        return typst.compile(
            root / f"{template}.typ",
            root=root,
            font_paths=system_fonts(),
            format="pdf",
            timestamp=dated.astimezone(UTC).replace(microsecond=0),
            pdf_tags=False,
        )


def write_file(content: bytes, out: Path) -> Path:
    """Write a file, completely or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(out)
    except OSError as error:
        raise InputError("export_unwritable", file=out, said=error.strerror or error) from error
    return out


@cache
def chinese_font() -> str:
    """Return the preferred Chinese font family of the system.

    Raises
    ------
    SetupError
        If there is none.
    """
    families = set(system_fonts().families())
    for family in (*CHINESE_FONTS, *FONTS):
        if family in families and family != "sans-serif":
            return family
    raise SetupError("no_chinese_font")
