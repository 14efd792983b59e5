"""Separation distances between buildings: table 5.2.2 of GB 50016-2014 with its notes."""

from dataclasses import dataclass
from itertools import combinations
from math import isnan

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geo.fire.finding import Finding
from geo.fire.podiums import find_podiums
from geo.fire.rules import HIGH_RISE_M, STOREY_M, TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.missing_data import MissingData, list_missing
from geo.types import Bools, Floats, Ints

HIGH = "high"
NEIGHBOUR_RADIUS_M = 14.0
"""The largest distance of the table: between a high-rise and a building of class 4."""

GROUP_USES = ("residential", "office")
INDUSTRIAL_USES = ("industrial", "warehouse")
"""Uses for which table 3.4.1 may ask for more, by a hazard category that no register holds."""


@dataclass(frozen=True)
class FireProperties:
    """What table 5.2.2 needs to know of each building.

    Attributes
    ----------
    height
        (b,) metres; from the storeys where no height is on record, NaN where neither is.
    is_estimated
        (b,) whether the height was estimated from the storeys.
    high
        (b,) whether it is a high-rise.
    fire_class
        (b,) 2 to 4 (1 counts as 2), NaN where not on record.
    groups
        (b,) whether its use allows it to stand in a group (5.2.4).
    footprint
        (b,) square metres.
    podiums
        (k, 2) rows of podiums and of the high-rises that they belong to; a podium is not high.
    """

    height: Floats
    is_estimated: Bools
    high: Bools
    fire_class: Floats
    groups: Bools
    footprint: Floats
    podiums: Ints


def fire_properties(snapshot: CitySnapshot) -> FireProperties:
    """Return the fire properties of all buildings, computed once for each snapshot."""
    held: FireProperties | None = snapshot.__dict__.get("bodies")
    if held is None:
        held = snapshot.__dict__["bodies"] = _read_fire_properties(snapshot)
    return held


def _read_fire_properties(snapshot: CitySnapshot) -> FireProperties:
    """Return the properties of the buildings that decide their fire separation."""
    frame = snapshot.building
    recorded_height = frame["height_m"].to_numpy(dtype=float)
    storeys = frame["storeys_above"].to_numpy(dtype=float)
    is_residential = (frame["use"] == "residential").to_numpy(dtype=bool)
    storey = np.where(is_residential, STOREY_M["residential"], STOREY_M["other"])
    is_estimated = np.isnan(recorded_height) & ~np.isnan(storeys)
    height = np.where(is_estimated, storeys * storey, recorded_height)
    limit = np.where(is_residential, HIGH_RISE_M["residential"], HIGH_RISE_M["other"])
    is_tall = (np.nan_to_num(height) > limit) & ~((storeys == 1) & ~is_residential)
    recorded = frame["high_rise"].to_numpy(dtype=object)
    is_known = np.array([flag is not None for flag in recorded], dtype=bool)
    high = np.where(is_known, recorded == True, is_tall)  # noqa: E712
    fire_class = np.maximum(frame["fire_class"].to_numpy(dtype=float), 2.0)
    groups = frame["use"].isin(GROUP_USES).to_numpy(dtype=bool)
    podiums = find_podiums(snapshot, height, high)
    high[podiums[:, 0]] = False
    footprint = np.asarray(shapely.area(snapshot.walls))
    return FireProperties(height, is_estimated, high, fire_class, groups, footprint, podiums)


