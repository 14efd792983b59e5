"""Checks of what feeds hydrants: outflow, pressure, mains, and hydrants between two valves."""

import numpy as np
import shapely

from geo.fire.finding import Finding
from geo.fire.rules import Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.network.bridges import find_bridges
from geo.network.isolation import Sectors
from geo.network.pipes import PipeGraph
from geo.types import Ints

LATERAL_M = 30.0
"""A pipe from a hydrant to a tee on a main is a lateral up to this length, else a branch main."""


def check_hydrant_supply(
    snapshot: CitySnapshot, rules: Rules, sectors: Sectors | None
) -> list[Finding]:
    """Return findings of hydrants with too little water, and of their mains.

    Parameters
    ----------
    sectors
        The water network of the city; None where no network is on record.
    """
    findings = [*_check_flow(snapshot, rules), *_check_pressure(snapshot, rules)]
    if sectors is None:
        return findings
    mains = _mains_of_hydrants(snapshot, sectors.graph)
    return [
        *findings,
        *_check_mains(snapshot, rules, sectors.graph, mains),
        *_check_sections(snapshot, rules, sectors, mains),
    ]


def _check_flow(snapshot: CitySnapshot, rules: Rules) -> list[Finding]:
    flow = snapshot.hydrant["flow_l_s"].to_numpy(dtype=float)
    figure = rules.figure("hydrant_flow")
    findings = []
    for row in np.flatnonzero(snapshot.hydrant_works & ~(flow >= figure)).tolist():
        if np.isnan(flow[row]):
            findings.append(_finding_without_data(snapshot, "hydrant_flow", row, "no_flow"))
        else:
            findings.append(
                _shortfall_finding(snapshot, rules, "hydrant_flow", row, float(flow[row]))
            )
    return findings


def _check_pressure(snapshot: CitySnapshot, rules: Rules) -> list[Finding]:
    """Return findings of the pressure on record: below the least in a fire, or in daily running."""
    pressure = snapshot.hydrant["pressure_mpa"].to_numpy(dtype=float)
    least, running = rules.figure("hydrant_pressure"), rules.figure("hydrant_pressure_running")
    findings = []
    for row in np.flatnonzero(snapshot.hydrant_works & ~(pressure >= running)).tolist():
        if np.isnan(pressure[row]):
            findings.append(_finding_without_data(snapshot, "hydrant_pressure", row, "no_pressure"))
            continue
        rule = "hydrant_pressure" if pressure[row] < least else "hydrant_pressure_running"
        findings.append(_shortfall_finding(snapshot, rules, rule, row, float(pressure[row])))
    return findings


def _shortfall_finding(
    snapshot: CitySnapshot, rules: Rules, rule: str, row: int, measured: float
) -> Finding:
    """Return the finding of a hydrant with less flow or pressure than required."""
    required = rules.figure(rule)
    return Finding(
        rule,
        rules[rule].severity,
        "pipe_node",
        str(snapshot.hydrant["code"].iloc[row]),
        snapshot.hydrant.geometry.iloc[row],
        measured=measured,
        required=required,
        detail={"kind": "low"},
    )


def _finding_without_data(snapshot: CitySnapshot, rule: str, row: int, kind: str) -> Finding:
    return Finding(
        rule,
        Severity.MISSING,
        "pipe_node",
        str(snapshot.hydrant["code"].iloc[row]),
        snapshot.hydrant.geometry.iloc[row],
        detail={"kind": kind},
    )


def main_diameters(snapshot: CitySnapshot, graph: PipeGraph) -> dict[str, float]:
    """Return the diameter of the main that each hydrant stands on, by its code, millimetres.

    Of several diameters the largest counts; hydrants on no main of known diameter are left out.
    """
    diameter = graph.segments["diameter_mm"].to_numpy(dtype=float)
    codes = snapshot.hydrant["code"].tolist()
    largest = {
        str(codes[row]): float(np.nan_to_num(diameter[pieces], nan=0.0).max(initial=0.0))
        for row, pieces in _mains_of_hydrants(snapshot, graph).items()
    }
    return {code: value for code, value in largest.items() if value}


def _mains_of_hydrants(snapshot: CitySnapshot, graph: PipeGraph) -> dict[int, Ints]:
    """Return the segments of the main that each hydrant stands on, by row of the hydrant."""
    flat = graph.ends.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(len(graph.xy) + 1))
    by_node = np.split(order // 2, starts[1:-1])
    nodes = [graph.node_of.get(code, -1) for code in snapshot.hydrant["code"].tolist()]
    return {
        row: _main_at(graph, by_node, node)
        for row, node in enumerate(nodes)
        if node >= 0 and len(by_node[node])
    }


def _main_at(graph: PipeGraph, by_node: list[Ints], node: int) -> Ints:
    """Return the segments of the main at a node; a lateral leads to the main that it branches off.

    Parameters
    ----------
    by_node
        The segments at each node.
    """
    pieces = by_node[node].tolist()
    if len(pieces) != 1:
        return by_node[node]
    while True:
        first, second = graph.ends[pieces[-1]].tolist()
        node = second if node == first else first
        onward = by_node[node][by_node[node] != pieces[-1]]
        if len(onward) != 1 or onward[0] in pieces:
            break
        pieces.append(int(onward[0]))
    is_lateral = len(onward) > 1 and graph.length[pieces].sum() <= LATERAL_M
    return onward if is_lateral else np.array(pieces)


def _check_mains(
    snapshot: CitySnapshot, rules: Rules, graph: PipeGraph, mains: dict[int, Ints]
) -> list[Finding]:
    """Return findings of hydrants on mains too thin: rings, and branches that need more."""
    is_bridge = find_bridges(graph.ends, len(graph.xy))
    diameter = graph.segments["diameter_mm"].to_numpy(dtype=float)
    findings = []
    for row in range(len(snapshot.hydrant)):
        if row not in mains:
            findings.append(_finding_without_data(snapshot, "hydrant_ring", row, "no_main"))
            continue
        ring = mains[row][~is_bridge[mains[row]]]
        rule, pieces = ("hydrant_ring", ring) if len(ring) else ("hydrant_branch", mains[row])
        known = diameter[pieces][~np.isnan(diameter[pieces])]
        if not len(known):
            findings.append(_finding_without_data(snapshot, rule, row, "no_diameter"))
        elif known.max() < rules.figure(rule):
            findings.append(_shortfall_finding(snapshot, rules, rule, row, float(known.max())))
    return findings


def _check_sections(
    snapshot: CitySnapshot, rules: Rules, sectors: Sectors, mains: dict[int, Ints]
) -> list[Finding]:
    """Return a finding of each section of main between valves with too many hydrants."""
    figure = rules.figure("hydrant_section")
    by_section: dict[int, list[int]] = {}
    for row, pieces in mains.items():
        by_section.setdefault(int(sectors.sector[pieces[0]]), []).append(row)
    codes = snapshot.hydrant["code"].tolist()
    points = snapshot.hydrant.geometry.to_numpy()
    return [
        Finding(
            "hydrant_section",
            rules["hydrant_section"].severity,
            "pipe_node",
            str(codes[rows[0]]),
            shapely.multipoints(points[rows]),
            measured=len(rows),
            required=figure,
            detail={"kind": "section", "hydrants": [codes[row] for row in rows]},
        )
        for rows in by_section.values()
        if len(rows) > figure
    ]
