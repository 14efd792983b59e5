"""The staged layers of a file against each other and against what is live."""

from sqlalchemy import Connection, text

from etl.checks import integrity, plausibility, topology
from etl.checks.geometry_repair import Repairs
from etl.input.layer_columns import REGISTER
from etl.linking import join, pipe_nodes, pipe_snap
from etl.pipeline.delivery import Delivery
from etl.pipeline.reading import Findings
from etl.runs.run_records import Run
from geo.model import LAYERS

LOCATED = ("building", "compound", "facility")
"""Layers whose features belong to a community."""


def cross_check(run: Run, delivery: Delivery, found: Findings) -> None:
    """Check the staged layers against each other and what is live."""
    connection, staged = run.connection, delivery.staged
    are_live = delivery.written is not None
    with run.timed("check"):
        for one in () if are_live else staged.values():  # else each is read through once or twice
            connection.execute(text(f"ANALYZE {one.table}"))
        if REGISTER in staged:
            rows = staged.pop(REGISTER)
            made, how = join.stage_register(connection, rows, delivery.rejected, run.number)
            found.notes["joined"] = how
            staged |= made
        if "pipe_segment" in staged and "pipe_node" not in staged:
            _make_nodes(run, delivery, found)
        staged = delivery.staged
        for name in [name for name in LAYERS if name in staged]:
            _relate_layer(connection, delivery, name, found)
        if not are_live:
            found.concerns += plausibility.find_shifted_layers(connection, staged)
        if "region" in staged:
            notes, concerns = topology.heal_slivers(connection, staged["region"], delivery)
            found.notes["topology"] = notes
            found.concerns += concerns
    delivery.concerns += found.concerns
    report_findings(run, found)


def _make_nodes(run: Run, delivery: Delivery, found: Findings) -> None:
    """Give pipes that are delivered without nodes their nodes, which are published with them."""
    segments = delivery.staged["pipe_segment"]
    made, notes = pipe_nodes.stage_missing_nodes(run.connection, segments, run.source, run.number)
    if made is not None:
        found.notes["network"] = notes
        delivery.staged = {"pipe_node": made, **delivery.staged}


def _relate_layer(connection: Connection, delivery: Delivery, name: str, found: Findings) -> None:
    staged = delivery.staged[name]
    scope = delivery.scope
    if name == "building_unit" and "building_code" in staged.columns:
        found.notes["joined"] = join.find_buildings(connection, staged, "building_code")
        join.place_units(connection, staged)
        integrity.reject_rows(connection, staged, delivery.rejected, _HOMELESS)
    if name == "pipe_segment":
        known = delivery.staged.get("pipe_node")
        found.notes.setdefault("network", {}).update(
            pipe_snap.join_segments_to_nodes(connection, staged, known)
        )
    if not scope.fields_only:
        counts = integrity.reject_invalid_rows(
            connection,
            staged,
            delivery.rejected,
            scope.source,
            delivery.staged,
            are_live=delivery.written is not None,
        )
        if counts.get("duplicate"):
            found.repairs.setdefault(name, Repairs()).counts["duplicate"] += counts["duplicate"]
        if name in integrity.SHAPED_ONCE and "geom" in staged.columns:
            integrity.reject_duplicate_shapes(connection, staged, delivery.rejected)
        if name in LOCATED and join.has_missing_communities(connection, staged):
            join.find_communities(connection, staged)


_HOMELESS = integrity.Rule(
    "building_not_found",
    "building_code IS NULL OR geom IS NULL",
    "'value', coalesce(code, '?')",
    {},
)


def report_findings(run: Run, found: Findings) -> None:
    run.report |= {
        "rows": dict(found.rows),
        "repairs": {name: dict(one.counts) for name, one in found.repairs.items()},
        **found.notes,
    }