def check_separation(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return findings of pairs of buildings that stand closer than the table allows.

    Parameters
    ----------
    only
        (k,) int64 rows of the buildings to check against all their neighbours; all by
        default.
    """
    properties = fire_properties(snapshot)
    search_radius = max(rule.figure for name, rule in rules.by_id.items() if _is_table(name))
    one, other = _find_close_pairs(snapshot, search_radius, only)
    distance = shapely.distance(snapshot.walls[one], snapshot.walls[other])
    is_known = ~np.isnan(properties.fire_class[one]) & ~np.isnan(properties.fire_class[other])
    # Where a class is not on record, the lowest figure applies whatever the class is.
    names = _rules_of_pairs(properties, one, other)
    required = np.array([rules.figure(name) for name in names], dtype=float)
    too_close = np.flatnonzero(distance < required - TOLERANCE_M)
    lines = shapely.shortest_line(snapshot.walls[one[too_close]], snapshot.walls[other[too_close]])
    pairs = one[too_close], other[too_close]
    proofs = _required_proofs(rules, properties, *pairs, distance[too_close], required[too_close])
    figures = (distance[too_close], names[too_close], proofs)
    columns = (values.tolist() for values in (*pairs, lines, *figures))
    findings = [
        _finding(snapshot, rules, properties, (first, second), *rest)
        for first, second, *rest in zip(*columns, strict=True)
    ]
    asked_rows = set(range(len(snapshot.walls)) if only is None else only.tolist())
    return findings + _findings_of_unknown_class(
        snapshot, rules, properties, one, other, distance, is_known, asked_rows
    )


def find_neighbours(snapshot: CitySnapshot, row: int) -> list[tuple[int, float, str]]:
    """Return the buildings within the reach of the table around a building, the nearest first.

    Returns
    -------
    list
        Row, distance in metres, rule.
    """
    properties = fire_properties(snapshot)
    one, other = _find_close_pairs(snapshot, NEIGHBOUR_RADIUS_M, np.array([row]))
    rest = np.where(one == row, other, one)
    distance = shapely.distance(snapshot.walls[row], snapshot.walls[rest])
    names = _rules_of_pairs(properties, np.full(len(rest), row), rest)
    order = np.argsort(distance)
    return [(int(rest[k]), float(distance[k]), str(names[k])) for k in order]


def required_proof(
    snapshot: CitySnapshot,
    rules: Rules,
    pair: tuple[int, int],
    distance: float,
    required: float,
) -> str | None:
    """Return which evidence would allow a pair that stands too close, None where none would.

    Parameters
    ----------
    pair
        Rows of the two buildings.
    distance, required
        Metres.
    """
    columns = (np.array([value]) for value in (*pair, distance, required))
    proof: str | None = _required_proofs(rules, fire_properties(snapshot), *columns)[0]
    return proof


def _is_table(name: str) -> bool:
    return name in _TABLE


_TABLE = {
    f"separation_{first}_{second}"
    for first, second in (
        *(("high", "high"), ("high", "2"), ("high", "3"), ("high", "4")),
        *(("2", "2"), ("2", "3"), ("2", "4"), ("3", "3"), ("3", "4"), ("4", "4")),
    )
}


def _find_close_pairs(
    snapshot: CitySnapshot, search_radius: float, only: Ints | None
) -> tuple[Ints, Ints]:
    """Return the two (k,) rows of pairs within a distance, each pair once, the lower row first."""
    walls = snapshot.walls if only is None else snapshot.walls[only]
    one, other = snapshot.wall_tree.query(walls, predicate="dwithin", distance=search_radius)
    if only is not None:
        one = only[one]
    low, high = np.minimum(one, other), np.maximum(one, other)
    pairs = np.unique(np.column_stack([low, high])[low < high], axis=0)
    within = _pairs_within_buildings(fire_properties(snapshot).podiums)
    if len(within):
        count = len(snapshot.walls)
        is_within = np.isin(pairs[:, 0] * count + pairs[:, 1], within[:, 0] * count + within[:, 1])
        pairs = pairs[~is_within]
    return pairs[:, 0], pairs[:, 1]


def _pairs_within_buildings(podiums: Ints) -> Ints:
    """Return (k, 2) the pairs of footprints of one building: podium and tower, two of its podiums.

    Two towers on one podium still have to stand apart.
    """
    podiums_of: dict[int, list[int]] = {}
    for podium, tower in podiums.tolist():
        podiums_of.setdefault(tower, []).append(podium)
    pairs = [
        sorted(pair)
        for tower, rows in podiums_of.items()
        for pair in (*((row, tower) for row in rows), *combinations(rows, 2))
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _rules_of_pairs(properties: FireProperties, one: Ints, other: Ints) -> NDArray[np.object_]:
    """Return (k,) the rule of each pair; a class not on record counts as the mildest."""
    first, second = _table_categories(properties, one), _table_categories(properties, other)
    swap = (second == HIGH) | ((first != HIGH) & (second < first))
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    names = [f"separation_{a}_{b}" for a, b in zip(first, second, strict=True)]
    return np.array(names, dtype=object)


def _table_categories(properties: FireProperties, rows: Ints) -> NDArray[np.object_]:
    """Return (k,) the table's category of each building: high-rise, or its class."""
    classes = np.nan_to_num(properties.fire_class[rows], nan=2.0).astype(int).astype(str)
    kinds: NDArray[np.object_] = np.where(properties.high[rows], HIGH, classes).astype(object)
    return kinds


def _finding(
    snapshot: CitySnapshot,
    rules: Rules,
    properties: FireProperties,
    pair: tuple[int, int],
    line: shapely.Geometry,
    distance: float,
    name: str,
    proof: str | None,
) -> Finding:
    """Return the finding of two buildings that stand too close."""
    one, other = pair
    adjoining = distance <= rules.figure("separation_adjoining")
    severity = _SEVERITY.get(proof, Severity.MEDIUM)
    return Finding(
        "separation_adjoining" if adjoining else name,
        severity,
        "building",
        snapshot.codes[one],
        line,
        measured=distance,
        required=rules.figure(name),
        other=snapshot.codes[other],
        detail={
            "kind": "adjoining" if adjoining else "close",
            "table": name,
            "proof": proof,
            "classes": [_class_of(properties, one), _class_of(properties, other)],
            "high": [bool(properties.high[one]), bool(properties.high[other])],
        },
    )


_SEVERITY = {None: Severity.HIGH, "openings": Severity.LOW, "group": Severity.LOW}


def _class_of(properties: FireProperties, row: int) -> int | None:
    fire_class = float(properties.fire_class[row])
    return None if isnan(fire_class) else int(fire_class)


_EQUAL_HEIGHT_M = 0.5
"""Heights that differ by less count as equal."""


def _required_proofs(
    rules: Rules,
    properties: FireProperties,
    one: Ints,
    other: Ints,
    distance: Floats,
    required: Floats,
) -> NDArray[np.object_]:
    """Return (k,) which evidence would allow pairs that stand too close, None where none would.

    Notes to table 5.2.2. Note 1: multi-storey buildings with unprotected openings up to 5 % of each
    wall, a quarter less. 5.2.4: a group of dwellings or offices of class 2 or better that cover no
    more than 2,500 m2 together, 4 m. Notes 4 and 5: the lower building of class 2 or better and
    protected, 3.5 m (4 m by high-rises). Notes 2 and 3: a fire wall of the higher building, or of
    either if equally high and both of class 2, no distance at all. Above 100 m nothing is reduced
    (5.2.6).
    """
    heights = properties.height[one], properties.height[other]
    first, second = np.nan_to_num(heights)
    is_any_high = properties.high[one] | properties.high[other]
    class_one, class_other = properties.fire_class[one], properties.fire_class[other]
    is_sound = (class_one <= 2) & (class_other <= 2)
    covers = properties.footprint[one] + properties.footprint[other]
    is_group = (
        (is_sound & properties.groups[one] & properties.groups[other])
        & (covers <= rules.figure("separation_group_area"))
        & (distance >= rules.figure("separation_group"))
    )
    share = 1 - rules.figure("separation_openings_share") / 100
    protected, protected_high = (
        rules.figure(name) for name in ("separation_protected", "separation_protected_high")
    )
    is_lower_sound = np.where(first <= second, class_one, class_other) <= 2
    is_unequal = (np.abs(first - second) > _EQUAL_HEIGHT_M) | np.isnan(heights).any(axis=0)
    proofs = (
        (None, np.maximum(first, second) > rules.figure("separation_no_reduction")),
        ("openings", ~is_any_high & (distance >= required * share)),
        ("group", ~is_any_high & is_group),
        (
            "protected",
            is_lower_sound & (distance >= np.where(is_any_high, protected_high, protected)),
        ),
        ("fire_wall", is_unequal),
        ("fire_wall_equal", is_sound),
        ("fire_wall_low_class", np.ones(len(one), dtype=bool)),
    )
    names, conditions = zip(*proofs, strict=True)
    proven: NDArray[np.object_] = np.array(names, dtype=object)[np.argmax(conditions, axis=0)]
    return proven


def _findings_of_unknown_class(
    snapshot: CitySnapshot,
    rules: Rules,
    properties: FireProperties,
    one: Ints,
    other: Ints,
    distance: Floats,
    is_known: Bools,
    listed_rows: set[int],
) -> list[Finding]:
    """Return findings of buildings whose class is unknown but matters for a neighbour."""
    worst = np.where(
        properties.high[one] | properties.high[other],
        rules.figure("separation_high_4"),
        rules.figure("separation_4_4"),
    )
    asked_rows = np.flatnonzero(~is_known & (distance < worst))
    nearest: dict[int, int] = {}
    for k in asked_rows[np.argsort(distance[asked_rows])]:
        for row in (int(one[k]), int(other[k])):
            if np.isnan(properties.fire_class[row]) and row in listed_rows:
                nearest.setdefault(row, int(k))
    findings = []
    for row, k in nearest.items():
        rest = int(other[k]) if int(one[k]) == row else int(one[k])
        findings.append(
            Finding(
                "separation_4_4" if not properties.high[row] else "separation_high_4",
                Severity.MISSING,
                "building",
                snapshot.codes[row],
                shapely.shortest_line(snapshot.walls[row], snapshot.walls[rest]),
                measured=float(distance[k]),
                other=snapshot.codes[rest],
                detail={"kind": "no_class"},
            )
        )
    return findings


def missing_building_data(buildings: gpd.GeoDataFrame, *, classes: bool) -> list[MissingData]:
    """Return what is missing from a frame of buildings, with their fire classes on request."""
    no_height = buildings["height_m"].isna() & buildings["storeys_above"].isna()
    counts = {"no_height": int(no_height.sum())}
    if classes:
        counts["no_fire_class"] = int(buildings["fire_class"].isna().sum())
        counts["no_hazard_category"] = int(buildings["use"].isin(INDUSTRIAL_USES).sum())
    return list_missing(counts)
