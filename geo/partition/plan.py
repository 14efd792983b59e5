"""Drawing the grids of a community, from its layers to polygons with codes and a score card.

atoms -> cells -> graph -> search -> polygons -> score
"""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.errors import InputError
from geo.partition.atoms import Atoms, atoms_of
from geo.partition.barriers import ROAD_KIND, Barriers, Kind
from geo.partition.cells import Cells, draw_cells
from geo.partition.coverage import Floats, Ints, Polygons, borders
from geo.partition.graph import Graph, forced_onto, graph_of
from geo.partition.numbering import grid_codes, serials
from geo.partition.objective import Limits, Weights, border_cost, cost
from geo.partition.score import Members, ScoreCard, score
from geo.partition.search import Effort, search_parts


@dataclass(frozen=True)
class Community:
    """A community and what lies in and around it, in metres.

    Attributes
    ----------
    code, name
        12 digits, and what people call it.
    polygon
        Its land.
    buildings, units, compounds, roads, railways, waters
        Layers with the columns of their tables; buildings are the community's own, the others
        may reach beyond it.
    """

    code: str
    name: str
    polygon: shapely.Geometry
    buildings: gpd.GeoDataFrame
    units: gpd.GeoDataFrame
    compounds: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    railways: gpd.GeoDataFrame
    waters: gpd.GeoDataFrame


@dataclass(frozen=True)
class Wishes:
    """What a planner asks for."""

    limits: Limits = field(default_factory=Limits)
    weights: Weights = field(default_factory=Weights)
    effort: Effort = field(default_factory=Effort)
    seed: int = 1


@dataclass(frozen=True)
class Drawing:
    """A drawn plan.

    Attributes
    ----------
    grids
        ``code``, ``households``, ``kind`` and polygons in metres, in the order of codes.
    members
        One row a cell: ``grid`` (its code), ``building_code``, ``unit_code`` (None where there is
        none), ``households`` and the cell's polygon in metres. Two buildings on one cell are two
        rows, the land with the first.
    score
        The score card.
    """

    community: str
    grids: gpd.GeoDataFrame
    members: gpd.GeoDataFrame
    score: ScoreCard
    wishes: Wishes


def draw(community: Community, wishes: Wishes | None = None) -> Drawing:
    """Draw the grids of a community.

    Raises
    ------
    InputError
        If the community has no land or no building.
    """
    began = time.monotonic()
    wishes = wishes or Wishes()
    _check(community)
    atoms = atoms_of(community.buildings, community.units, wishes.limits.upper)
    cells = draw_cells(community.polygon, atoms.footprints, barriers_of(community))
    graph, land = graph_of(cells, atoms.households, atoms.compound)
    label = search_parts(
        graph, limits=wishes.limits, weights=wishes.weights, seed=wishes.seed, effort=wishes.effort
    )
    grid_of_cell = _with_waters(cells, land, label)
    polygons = _polygons(cells.polygons, grid_of_cell)
    codes = _codes(community.code, polygons)
    card = score(
        polygons,
        _members_of(atoms, cells, grid_of_cell),
        community.polygon,
        cells.barriers,
        wishes.limits,
    )
    card = replace(
        card,
        border_cost=border_cost(graph, label),
        objective=cost(graph, label, wishes.limits, wishes.weights).total,
        seconds=time.monotonic() - began,
    )
    card = replace(
        card, reasons=_explained(card, graph, label, wishes.limits, _names(atoms, cells, land))
    )
    card = _named(card, codes)
    return Drawing(
        community.code,
        _grid_frame(codes, polygons, atoms, cells, grid_of_cell, community.buildings.crs),
        _member_frame(codes, atoms, cells, grid_of_cell, community.buildings.crs),
        card,
        wishes,
    )


def _check(community: Community) -> None:
    """Refuse a community that there is nothing to draw in."""
    if community.polygon is None or shapely.is_empty(community.polygon):
        raise InputError("community_without_border", code=community.code, name=community.name)
    if len(community.buildings) == 0:
        raise InputError("community_without_buildings", code=community.code, name=community.name)


