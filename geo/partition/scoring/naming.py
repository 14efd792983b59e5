"""Names for grids, after the compound or street where most of their households are."""

from collections import Counter

import numpy as np
import shapely

from geo.messages import Language, text
from geo.partition.cells.atoms import Atoms
from geo.partition.community import Community
from geo.types import Bools, Floats, Ints, Strings

MIN_COMPOUND_SHARE = 0.4
"""Share of a grid's households in a compound from which on the grid is named after it."""

MAX_STREET_DISTANCE_M = 150.0
"""Buildings farther than this from every street with a name count for none."""

DIRECTIONS = ("east", "northeast", "north", "northwest", "west", "southwest", "south", "southeast")

CENTRE_SHARE = 0.25
"""A grid nearer to the middle of its namesakes than this share of the farthest is in the middle."""


def propose_names(
    community: Community,
    atoms: Atoms,
    grid: Ints,
    centres: Floats,
    names: list[str],
    dedicated: Bools,
) -> list[str]:
    """Return names with proposals for the general grids that have none, each name once.

    Parameters
    ----------
    grid
        (a,) int64 grid of each atom, -1 for none.
    centres
        (g, 2) float64 middles of the grids, metres.
    names
        Their names, empty for none; these are kept.
    dedicated
        (g,) bool grids that are named after their facility.
    """
    proposed = list(names)
    stems = _name_stems(community, atoms, grid, len(names))
    unnamed = [g for g in range(len(names)) if not names[g] and not dedicated[g]]
    taken = Counter(name for name in names if name)
    for stem in dict.fromkeys(stems[g] for g in unnamed):
        same = np.array([g for g in unnamed if stems[g] == stem], dtype=np.int64)
        same = same[np.lexsort((centres[same, 0], -centres[same, 1]))]
        for number, place in zip(same, _direction_words(centres[same]), strict=True):
            proposed[number] = _free_name(stem, place, taken)
            taken[proposed[number]] += 1
    return proposed


def _name_stems(community: Community, atoms: Atoms, grid: Ints, grids: int) -> list[str]:
    """Return the compound, street or community after which each grid is named."""
    households = atoms.households + 1e-3
    compounds, streets = _compound_names(community, atoms), _street_names(community, atoms)
    stems = []
    for number in range(grids):
        inside = grid == number
        total = float(households[inside].sum())
        name, share = _find_dominant_name(compounds[inside], households[inside], total)
        if share < MIN_COMPOUND_SHARE:
            name = _find_dominant_name(streets[inside], households[inside], total)[0] or name
        stems.append(name or community.name.removesuffix("社区"))
    return stems


def _find_dominant_name(names: Strings, households: Floats, total: float) -> tuple[str, float]:
    """Return the name with most households, and its share; empty where none has a name."""
    sums: dict[str, float] = {}
    for name, count in zip(names, households, strict=True):
        if name:
            sums[name] = sums.get(name, 0.0) + float(count)
    if not sums:
        return "", 0.0
    name = max(sums, key=lambda key: (sums[key], key))
    return name, sums[name] / total


def _compound_names(community: Community, atoms: Atoms) -> Strings:
    """Return (a,) name of the compound of each atom, empty for none."""
    name_of: dict[str, str] = {}
    if "name" in community.compounds:
        rows = zip(community.compounds["code"], community.compounds["name"], strict=True)
        name_of = {code: name or "" for code, name in rows}
    buildings = community.buildings
    codes = zip(buildings["code"], buildings["compound_code"], strict=True)
    of_building = {building: name_of.get(compound, "") for building, compound in codes}
    return np.array([of_building[code] for code in atoms.building], dtype=object)


def _street_names(community: Community, atoms: Atoms) -> Strings:
    """Return (a,) name of the nearest street of each atom, empty where none with a name is near."""
    names = np.full(len(atoms.households), "", dtype=object)
    if "name" not in community.roads:
        return names
    named = community.roads[community.roads["name"].fillna("") != ""]
    atom, road = shapely.STRtree(named.geometry.to_numpy()).query_nearest(
        shapely.centroid(atoms.footprints), max_distance=MAX_STREET_DISTANCE_M, all_matches=False
    )
    names[atom] = named["name"].to_numpy()[road]
    return names


def _direction_words(centres: Floats) -> list[str]:
    """Return where each of several grids lies among them; empty for a single one."""
    if len(centres) == 1:
        return [""]
    offsets = centres - centres.mean(axis=0)
    distances = np.hypot(*offsets.T)
    angles = np.degrees(np.arctan2(offsets[:, 1], offsets[:, 0]))
    step = 90.0 if len(centres) == 2 else 45.0
    directions = (np.round(angles / step) * step / 45.0).astype(np.int64) % len(DIRECTIONS)
    is_middle = (distances < CENTRE_SHARE * distances.max()) & (len(centres) > 2)
    return [
        "middle" if middle else DIRECTIONS[direction]
        for middle, direction in zip(is_middle, directions, strict=True)
    ]


def _free_name(stem: str, place: str, taken: Counter[str]) -> str:
    """Return the first name of a stem and a place that no other grid has."""
    lang: Language = "zh" if any("\u4e00" <= sign <= "\u9fff" for sign in stem) else "en"
    where = text(f"grid_name.{place}", lang=lang) if place else ""
    number = ""
    while True:
        name = text("grid_name.whole", lang=lang, stem=stem, place=where, number=number)
        name = " ".join(name.split())
        if not taken[name]:
            return name
        number = str(int(number or 1) + 1)
