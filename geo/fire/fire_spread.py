"""Fire blocks: groups of buildings within which a fire can spread from wall to wall.

In an old quarter nearly every house stands too close to the next: too many pairs to deal with one
by one. A block is what is cleared, divided by a fire break, or given hydrants and a station.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo.fire.building_record import Details
from geo.fire.snapshot import CitySnapshot
from geo.types import Ints

MIN_BUILDINGS = 3
"""Two buildings are a pair, which the findings list already."""

ADJOINING_M = 0.1


@dataclass(frozen=True)
class FireBlock:
    """A block: (k,) int64 rows of its buildings, numbers of close and adjoining pairs, outline."""

    rows: Ints
    pairs: int
    adjoining: int
    outline: shapely.Geometry


def find_fire_blocks(
    snapshot: CitySnapshot, pairs: list[tuple[str, str, float]], least: int = MIN_BUILDINGS
) -> list[FireBlock]:
    """Return the connected groups of close pairs, those with most households first.

    Parameters
    ----------
    pairs
        Codes of two buildings, and the metres between them.
    """
    row_of = snapshot.row_of
    known = [(row_of[a], row_of[b], far) for a, b, far in pairs if a in row_of and b in row_of]
    if not known:
        return []
    one, other, apart = (np.array(column) for column in zip(*known, strict=True))
    shape = (len(snapshot.building),) * 2
    count, label = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=shape))
    sizes = np.bincount(label, minlength=count)
    of_pair = label[one]
    pairs_of = np.bincount(of_pair, minlength=count)
    adjoin = np.bincount(of_pair[apart <= ADJOINING_M], minlength=count)
    order = np.argsort(label, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    blocks = [
        FireBlock(rows, int(pairs_of[k]), int(adjoin[k]), _block_outline(snapshot, rows))
        for k in np.flatnonzero(sizes >= least)
        for rows in [order[starts[k] : starts[k + 1]]]
    ]
    households = snapshot.building["households"].to_numpy(dtype=float)
    return sorted(blocks, key=lambda block: (-households[block.rows].sum(), -len(block.rows)))


def _block_outline(snapshot: CitySnapshot, rows: Ints) -> shapely.Geometry:
    """Return the area of a block with the gaps between buildings closed."""
    closed = shapely.buffer(shapely.union_all(shapely.buffer(snapshot.walls[rows], 7.0)), -6.0)
    outline: shapely.Geometry = shapely.simplify(closed, 1.0)
    return outline


def describe_block(snapshot: CitySnapshot, block: FireBlock) -> Details:
    """Return the figures of a block for an answer, geometry in metres."""
    frame = snapshot.building.iloc[block.rows]
    known = frame["fire_class"].to_numpy(dtype=float)
    classes = Counter("" if np.isnan(value) else f"{value:.0f}" for value in known)
    regions = Counter(code for code in frame["region_code"] if isinstance(code, str))
    population = frame["population"].to_numpy(dtype=float)
    return {
        "buildings": len(block.rows),
        "households": int(frame["households"].sum()),
        "population": None if np.isnan(population).all() else int(np.nansum(population)),
        "pairs": block.pairs,
        "adjoining": block.adjoining,
        "classes": dict(sorted(classes.items())),
        "footprint_m2": round(float(shapely.area(snapshot.walls[block.rows]).sum())),
        "region": regions.most_common(1)[0][0] if regions else None,
        "codes": frame["code"].tolist(),
        "geometry": block.outline,
        "point": shapely.point_on_surface(block.outline),
    }