def barriers_of(community: Community) -> Barriers:
    """Return what cuts a community: its roads, railways, waters and compound walls.

    Tunnels cut nothing, and a bridge nothing but the water that it crosses.
    """
    surfaces = community.waters[
        community.waters["kind"].isin(["river", "canal", "lake", "sea"])
        & (shapely.get_dimensions(community.waters.geometry) == 2)
    ].geometry.to_numpy()
    streams = community.waters[
        community.waters["kind"].isin(["river", "canal"])
        & ~community.waters["covered"].astype(bool)
        & (shapely.get_dimensions(community.waters.geometry) == 1)
    ].geometry.to_numpy()
    roads = community.roads[
        ~community.roads["tunnel"].astype(bool) & community.roads["road_class"].isin(ROAD_KIND)
    ]
    rails = community.railways[~community.railways["tunnel"].astype(bool)].geometry.to_numpy()
    walls = community.compounds[community.compounds["gated"].fillna(True).astype(bool)]
    wet = shapely.union_all(surfaces)
    groups = [
        (_outside(roads.geometry.to_numpy(), wet), roads["road_class"].map(ROAD_KIND).to_numpy()),
        _of_kind(_outside(rails, wet), Kind.RAILWAY),
        _of_kind(_outside(streams, wet), Kind.RIVER),
        _of_kind(shapely.boundary(surfaces), Kind.RIVER),
        _of_kind(shapely.boundary(walls.geometry.to_numpy()), Kind.WALL),
    ]
    lines = np.concatenate([lines for lines, _ in groups])
    kinds = np.concatenate([np.asarray(kinds, dtype=np.int8) for _, kinds in groups])
    return Barriers(lines, kinds, surfaces)


def _outside(lines: Polygons, area: shapely.Geometry) -> Polygons:
    outside: Polygons = shapely.difference(lines, area)
    return outside


def _of_kind(lines: Polygons, kind: Kind) -> tuple[Polygons, NDArray[np.int8]]:
    return lines, np.full(len(lines), kind, dtype=np.int8)


def _with_waters(cells: Cells, land: Ints, label: Ints) -> Ints:
    """Return the grid of each cell: a water goes to the grid with which it shares most shore."""
    grid = np.full(len(cells.polygons), -1, dtype=np.int64)
    grid[land] = label
    shared = borders(cells.polygons)
    while (grid < 0).any():
        one, other = shared.left, shared.right
        one_wet, other_wet = grid[one] < 0, grid[other] < 0
        shore = (one >= 0) & (one_wet != other_wet)
        if not shore.any():
            grid[grid < 0] = 0
            break
        wet = np.where(one_wet, one, other)[shore]
        dry = np.where(one_wet, other, one)[shore]
        claims = pd.DataFrame({"cell": wet, "grid": grid[dry], "length": shared.length[shore]})
        longest = claims.groupby(["cell", "grid"], as_index=False).sum()
        longest = longest.sort_values(["cell", "length"]).drop_duplicates("cell", keep="last")
        grid[longest["cell"]] = longest["grid"]
    return grid


def _polygons(cells: Polygons, grid: Ints) -> Polygons:
    """Return the union of the cells of each grid."""
    order = np.argsort(grid, kind="stable")
    groups = np.split(cells[order], np.cumsum(np.bincount(grid))[:-1])
    polygons = np.empty(len(groups), dtype=object)
    polygons[:] = [shapely.coverage_union_all(group) for group in groups]
    return polygons


def _codes(community: str, polygons: Polygons) -> list[str]:
    """Return the code of each grid."""
    centres = shapely.get_coordinates(shapely.centroid(polygons))
    none = np.zeros(len(polygons), dtype=bool)
    return grid_codes(community, serials(centres, shapely.area(polygons), none))


def _cell_of_atom(atoms: Atoms, cells: Cells) -> Ints:
    """Return the cell of each atom; one outside the community takes the nearest cell."""
    cell = cells.cell_of_building.copy()
    lost = np.flatnonzero(cell < 0)
    if len(lost):
        cell[lost] = shapely.STRtree(cells.polygons).nearest(
            shapely.centroid(atoms.footprints[lost])
        )
    return cell


