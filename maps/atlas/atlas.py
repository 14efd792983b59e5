"""Write the grid atlas: an HTML page for each community and an index page.

Pages are self-contained and need no network, so that the atlas can be mailed or copied to a USB
stick. An unchanged plan gives a byte-identical page.
"""

import json
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Engine

from geo.errors import InputError, NotFoundError
from geo.messages import LANGUAGES, text
from geo.progress import Progress, silent
from maps.atlas import offline_map, sheet_map
from maps.atlas.sheet import AtlasEntry, read_entries, read_sheet
from maps.attribution import attributions

INDEX = "index.html"
_MANIFEST = "atlas.json"

_templates = Environment(
    loader=PackageLoader("maps"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_templates.globals |= {"zh": partial(text, lang="zh"), "en": partial(text, lang="en")}


def write_atlas(
    engine: Engine, out: Path, region: str | None = None, *, progress: Progress = silent
) -> list[Path]:
    """Write the atlas of a region into a folder.

    All pages are rendered before the first is replaced. Unchanged pages are not rewritten, pages
    of an earlier atlas that are no longer part of it are deleted, and other files are kept.

    Parameters
    ----------
    out
        Folder, created if it does not exist.
    region
        Code of a region or its first digits; all regions by default.

    Returns
    -------
    list of Path
        The index page, then the pages of the communities, ordered by code.

    Raises
    ------
    NotFoundError
        If no community there has grids.
    InputError
        If ``out`` is a file.
    """
    if out.exists() and not out.is_dir():
        raise InputError("atlas_folder_taken", folder=out)
    with engine.connect() as connection:
        entries = read_entries(connection, region)
        credits = [name for lang in LANGUAGES for name in attributions(connection, lang)]
        if not entries:
            raise NotFoundError("nothing_to_map", region=region or "*")
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".atlas-", dir=out) as folder:
            new_pages = Path(folder)
            for done, entry in enumerate(entries):
                progress("atlas", done, len(entries))
                html = _community_page(
                    sheet_map.draw_sheet_map(read_sheet(connection, entry)), entries, entry, credits
                )
                (new_pages / f"{entry.code}.html").write_text(html, encoding="utf-8")
            (new_pages / INDEX).write_text(_index_page(entries, credits), encoding="utf-8")
            names = [f"{entry.code}.html" for entry in entries] + [INDEX]
            _replace_changed(new_pages, out, names)
    progress("atlas", len(entries), len(entries))
    return [out / INDEX, *(out / name for name in names[:-1])]


def _community_page(
    drawing: sheet_map.SheetMap,
    entries: Sequence[AtlasEntry],
    entry: AtlasEntry,
    credits: list[str],
) -> str:
    position = entries.index(entry)
    navigation = {
        "credits": credits,
        "previous": entries[position - 1] if position else None,
        "next": entries[position + 1] if position + 1 < len(entries) else None,
    }
    title = text("atlas.community_map", lang="zh", name=entry.name)
    return render_template(
        "community.html", drawing.map, title, entry=entry, **drawing.texts, **navigation
    )


def _index_page(entries: Sequence[AtlasEntry], credits: list[str]) -> str:
    totals = {
        "communities": len(entries),
        "grids": sum(entry.grids for entry in entries),
        "households": f"{sum(entry.households for entry in entries):,}",
    }
    overview = sheet_map.draw_overview_map(entries)
    city = entries[0].city
    title = city + text("atlas.title", lang="zh")
    texts = {"city": city, "totals": totals, "streets": _streets(entries), "credits": credits}
    return render_template("index.html", overview, title, **texts)


def render_template(
    template: str, drawing: offline_map.OfflineMap, title: str, **texts: object
) -> str:
    """Return a page whose template defines the HTML before and after the map."""
    parts = vars(_templates.get_template(template).make_module(texts))
    return offline_map.render_page(drawing, title, parts["before"], parts["after"])


def _streets(entries: Sequence[AtlasEntry]) -> list[dict[str, Any]]:
    """Return the communities of each street with their figures."""
    streets = []
    for _, group in groupby(entries, key=lambda entry: entry.street_code):
        members = list(group)
        streets.append(
            {
                "name": members[0].street,
                "grids": sum(entry.grids for entry in members),
                "households": sum(entry.households for entry in members),
                "rows": [_row(entry) for entry in members],
            }
        )
    return streets


def _row(entry: AtlasEntry) -> dict[str, Any]:
    """Return the figures of a community for the table of the index page."""
    within = entry.score.get("within_limits")
    return {
        "code": entry.code,
        "name": entry.name,
        "grids": entry.grids,
        "households": entry.households,
        "within": "—" if within is None else f"{within:.0%}",
        "off": within is not None and within < 1,
        "smallest": entry.score.get("smallest", "—"),
        "largest": entry.score.get("largest", "—"),
    }


def _replace_changed(new_pages: Path, out: Path, names: list[str]) -> None:
    """Replace the pages that changed, the index page last, and delete obsolete pages."""
    manifest = out / _MANIFEST
    previous_names = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else []
    for name in names:
        _replace_if_changed(new_pages / name, out / name)
    for name in set(previous_names) - set(names):
        (out / Path(name).name).unlink(missing_ok=True)
    new_manifest = new_pages / _MANIFEST
    new_manifest.write_text(json.dumps(names, indent=0) + "\n", encoding="utf-8")
    _replace_if_changed(new_manifest, manifest)


def _replace_if_changed(new: Path, current: Path) -> None:
    if not current.exists() or new.read_bytes() != current.read_bytes():
        new.replace(current)
