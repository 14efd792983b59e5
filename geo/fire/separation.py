"""Separation distances between buildings: table 5.2.2 of GB 50016-2014 with its notes."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geo.fire.finding import Finding, Missing
from geo.fire.rules import GIVE_M, HIGH_RISE_M, STOREY_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.types import Bools, Floats, Ints

HIGH = "high"
GROUPED = ("residential", "office")
WORKS = ("industrial", "warehouse")
"""Uses for which table 3.4.1 asks for more, by a hazard category that is not in the data."""


@dataclass(frozen=True)
class Bodies:
    """What the table asks of each building.

    Attributes
    ----------
    height
        Metres; from the storeys where no height is on record, NaN where neither is.
    high
        Whether it is a high-rise.
    fire_class
        2 to 4 (1 counts as 2), NaN where not on record.
    groups
        Whether it is of a use that may stand in groups (5.2.4).
    footprint
        Square metres.
    """

    height: Floats
    high: Bools
    fire_class: Floats
    groups: Bools
    footprint: Floats


def bodies(ground: CitySnapshot) -> Bodies:
    """Return height, kind and class of every building."""
    held: Bodies | None = ground.__dict__.get("bodies")
    if held is None:
        held = ground.__dict__["bodies"] = _bodies(ground)
    return held


def _bodies(ground: CitySnapshot) -> Bodies:
    frame = ground.building
    height = frame["height_m"].to_numpy(dtype=float)
    storeys = frame["storeys_above"].to_numpy(dtype=float)
    height = np.where(np.isnan(height), storeys * STOREY_M, height)
    dwelt = (frame["use"] == "residential").to_numpy(dtype=bool)
    limit = np.where(dwelt, HIGH_RISE_M["residential"], HIGH_RISE_M["other"])
    tall = (np.nan_to_num(height) > limit) & ~((storeys == 1) & ~dwelt)
    said = frame["high_rise"].to_numpy(dtype=object)
    known = np.array([flag is not None for flag in said], dtype=bool)
    high = np.where(known, said == True, tall)  # noqa: E712
    fire_class = np.maximum(frame["fire_class"].to_numpy(dtype=float), 2.0)
    groups = frame["use"].isin(GROUPED).to_numpy(dtype=bool)
    return Bodies(height, high, fire_class, groups, np.asarray(shapely.area(ground.walls)))


def find(ground: CitySnapshot, rules: Rules, only: Ints | None = None) -> list[Finding]:
    """Return the pairs of buildings that stand closer than the table allows.

    Parameters
    ----------
    only
        Rows of the buildings to look at with all their neighbours; every building by default.
    """
    body = bodies(ground)
    farthest = max(rule.figure for name, rule in rules.by_id.items() if _is_table(name))
    one, other = _pairs(ground, farthest, only)
    apart = shapely.distance(ground.walls[one], ground.walls[other])
    known = ~np.isnan(body.fire_class[one]) & ~np.isnan(body.fire_class[other])
    # Where a class is not known the mildest figure is certain to hold.
    names = _rules(body, one, other)
    required = np.array([rules.figure(name) for name in names], dtype=float)
    broken = np.flatnonzero(apart < required - GIVE_M)
    lines = shapely.shortest_line(ground.walls[one[broken]], ground.walls[other[broken]])
    pairs = zip(one[broken].tolist(), other[broken].tolist(), strict=True)
    figures = zip(apart[broken].tolist(), names[broken].tolist(), strict=True)
    found = [
        _finding(ground, rules, body, pair, line, *figure)
        for pair, line, figure in zip(pairs, lines, figures, strict=True)
    ]
    asked = set(range(len(ground.walls)) if only is None else only.tolist())
    return found + _unknown(ground, rules, body, one, other, apart, known, asked)


def neighbours(ground: CitySnapshot, rules: Rules, row: int) -> list[tuple[int, float, str]]:
    """Return the buildings for which the table has a say about a building, the nearest first.

    Returns
    -------
    list
        Row, distance in metres, rule.
    """
    body = bodies(ground)
    one, other = _pairs(ground, 14.0, np.array([row]))
    rest = np.where(one == row, other, one)
    apart = shapely.distance(ground.walls[row], ground.walls[rest])
    names = _rules(body, np.full(len(rest), row), rest)
    order = np.argsort(apart)
    return [(int(rest[k]), float(apart[k]), str(names[k])) for k in order]


def proof(
    ground: CitySnapshot, rules: Rules, one: int, other: int, apart: float, required: float
) -> str | None:
    """Return what would settle a pair that stands too close, None where nothing can."""
    return _proof(rules, bodies(ground), one, other, apart, required)


def _is_table(name: str) -> bool:
    return name in _TABLE


_TABLE = {
    f"separation_{first}_{second}"
    for first, second in (
        *(("high", "high"), ("high", "2"), ("high", "3"), ("high", "4")),
        *(("2", "2"), ("2", "3"), ("2", "4"), ("3", "3"), ("3", "4"), ("4", "4")),
    )
}


def _pairs(ground: CitySnapshot, farthest: float, only: Ints | None) -> tuple[Ints, Ints]:
    """Return pairs of rows of buildings within a distance, each pair once, the lower row first."""
    walls = ground.walls if only is None else ground.walls[only]
    one, other = ground.wall_tree.query(walls, predicate="dwithin", distance=farthest)
    if only is not None:
        one = only[one]
    low, high = np.minimum(one, other), np.maximum(one, other)
    pairs = np.unique(np.column_stack([low, high])[low < high], axis=0)
    return pairs[:, 0], pairs[:, 1]


def _rules(body: Bodies, one: Ints, other: Ints) -> NDArray[np.object_]:
    """Return the rule of each pair; a class that is not on record is taken as the mildest."""
    first, second = _kinds(body, one), _kinds(body, other)
    swap = (second == HIGH) | ((first != HIGH) & (second < first))
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    names = [f"separation_{a}_{b}" for a, b in zip(first, second, strict=True)]
    return np.array(names, dtype=object)


def _kinds(body: Bodies, rows: Ints) -> NDArray[np.object_]:
    """Return what a building is in the table: a high-rise, or its class."""
    classes = np.nan_to_num(body.fire_class[rows], nan=2.0).astype(int).astype(str)
    kinds: NDArray[np.object_] = np.where(body.high[rows], HIGH, classes).astype(object)
    return kinds


def _finding(
    ground: CitySnapshot,
    rules: Rules,
    body: Bodies,
    pair: tuple[int, int],
    line: shapely.Geometry,
    apart: float,
    name: str,
) -> Finding:
    one, other = pair
    required = rules.figure(name)
    adjoining = apart <= rules.figure("separation_adjoining")
    proof = _proof(rules, body, one, other, apart, required)
    severity = _SEVERITY.get(proof, Severity.MEDIUM)
    return Finding(
        "separation_adjoining" if adjoining else name,
        severity,
        "building",
        ground.codes[one],
        line,
        measured=apart,
        required=required,
        shortfall=required - apart,
        other=ground.codes[other],
        detail={
            "kind": "adjoining" if adjoining else "close",
            "table": name,
            "proof": proof,
            "classes": [_class(body, one), _class(body, other)],
            "high": [bool(body.high[one]), bool(body.high[other])],
        },
    )


_SEVERITY = {None: Severity.HIGH, "openings": Severity.LOW, "group": Severity.LOW}


def _class(body: Bodies, row: int) -> int | None:
    return None if np.isnan(body.fire_class[row]) else int(body.fire_class[row])


def _proof(
    rules: Rules, body: Bodies, one: int, other: int, apart: float, required: float
) -> str | None:
    """Return what would settle a pair that stands too close, None where nothing can.

    Notes to table 5.2.2. Note 1: multi-storey buildings with unprotected openings up to 5 % of each
    wall, a quarter less. 5.2.4: a group of dwellings or offices of class 2 or better that cover no
    more than 2,500 m2 together, 4 m. Notes 4 and 5: the lower building of class 2 or better and
    protected, 3.5 m (4 m by high-rises). Notes 2 and 3: a fire wall, no distance at all. Above
    100 m nothing is reduced (5.2.6).
    """
    first, second = (_float_or_zero(float(body.height[row])) for row in (one, other))
    if max(first, second) > rules.figure("separation_no_reduction"):
        return None
    highs = bool(body.high[one] or body.high[other])
    share = 1 - rules.figure("separation_openings_share") / 100
    if not highs and apart >= required * share:
        return "openings"
    if not highs and _is_group(rules, body, one, other, apart):
        return "group"
    least = rules.figure("separation_protected_high" if highs else "separation_protected")
    lower = one if first <= second else other
    if apart >= least and body.fire_class[lower] <= 2:
        return "protected"
    return _fire_wall(body, one, other, abs(first - second))


def _is_group(rules: Rules, body: Bodies, one: int, other: int, apart: float) -> bool:
    """Return whether two buildings may stand as a group (5.2.4)."""
    sound = body.fire_class[one] <= 2 and body.fire_class[other] <= 2
    covers = body.footprint[one] + body.footprint[other]
    small = covers <= rules.figure("separation_group_area")
    grouped = body.groups[one] and body.groups[other]
    return bool(sound and small and grouped and apart >= rules.figure("separation_group"))


def _fire_wall(body: Bodies, one: int, other: int, higher: float) -> str:
    """Return which fire wall would do: that of the higher one, or either if they are as high.

    Note 3 asks class 2 of both for the latter; for worse ones the table names no way.
    """
    if higher > _AS_HIGH_M or np.isnan(body.height[[one, other]]).any():
        return "fire_wall"
    sound = body.fire_class[one] <= 2 and body.fire_class[other] <= 2
    return "fire_wall_equal" if sound else "fire_wall_low_class"


_AS_HIGH_M = 0.5
"""Heights on record that differ by less count as the same."""


def _float_or_zero(value: float) -> float:
    """Return a figure, nought where it is not on record."""
    return 0.0 if value != value else value


def _unknown(
    ground: CitySnapshot,
    rules: Rules,
    body: Bodies,
    one: Ints,
    other: Ints,
    apart: Floats,
    known: Bools,
    wanted: set[int],
) -> list[Finding]:
    """Return the buildings without a class that have a neighbour near enough to ask."""
    worst = np.where(
        body.high[one] | body.high[other],
        rules.figure("separation_high_4"),
        rules.figure("separation_4_4"),
    )
    asked = np.flatnonzero(~known & (apart < worst))
    nearest: dict[int, int] = {}
    for k in asked[np.argsort(apart[asked])]:
        for row in (int(one[k]), int(other[k])):
            if np.isnan(body.fire_class[row]) and row in wanted:
                nearest.setdefault(row, int(k))
    found = []
    for row, k in nearest.items():
        rest = int(other[k]) if int(one[k]) == row else int(one[k])
        found.append(
            Finding(
                "separation_4_4" if not body.high[row] else "separation_high_4",
                Severity.MISSING,
                "building",
                ground.codes[row],
                shapely.shortest_line(ground.walls[row], ground.walls[rest]),
                measured=float(apart[k]),
                other=ground.codes[rest],
                detail={"kind": "no_class"},
            )
        )
    return found


def missing(buildings: gpd.GeoDataFrame, *, classes: bool) -> list[Missing]:
    """Return what a frame of buildings lacks; of their classes too, if they matter."""
    no_height = buildings["height_m"].isna() & buildings["storeys_above"].isna()
    counts = {"no_height": int(no_height.sum())}
    if classes:
        counts["no_fire_class"] = int(buildings["fire_class"].isna().sum())
        counts["no_hazard_category"] = int(buildings["use"].isin(WORKS).sum())
    return [Missing(key, count) for key, count in counts.items() if count]