def _members_of(atoms: Atoms, cells: Cells, grid_of_cell: Ints) -> Members:
    return Members(
        grid_of_cell[_cell_of_atom(atoms, cells)],
        atoms.households,
        _centres(atoms.footprints),
        atoms.compound,
        _atom_names(atoms),
    )


def _atom_names(atoms: Atoms) -> Polygons:
    whole = np.array([unit is None for unit in atoms.unit])
    return np.where(whole, atoms.building, atoms.unit)


def _centres(footprints: Polygons) -> Floats:
    return shapely.get_coordinates(shapely.centroid(footprints))


def _named(card: ScoreCard, codes: list[str]) -> ScoreCard:
    """Return the card with the grids in its reasons called by their codes."""
    reasons = tuple((key, fields | {"grid": codes[fields["grid"]]}) for key, fields in card.reasons)
    return replace(card, reasons=reasons)


def _names(atoms: Atoms, cells: Cells, land: Ints) -> Polygons:
    """Return what to call each node: its atom with the most households."""
    cell = _cell_of_atom(atoms, cells)
    order = np.argsort(atoms.households, kind="stable")
    names = np.full(len(cells.polygons), "", dtype=object)
    names[cell[order]] = _atom_names(atoms)[order]
    found: Polygons = names[land]
    return found


def _explained(
    card: ScoreCard, graph: Graph, label: Ints, limits: Limits, names: Polygons
) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the card's reasons, a plain "none was found" replaced where the graph says why.

    A grid is too large without remedy where some households hang together with the rest only
    past one building, are too few for a grid of their own, and too many together with it.
    """
    reasons = []
    for key, fields in card.reasons:
        if key == "outside_limits" and fields["households"] > limits.upper:
            nodes = np.flatnonzero(label == fields["grid"])
            behind = [forced_onto(graph, int(node), limits.lower) for node in nodes]
            together = graph.households[nodes] + behind
            if together.max() > limits.upper:
                most = int(together.argmax())
                of_it = int(graph.households[nodes[most]])
                why = {"name": names[nodes[most]], "of_it": of_it, "behind": behind[most]}
                reasons.append(("only_way", fields | why))
                continue
        reasons.append((key, fields))
    return tuple(reasons)


def _grid_frame(
    codes: list[str],
    polygons: Polygons,
    atoms: Atoms,
    cells: Cells,
    grid_of_cell: Ints,
    crs: object,
) -> gpd.GeoDataFrame:
    grid = grid_of_cell[_cell_of_atom(atoms, cells)]
    households = np.bincount(grid, atoms.households, len(codes)).astype(np.int64)
    frame = gpd.GeoDataFrame(
        {"code": codes, "kind": "general", "households": households, "geom": polygons},
        geometry="geom",
        crs=crs,
    )
    return frame.sort_values("code", ignore_index=True)


def _member_frame(
    codes: list[str], atoms: Atoms, cells: Cells, grid_of_cell: Ints, crs: object
) -> gpd.GeoDataFrame:
    cell = _cell_of_atom(atoms, cells)
    housed = pd.DataFrame(
        {
            "cell": cell,
            "building_code": atoms.building,
            "unit_code": atoms.unit,
            "households": atoms.households,
        }
    )
    empty = pd.DataFrame({"cell": np.setdiff1d(np.arange(len(cells.polygons)), cell)})
    empty = empty.assign(building_code=None, unit_code=None, households=0)
    members = pd.concat([housed, empty], ignore_index=True) if len(empty) else housed
    land = cells.polygons[members["cell"]]
    land[members["cell"].duplicated().to_numpy()] = shapely.MultiPolygon()
    members["grid"] = np.array(codes)[grid_of_cell[members["cell"]]]
    return gpd.GeoDataFrame(members.drop(columns="cell"), geometry=land, crs=crs).rename_geometry(
        "geom"
    )
