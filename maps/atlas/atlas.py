"""The grid atlas: one page a community and a page of contents, each whole in one file.

The pages ask nothing of any network, so that the atlas can be mailed or carried on a stick, and
an unchanged plan gives the same page to the byte.
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

    Every page is made before the first is put in its place; a page that did not change is left
    alone, and pages of an earlier atlas that are no longer in it are taken away. Other files in
    the folder are not touched.

    Parameters
    ----------
    out
        Folder, made if it is not there.
    region
        Code of a region, or the digits it begins with; everything by default.

    Returns
    -------
    list of Path
        The page of contents, then the communities' pages in the order of their codes.

    Raises
    ------
    NotFoundError
        If no community there has grids.
    InputError
        If the folder can't be one.
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
            fresh = Path(folder)
            for done, entry in enumerate(entries):
                progress("atlas", done, len(entries))
                html = _community_page(
                    sheet_map.draw_sheet_map(read_sheet(connection, entry)), entries, entry, credits
                )
                (fresh / f"{entry.code}.html").write_text(html, encoding="utf-8")
            (fresh / INDEX).write_text(_index_page(entries, credits), encoding="utf-8")
            names = [f"{entry.code}.html" for entry in entries] + [INDEX]
            _put_in_place(fresh, out, names)
    progress("atlas", len(entries), len(entries))
    return [out / INDEX, *(out / name for name in names[:-1])]


def _community_page(
    made: sheet_map.SheetMap, entries: Sequence[AtlasEntry], entry: AtlasEntry, credits: list[str]
) -> str:
    place = entries.index(entry)
    around = {
        "credits": credits,
        "previous": entries[place - 1] if place else None,
        "next": entries[place + 1] if place + 1 < len(entries) else None,
    }
    title = text("atlas.community_map", lang="zh", name=entry.name)
    return _page("community.html", made.drawn, title, entry=entry, **made.words, **around)


def _index_page(entries: Sequence[AtlasEntry], credits: list[str]) -> str:
    totals = {
        "communities": len(entries),
        "grids": sum(entry.grids for entry in entries),
        "households": f"{sum(entry.households for entry in entries):,}",
    }
    drawn = sheet_map.draw_overview_map(entries)
    city = entries[0].city
    title = city + text("atlas.title", lang="zh")
    words = {"city": city, "totals": totals, "streets": _streets(entries), "credits": credits}
    return _page("index.html", drawn, title, **words)


def _page(template: str, drawn: offline_map.OfflineMap, title: str, **words: object) -> str:
    """Return a page: the template sets what stands before and after the map."""
    around = vars(_templates.get_template(template).make_module(words))
    return offline_map.render_page(drawn, title, around["before"], around["after"])


def _streets(entries: Sequence[AtlasEntry]) -> list[dict[str, Any]]:
    """Return the communities of each street with their figures."""
    found = []
    for _, group in groupby(entries, key=lambda entry: entry.street_code):
        members = list(group)
        found.append(
            {
                "name": members[0].street,
                "grids": sum(entry.grids for entry in members),
                "households": sum(entry.households for entry in members),
                "rows": [_row(entry) for entry in members],
            }
        )
    return found


def _row(entry: AtlasEntry) -> dict[str, Any]:
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


def _put_in_place(fresh: Path, out: Path, names: list[str]) -> None:
    """Replace the pages that changed, the page of contents last, and take away the stale ones."""
    manifest = out / _MANIFEST
    before = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else []
    for name in names:
        if not _same(fresh / name, out / name):
            (fresh / name).replace(out / name)
    for name in set(before) - set(names):
        (out / Path(name).name).unlink(missing_ok=True)
    listed = fresh / _MANIFEST
    listed.write_text(json.dumps(names, indent=0) + "\n", encoding="utf-8")
    if not _same(listed, manifest):
        listed.replace(manifest)


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()
