"""Cross-checks: the staged layers of a file against each other and against the live layers."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, text

from etl.checks import integrity, map_shift, topology
from etl.checks.geometry_repair import Repairs
from etl.input.layer_columns import BUILDING_PARTS, REGISTER
from etl.linking import join, pipe_nodes, pipe_snap, register_join
from etl.pipeline.delivery import Delivery
from etl.pipeline.reading import Findings
from etl.pipeline.staging import Staged
from etl.runs.run_records import Run
from geo.model import LAYERS

LOCATED = ("building", "compound", "facility")
"""Layers whose features belong to a community."""

_UNKNOWN_COMMUNITY = integrity.Rule(
    "region_unknown",
    "region_code IS NOT NULL AND EXISTS (SELECT FROM communities) "
    "AND NOT EXISTS (SELECT FROM communities r WHERE r.code = staged.region_code)",
    "'column', 'region_code', 'value', region_code",
    {},
)

_OTHER_COMMUNITY = integrity.Rule(
    "region_elsewhere",
    "EXISTS (SELECT FROM communities r WHERE r.code = staged.region_code "
    "AND NOT r.vicinity && staged.geom)",
    "'column', 'region_code', 'value', region_code",
    {},
)


def cross_check(run: Run, delivery: Delivery, findings: Findings) -> None:
    """Link the staged layers, reject what does not fit, and add the findings to the report.

    Runs in the open transaction. Concerns go to the delivery, for the guard.
    """
    connection = run.connection
    is_written = delivery.written is not None
    with run.timed("check"):
        if not is_written:  # else each table is scanned only once or twice
            for staged in delivery.staged.values():
                connection.execute(text(f"ANALYZE {staged.table}"))
        if REGISTER in delivery.staged:
            register = delivery.staged.pop(REGISTER)
            counts, notes = join.stage_register(connection, register, delivery.rejected, run.number)
            findings.notes |= notes
            delivery.register_rows = register.rows
            delivery.staged |= counts
        if "pipe_segment" in delivery.staged and "pipe_node" not in delivery.staged:
            _stage_missing_nodes(run, delivery, findings)
        names = [name for name in LAYERS if name in delivery.staged]
        for name in names:
            _check_layer(connection, delivery, name, findings)
        _assign_communities(connection, delivery, [name for name in names if name in LOCATED])
        findings.concerns += map_shift.find_shifted_layers(
            connection, delivery.staged, run.source, are_live=is_written
        )
        if "region" in delivery.staged:
            findings.notes["topology"], concerns = topology.heal_slivers(
                connection, delivery.staged["region"], delivery
            )
            findings.concerns += concerns
    delivery.concerns += findings.concerns
    run.report |= {
        "rows": dict(findings.rows),
        "repairs": {name: dict(repairs.counts) for name, repairs in findings.repairs.items()},
        **findings.notes,
    }


def _stage_missing_nodes(run: Run, delivery: Delivery, findings: Findings) -> None:
    """Add nodes for the networks that are delivered without any to the delivery."""
    segments = delivery.staged["pipe_segment"]
    nodes, notes = pipe_nodes.stage_missing_nodes(run.connection, segments, run.source, run.number)
    if nodes is not None:
        findings.notes["network"] = notes
        delivery.staged = {"pipe_node": nodes, **delivery.staged}


def _check_layer(connection: Connection, delivery: Delivery, name: str, findings: Findings) -> None:
    """Link a staged layer to the others, and reject its rows that do not fit."""
    staged, rejected, scope = delivery.staged[name], delivery.rejected, delivery.scope
    if name in BUILDING_PARTS and "building_code" in staged.columns:
        _link_to_buildings(connection, staged, rejected, findings)
    if name == "pipe_segment":
        nodes = delivery.staged.get("pipe_node")
        findings.notes.setdefault("network", {}).update(
            pipe_snap.join_segments_to_nodes(connection, staged, nodes)
        )
    if scope.fields_only:
        return
    if delivery.written is None:
        integrity.refuse_layer_of_other_source(connection, staged, scope.source)
    counts = integrity.reject_invalid_rows(
        connection,
        staged,
        rejected,
        scope.source,
        delivery.staged,
        are_live=delivery.written is not None,
    )
    for rule in register_join.duplicate_rules(staged, scope.source):
        integrity.reject_rows(connection, staged, rejected, rule)
    if counts.get("duplicate"):
        repairs = findings.repairs.setdefault(name, Repairs())
        repairs.counts["duplicate"] += counts["duplicate"]
    if name in integrity.SHAPED_ONCE and "geom" in staged.columns:
        integrity.reject_duplicate_shapes(connection, staged, rejected)


def _link_to_buildings(
    connection: Connection, staged: Staged, rejected: str, findings: Findings
) -> None:
    """Find the building of each row of a layer of its parts, and place the row there."""
    if staged.layer == "dwelling":
        register_join.fill_buildings_of_units(connection, staged)
    methods = join.find_buildings(connection, staged, "building_code")
    findings.notes["joined"] = Counter(findings.notes.get("joined", {})) + Counter(methods)
    join.place_units(connection, staged)
    join.reject_unlinked_rows(
        connection, staged, rejected, "building_code", "building_code IS NULL OR geom IS NULL"
    )
    if staged.layer == "dwelling":
        register_join.complete_dwellings(connection, staged, rejected)
    if staged.layer == "building_fire":
        register_join.complete_items(connection, staged)


def _assign_communities(connection: Connection, delivery: Delivery, names: Sequence[str]) -> None:
    """Fill missing communities of some layers; reject rows that name a wrong one."""
    regions, rejected = delivery.staged.get("region"), delivery.rejected
    if not names or delivery.scope.fields_only:
        return
    join.create_communities_table(connection, regions)
    for staged in (delivery.staged[name] for name in names):
        if "region_code" in staged.columns:
            if regions is not None:  # else each batch was checked against the live ones
                integrity.reject_rows(connection, staged, rejected, _UNKNOWN_COMMUNITY)
            if "geom" in staged.columns:
                integrity.reject_rows(connection, staged, rejected, _OTHER_COMMUNITY)
        if join.has_missing_communities(connection, staged, regions):
            join.find_communities(connection, staged)
