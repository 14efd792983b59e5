"""Drawing constraints and plans read from command-line options and files."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection

from cli import console
from etl.input.formats import check_file
from etl.input.mapping import Coordinates
from etl.input.synonyms import COLUMNS, normalize_name
from etl.input.vector import polygonal, read_vector
from geo.errors import InputError, NotFoundError
from geo.messages import text
from geo.partition.constraints import Area, Constraints
from geo.partition.forecast import Forecast
from geo.partition.options import CommunityDrawOptions, DrawOptions
from geo.partition.plan_from_polygons import assign_to_communities
from geo.plans import community_layers

PROOF_TIME_S = 60.0
"""Time limit of ``--prove`` for one community."""

MAX_GROWTH_PERCENT = 1000

SINGLE_COMMUNITY_OPTIONS = ("together", "apart", "lock")
"""Options that name buildings or grids, which belong to one community."""


def combine_options(options: Any) -> CommunityDrawOptions:
    """Combine the options of a command with its constraints file; an option overrides the file.

    Parameters
    ----------
    options
        Dataclass of the options; those that a command does not have count as not given.

    Raises
    ------
    InputError
        If an option is malformed, the file is not TOML, or a name or value is not valid.
    """

    def find(name: str) -> Any:
        return getattr(options, name, None) or None

    lists = {
        "weights": parse_weights(find("weight") or ()),
        "together": parse_code_groups("--together", find("together") or ()),
        "apart": parse_code_groups("--apart", find("apart") or (), exactly=2),
        "dedicated": find("dedicated") or (),
        "areas": [str(file) for file in find("area") or ()],
        "lock": find("lock") or (),
    }
    flags = {
        "whole_compounds": find("whole_compounds"),
        "fresh": find("from_scratch"),
        "only_touched": find("only_touched"),
        "complete": find("repair"),
        "prove": PROOF_TIME_S if find("prove") else None,
    }
    numbers = {
        name: getattr(options, name, None)
        for name in ("balance", "target", "lower", "upper", "seed", "seconds")
    }
    values = lists | flags | numbers
    present = {name: value for name, value in values.items() if value is not None}
    requested = CommunityDrawOptions.from_document(present, text("wanted.options"))
    file = find("constraints")
    if file is None:
        return requested
    try:
        document = tomllib.loads(check_file(file, ".toml").read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("constraints_no_toml", file=file, said=str(error)) from None
    from_file = CommunityDrawOptions.from_document(document, str(file))
    overrides = requested.everywhere()
    defaults = _resolve_area_files(from_file.everywhere(), file.parent)
    sections = {
        code: overrides.over(_resolve_area_files(section, file.parent).over(defaults))
        for code, section in from_file.community.items()
    }
    return CommunityDrawOptions(**overrides.over(defaults).model_dump(), community=sections)


def _resolve_area_files(section: DrawOptions, folder: Path) -> DrawOptions:
    """Return options whose area files are relative to the folder of the constraints file."""
    return section.model_copy(update={"areas": tuple(str(folder / name) for name in section.areas)})


def parse_weights(assignments: Sequence[str]) -> dict[str, float]:
    """Return weights by name from ``NAME=NUMBER``.

    Raises
    ------
    InputError
        If an assignment is malformed.
    """
    weights = {}
    for assignment in assignments:
        name, _, number = assignment.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise InputError(
                "not_as_wanted",
                option="--weight",
                wanted=text("wanted.assignment"),
                given=assignment,
            ) from None
    return weights


def parse_code_groups(option: str, lists: Sequence[str], exactly: int = 0) -> list[list[str]]:
    """Return groups of codes from ``A,B``.

    Parameters
    ----------
    option
        Name of the option, for the error.
    exactly
        Number of codes that a group must have; 0 for two or more.

    Raises
    ------
    InputError
        If a group has another number of codes.
    """
    groups = []
    for codes in lists:
        group = [code.strip() for code in codes.split(",") if code.strip()]
        if len(group) < 2 or (exactly and len(group) != exactly):
            raise InputError(
                "not_as_wanted", option=option, wanted=text("wanted.group"), given=codes
            )
        groups.append(group)
    return groups


def file_coordinates(crs: str, transformation: str) -> Coordinates:
    """Return the coordinate settings of polygon files that the options of a command give."""
    return Coordinates(crs=crs or None, transformation=transformation or None)


def constraints_of_community(
    requested: CommunityDrawOptions, code: str, coordinates: Coordinates
) -> Constraints:
    """Return the constraints of one community."""
    section = requested.community.get(code, requested.everywhere())
    return section.to_constraints(_read_areas(section.areas, coordinates))


def constraints_of_communities(
    connection: Connection,
    requested: CommunityDrawOptions,
    codes: Sequence[str],
    coordinates: Coordinates,
) -> tuple[Constraints, dict[str, Constraints]]:
    """Return the constraints of all communities, and those of the communities that differ.

    Raises
    ------
    InputError
        If an option for all communities names buildings or grids, or an area lies in no community.
    NotFoundError
        If a section names a community that does not exist.
    """
    everywhere = requested.everywhere()
    for name in SINGLE_COMMUNITY_OPTIONS:
        if getattr(everywhere, name):
            raise InputError("constraint_of_one_community", constraint=name)
    known = {code for code, _ in community_layers.list_communities(connection)}
    for code in requested.community:
        if code not in known:
            raise NotFoundError("no_such_community", code=code)
    areas = _areas_by_community(connection, _read_areas(everywhere.areas, coordinates))
    exceptions = {}
    for code in {*requested.community, *areas} & set(codes):
        section = requested.community.get(code, everywhere)
        more = tuple(name for name in section.areas if name not in everywhere.areas)
        exceptions[code] = section.to_constraints(
            (*areas.get(code, ()), *_read_areas(more, coordinates))
        )
    return everywhere.to_constraints(), exceptions


def _read_areas(files: Sequence[str], coordinates: Coordinates) -> tuple[Area, ...]:
    """Read the polygons of files, named by their column ``name`` or by the file."""
    areas: list[Area] = []
    for file in map(Path, files):
        frame = read_polygons(file, coordinates)
        names = frame["name"] if "name" in frame else [None] * len(frame)
        for number, (name, shape) in enumerate(zip(names, frame.geometry, strict=True), 1):
            default = file.stem + (f" {number}" if len(frame) > 1 else "")
            areas.append(Area(name if isinstance(name, str) and name else default, shape.wkt))
    return tuple(areas)


def read_forecast(
    planned: Path | None, growth_percent: float, coordinates: Coordinates
) -> Forecast:
    """Return a forecast from a file of planned buildings and a growth in percent.

    Raises
    ------
    InputError
        If the file can't be read, has no column of households, or a number in it is none.
    """
    if not -100 <= growth_percent <= MAX_GROWTH_PERCENT:
        wanted = text("wanted.growth", most=MAX_GROWTH_PERCENT)
        raise InputError("not_as_wanted", option="--growth", wanted=wanted, given=growth_percent)
    if planned is None:
        return Forecast(growth=growth_percent / 100)
    frame = read_polygons(planned, coordinates)
    names = {field: set(COLUMNS["building"][field].split()) for field in ("households", "name")}
    columns = {
        field: next((name for name in frame.columns if normalize_name(str(name)) in known), None)
        for field, known in names.items()
    }
    if columns["households"] is None:
        raise InputError("planned_without_households", file=planned)
    households = pd.to_numeric(frame[columns["households"]], errors="coerce")
    wrong = ~(households.ge(0) & households.mod(1).eq(0))
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        given = frame[columns["households"]].iloc[row]
        raise InputError("planned_households", file=planned, row=row + 1, given=given)
    called = frame[columns["name"]] if columns["name"] is not None else None
    return Forecast(
        gpd.GeoDataFrame(
            {
                "households": households.to_numpy(dtype="int64"),
                "name": "" if called is None else called.fillna("").astype(str).to_numpy(),
                "geom": frame.geometry.to_numpy(),
            },
            geometry="geom",
            crs=frame.crs,
        ),
        growth_percent / 100,
    )


def _areas_by_community(
    connection: Connection, areas: Sequence[Area]
) -> dict[str, tuple[Area, ...]]:
    """Return the areas by the code of the community in which most of each lies."""
    if not areas:
        return {}
    shapes = gpd.GeoSeries.from_wkt([area.wkt for area in areas])
    by_community: dict[str, tuple[Area, ...]] = {}
    for area, code in zip(areas, _community_codes(connection, shapes), strict=True):
        if code is None:
            raise InputError("area_nowhere", name=area.name)
        by_community[code] = (*by_community.get(code, ()), area)
    return by_community


def read_plans(
    connection: Connection, file: Path, coordinates: Coordinates, layer: str | None = None
) -> dict[str, gpd.GeoDataFrame]:
    """Read polygons, grouped by the code of the community in which most of each lies.

    Raises
    ------
    InputError
        If the file can't be read, holds no polygons, or touches no community.
    """
    frame = read_polygons(file, coordinates, layer)
    codes = np.array(_community_codes(connection, frame.geometry), dtype=object)
    outside = codes == None  # noqa: E711 (element by element)
    if outside.all():
        raise InputError("plan_nowhere", file=file)
    if outside.any():
        console.err.print(text("score.elsewhere", count=int(outside.sum())))
    for code, count in _find_repeated_codes(frame).items():
        console.err.print(text("score.code_repeated", code=code, count=count))
    return {code: frame[codes == code] for code in sorted(set(codes[~outside]))}


def _find_repeated_codes(polygons: gpd.GeoDataFrame) -> dict[str, int]:
    """Return the codes that several polygons have, with how many."""
    if "code" not in polygons:
        return {}
    counts = polygons["code"].dropna().astype(str).value_counts()
    return {code: int(count) for code, count in counts.items() if code and count > 1}


def _community_codes(connection: Connection, polygons: gpd.GeoSeries) -> list[str | None]:
    """Return the code of the community in which most of each polygon lies, None outside all."""
    near = community_layers.communities_near(connection, polygons)
    rows = assign_to_communities(polygons.to_numpy(), near.geometry.to_numpy())
    return [near["code"].iloc[row] if row >= 0 else None for row in rows]


def read_polygons(
    file: Path, coordinates: Coordinates, layer: str | None = None
) -> gpd.GeoDataFrame:
    """Read the polygons of a file, in degrees of EPSG:4490.

    Raises
    ------
    InputError
        If the file can't be read or holds no polygons.
    """
    frame = read_vector(file, layer, crs=coordinates.crs, transformation=coordinates.transformation)
    shapes = polygonal(frame.geometry.to_numpy())
    has_area = np.array(
        [shape is not None and shapely.area(shape) > 0 for shape in shapes], dtype=bool
    )
    if not has_area.any():
        raise InputError("plan_without_polygons", file=file)
    return frame.set_geometry(gpd.GeoSeries(shapes, index=frame.index, crs=frame.crs))[has_area]


def read_line(file: Path, coordinates: Coordinates) -> shapely.Geometry:
    """Read the lines of a file as one geometry, in degrees of EPSG:4490.

    Raises
    ------
    InputError
        If the file can't be read or holds no line.
    """
    frame = read_vector(file, crs=coordinates.crs, transformation=coordinates.transformation)
    shapes = frame.geometry.to_numpy()
    lines = shapes[shapely.get_dimensions(shapes) == 1]
    if len(lines) == 0:
        raise InputError("line_file_without_lines", file=file)
    return shapely.line_merge(shapely.union_all(lines))
