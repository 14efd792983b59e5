"""What a planner asks for: options and a wishes file, made into wishes."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from sqlalchemy import Connection

from etl.input.formats import check_file
from etl.input.vector import polygonal, read_vector
from geo.errors import InputError, NotFoundError
from geo.messages import text
from geo.partition.constraints import Area, Constraints
from geo.partition.options import CommunityDrawOptions, DrawOptions
from geo.partition.plan_from_polygons import assign_to_communities
from geo.plans import store

OF_ONE = ("together", "apart", "lock")
"""Wishes that name what one community has."""


def combine_requests(options: Mapping[str, Any], file: Path | None) -> CommunityDrawOptions:
    """Return what is asked by a wishes file and by options; an option outdoes the file.

    Raises
    ------
    InputError
        If the file is no TOML, or anything is not what is wanted there.
    """
    given = CommunityDrawOptions.from_document(options, text("wanted.options"))
    if file is None:
        return given
    try:
        document = tomllib.loads(check_file(file, ".toml").read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("wishes_no_toml", file=file, said=str(error)) from None
    written = CommunityDrawOptions.from_document(document, str(file))
    folder = file.parent
    everywhere = given.everywhere()
    sections = {
        code: everywhere.over(_beside(section, folder).over(_beside(written.everywhere(), folder)))
        for code, section in written.community.items()
    }
    whole = everywhere.over(_beside(written.everywhere(), folder))
    return CommunityDrawOptions(**whole.model_dump(), community=sections)


def _beside(section: DrawOptions, folder: Path) -> DrawOptions:
    """Return wishes whose files are named from the folder of the wishes file."""
    return section.model_copy(update={"areas": tuple(str(folder / name) for name in section.areas)})


def weights(given: Sequence[str]) -> dict[str, float]:
    """Return weights given as ``name=number``.

    Raises
    ------
    InputError
        If one is not written so.
    """
    found = {}
    for one in given:
        name, _, number = one.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise InputError(
                "not_as_wanted", option="--weight", wanted=text("wanted.assignment"), given=one
            ) from None
    return found


def codes(option: str, given: Sequence[str], exactly: int = 0) -> list[list[str]]:
    """Return groups of codes given as ``A,B``.

    Raises
    ------
    InputError
        If there are fewer than two, or not as many as wanted.
    """
    groups = [[code.strip() for code in one.split(",") if code.strip()] for one in given]
    for group, one in zip(groups, given, strict=True):
        if len(group) < 2 or (exactly and len(group) != exactly):
            raise InputError("not_as_wanted", option=option, wanted=text("wanted.group"), given=one)
    return groups


def of_one(wanted: CommunityDrawOptions, code: str, crs: str | None) -> Constraints:
    """Return what is wished for in one community."""
    section = wanted.community.get(code, wanted.everywhere())
    return section.to_constraints(_areas(section.areas, crs))


def of_many(
    connection: Connection, wanted: CommunityDrawOptions, codes: Sequence[str], crs: str | None
) -> tuple[Constraints, dict[str, Constraints]]:
    """Return what is wished for everywhere, and in single communities.

    Raises
    ------
    InputError
        If what is asked of all names buildings of one, or an area lies in none.
    NotFoundError
        If a section is of a community that is not there.
    """
    everywhere = wanted.everywhere()
    for name in OF_ONE:
        if getattr(everywhere, name):
            raise InputError("wish_of_one_community", wish=name)
    known = {code for code, _ in store.communities(connection)}
    for code in wanted.community:
        if code not in known:
            raise NotFoundError("no_such_community", code=code)
    areas = _by_community(connection, _areas(everywhere.areas, crs))
    own = {}
    for code in {*wanted.community, *areas} & set(codes):
        section = wanted.community.get(code, everywhere)
        more = tuple(name for name in section.areas if name not in everywhere.areas)
        own[code] = section.to_constraints((*areas.get(code, ()), *_areas(more, crs)))
    return everywhere.to_constraints(), own


def _areas(files: Sequence[str], crs: str | None) -> tuple[Area, ...]:
    """Return the polygons of files, named by their column ``name`` or the file."""
    found: list[Area] = []
    for file in files:
        frame = polygons_of(Path(file), crs)
        names = frame["name"] if "name" in frame else [None] * len(frame)
        for number, (name, shape) in enumerate(zip(names, frame.geometry, strict=True), 1):
            plain = Path(file).stem + (f" {number}" if len(frame) > 1 else "")
            found.append(Area(name if isinstance(name, str) and name else plain, shape.wkt))
    return tuple(found)


def polygons_of(file: Path, crs: str | None, layer: str | None = None) -> gpd.GeoDataFrame:
    """Return the polygons of a file, in longitude and latitude of the storage system.

    Raises
    ------
    InputError
        If the file can't be read or holds none.
    """
    frame = read_vector(file, layer, crs=crs)
    shapes = polygonal(frame.geometry.to_numpy())
    held = np.array([shape is not None and shapely.area(shape) > 0 for shape in shapes], dtype=bool)
    if not held.any():
        raise InputError("plan_without_polygons", file=file)
    return frame.set_geometry(gpd.GeoSeries(shapes, index=frame.index, crs=frame.crs))[held]


def _by_community(connection: Connection, areas: Sequence[Area]) -> dict[str, tuple[Area, ...]]:
    """Return the areas of each community: those that lie in it for the most part."""
    if not areas:
        return {}
    shapes = gpd.GeoSeries.from_wkt([area.wkt for area in areas])
    near = store.communities_at(connection, shapes)
    owner = assign_to_communities(shapes.to_numpy(), near.geometry.to_numpy())
    found: dict[str, tuple[Area, ...]] = {}
    for area, row in zip(areas, owner, strict=True):
        if row < 0:
            raise InputError("area_nowhere", name=area.name)
        code = near["code"].iloc[row]
        found[code] = (*found.get(code, ()), area)
    return found
