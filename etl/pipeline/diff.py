"""The differences between a staged layer and the live features of its source, by code."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text

from etl.input.layer_columns import declared_type
from etl.pipeline.delivery import Counts, Delivery, Scope
from etl.pipeline.staging import Staged
from etl.runs.run_records import Run
from geo.model.register import VERIFIED_COLUMNS

SHOWN = 200
"""Differences of a layer that a report lists one by one."""

PRECISION_DEGREES = 1e-8
"""Precision of stored coordinates, about 1 mm: repair and transformation move vertices by less."""

_MAX_COMPARED_VERTICES = 5000
"""Vertices of areas whose distance is computed, in a time that grows with their square."""

_SIMPLIFY_DEGREES = 0.00002
"""About 2 m: less than a pixel of the map of a report."""

_CELLS_ACROSS = 40
_MIN_CELL_DEGREES = 0.0005  # about 50 m


def delta_name(layer: str) -> str:
    """Return the temporary table of a layer's differences: ``code`` and ``fate``."""
    return f"delta_{layer}"


def compare_layers(run: Run, delivery: Delivery) -> dict[str, Counts]:
    """Compare the staged layers with the live ones, and describe the differences in the report.

    Corrected values, household counts of the register, and what was verified on the spot after the
    delivered state replace the delivered values first.
    """
    connection = run.connection
    corrections: list[dict[str, Any]] = []
    register_count = verified_count = 0
    counts = {}
    for name, staged in delivery.staged.items():
        if delivery.written is not None:
            counts[name] = _mark_all_added(connection, staged)
            continue
        corrections += keep_corrections(connection, staged)
        if not delivery.scope.fields_only:
            register_count += _keep_register(connection, staged)
        verified_count += _keep_verified(connection, staged)
        counts[name] = _compare(connection, staged, delivery.scope, delivery.rejected)
    run.report |= {"corrections_kept": corrections, "register_kept": register_count}
    run.report |= {"verified_kept": verified_count}
    run.report |= describe_changes(connection, delivery.staged, counts)
    return counts


def _compare(connection: Connection, staged: Staged, scope: Scope, rejected: str) -> Counts:
    """Write the differences into the temporary table ``delta_<layer>``; return the counts.

    A live feature whose new state was rejected does not count as removed.
    """
    if not scope.fields_only and _is_first(connection, staged.layer, scope.source):
        return _mark_all_added(connection, staged)
    parameters = {} if scope.fields_only else {"source": scope.source}
    written = connection.execute(text(_insert_changes_sql(staged, scope)), parameters).rowcount
    counts = _count_written(connection, staged, written)
    if not scope.partial and not scope.fields_only:
        live = count_live(connection, staged.layer, scope.source)
        if live > counts.staged - counts.added:  # else every live feature is in the delivery
            removed = connection.execute(
                text(_insert_removals_sql(staged, rejected)), parameters
            ).rowcount
            counts = replace(counts, removed=removed)
    connection.execute(text(f"ANALYZE {delta_name(staged.layer)}"))
    return counts


def count_live(connection: Connection, layer: str, source: str | None) -> int:
    """Count the live features of a source, of every source if it is None."""
    of_source = "" if source is None else " WHERE source = :source"
    values = {} if source is None else {"source": source}
    count = text(f"SELECT count(*) FROM {layer}{of_source}")
    return int(connection.execute(count, values).scalar_one())


def _mark_all_added(connection: Connection, staged: Staged) -> Counts:
    """Write every staged feature into the differences as added; return the counts."""
    new = connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {delta_name(staged.layer)} AS "
        f"SELECT code, 'added' AS fate FROM {staged.table}"
    )
    return Counts(new.rowcount, 0, 0, 0)


def _insert_changes_sql(staged: Staged, scope: Scope) -> str:
    """Return the statement that records the added and changed features."""
    of_source = "true" if scope.fields_only else "live.source = :source"
    new = "" if scope.fields_only else "live.code IS NULL OR "
    return (
        f"CREATE TEMPORARY TABLE {delta_name(staged.layer)} AS "
        "SELECT staged.code, CASE WHEN live.code IS NULL THEN 'added' ELSE 'changed' END AS fate "
        f"FROM {staged.table} staged "
        f"LEFT JOIN {staged.layer} live ON live.code = staged.code AND {of_source} "
        f"WHERE {new}(live.code IS NOT NULL AND {differs_sql(staged)})"
    )


def _insert_removals_sql(staged: Staged, rejected: str) -> str:
    """Return the statement that records the removed features."""
    name = staged.layer
    return (
        f"INSERT INTO {delta_name(name)} SELECT live.code, 'removed' FROM {name} live "
        "WHERE live.source = :source "
        f"AND NOT EXISTS (SELECT FROM {staged.table} staged WHERE staged.code = live.code) "
        f"AND NOT EXISTS (SELECT FROM {rejected} refused "
        f"WHERE refused.layer = '{name}' AND refused.code = live.code)"
    )


def _is_first(connection: Connection, layer: str, source: str) -> bool:
    """Return whether a source has no live feature in a layer yet."""
    live = text(f"SELECT EXISTS (SELECT FROM {layer} WHERE source = :source)")
    return not connection.execute(live, {"source": source}).scalar()


def _count_written(connection: Connection, staged: Staged, written: int) -> Counts:
    if written:
        return count_changes(connection, staged)
    rows = connection.execute(text(f"SELECT count(*) FROM {staged.table}")).scalar_one()
    return Counts(0, 0, 0, rows)


def count_changes(connection: Connection, staged: Staged) -> Counts:
    """Count the differences of a layer."""
    fates = connection.exec_driver_sql(
        f"SELECT fate, count(*) AS size FROM {delta_name(staged.layer)} GROUP BY 1"
    )
    sizes = {row.fate: row.size for row in fates}
    rows = connection.execute(text(f"SELECT count(*) FROM {staged.table}")).scalar_one()
    added, changed = sizes.get("added", 0), sizes.get("changed", 0)
    return Counts(added, changed, sizes.get("removed", 0), rows - added - changed)


def differs_sql(staged: Staged) -> str:
    """Return the condition that a staged row differs from its live one."""
    columns = [column for column in staged.columns if column not in ("code", "geom")]
    conditions = []
    if columns:
        live, new = (
            ", ".join(f'{alias}."{column}"' for column in columns) for alias in ("live", "staged")
        )
        conditions.append(f"ROW({live}) IS DISTINCT FROM ROW({new})")
    if "geom" in staged.columns:
        conditions.append(column_differs_sql("geom"))
    return f"({' OR '.join(conditions) or 'false'})"


def column_differs_sql(column: str) -> str:
    """Return the condition that a column differs between a staged row and its live one.

    Geometry that is equal within the storage precision is the same: a layer that is exported in
    another coordinate system and delivered again has not changed.
    """
    if column != "geom":
        return f'live."{column}" IS DISTINCT FROM staged."{column}"'
    # A vertex that falls on either side of the border of two cells of one grid does not do so in
    # the other. Areas may also begin at another vertex, or have a further one on a straight side.
    grids = " OR ".join(
        f"ST_SnapToGrid(live.geom, {origin}, {origin}, {PRECISION_DEGREES}, {PRECISION_DEGREES})"
        "::bytea = "
        f"ST_SnapToGrid(staged.geom, {origin}, {origin}, {PRECISION_DEGREES}, {PRECISION_DEGREES})"
        "::bytea"
        for origin in (0, PRECISION_DEGREES / 2)
    )
    return (
        "CASE WHEN live.geom::bytea IS NOT DISTINCT FROM staged.geom::bytea THEN false "
        "WHEN live.geom IS NULL OR staged.geom IS NULL THEN true "
        f"WHEN {grids} THEN false "
        "WHEN ST_Dimension(live.geom) = 2 AND ST_Dimension(staged.geom) = 2 "
        f"AND greatest(ST_NPoints(live.geom), ST_NPoints(staged.geom)) <= {_MAX_COMPARED_VERTICES} "
        "AND abs(ST_Area(live.geom) - ST_Area(staged.geom)) "
        f"<= {PRECISION_DEGREES} * ST_Perimeter(live.geom) "
        f"THEN ST_HausdorffDistance(live.geom, staged.geom) > {PRECISION_DEGREES} "
        "ELSE true END"
    )


def keep_corrections(connection: Connection, staged: Staged) -> list[dict[str, Any]]:
    """Write the values that people corrected into a staging table; return what they replaced."""
    replaced: list[dict[str, Any]] = []
    fields = connection.scalars(
        text("SELECT DISTINCT field FROM correction WHERE layer = :layer"),
        {"layer": staged.layer},
    ).all()
    for field in sorted(set(fields) & set(staged.columns)):
        kind = "geometry" if field == "geom" else declared_type(staged.layer, field)
        rows = connection.execute(
            text(
                f'UPDATE {staged.table} staged SET "{field}" = CAST(c.value AS {kind}) '
                f"FROM correction c, {staged.table} before "
                "WHERE c.layer = :layer AND c.field = :field AND c.code = staged.code "
                'AND before.code = staged.code AND before."' + field + '" IS DISTINCT FROM '
                f"CAST(c.value AS {kind}) "
                f'RETURNING staged.code, before."{field}"::text AS delivered, c.value, c.actor'
            ),
            {"layer": staged.layer, "field": field},
        )
        replaced += [{"layer": staged.layer, "field": field, **row._mapping} for row in rows]
    return replaced


def _keep_register(connection: Connection, staged: Staged) -> int:
    """Keep household counts of the register over an estimate or survey; return how many."""
    if staged.layer != "building" or "households" not in staged.columns:
        return 0
    registered = text("SELECT EXISTS (SELECT FROM building WHERE households_source = 'register')")
    if not connection.execute(registered).scalar():
        return 0
    columns = [c for c in ("households", "population", "households_source") if c in staged.columns]
    assigned = ", ".join(f"{column} = live.{column}" for column in columns)
    origin = "staged.households_source" if "households_source" in columns else "NULL"
    return connection.exec_driver_sql(
        f"UPDATE {staged.table} staged SET {assigned} FROM building live "
        "WHERE live.code = staged.code AND live.households_source = 'register' "
        f"AND {origin} IS DISTINCT FROM 'register'"
    ).rowcount


def _keep_verified(connection: Connection, staged: Staged) -> int:
    """Keep what a grid manager verified in a dwelling after the delivered state; return how many.

    A delivery without the date of verification says nothing about when its counts were true.
    """
    columns = [c for c in (*VERIFIED_COLUMNS, "verified_on") if c in staged.columns]
    if staged.layer != "dwelling" or not columns:
        return 0
    assigned = ", ".join(f"{column} = live.{column}" for column in columns)
    live, delivered = (
        ", ".join(f"{alias}.{column}" for column in columns) for alias in ("live", "staged")
    )
    is_older = "true"
    if "verified_on" in columns:
        is_older = "(staged.verified_on IS NULL OR staged.verified_on < live.verified_on)"
    return connection.exec_driver_sql(
        f"UPDATE {staged.table} staged SET {assigned} FROM dwelling live "
        f"WHERE live.code = staged.code AND live.verified_by <> '' AND {is_older} "
        f"AND ROW({live}) IS DISTINCT FROM ROW({delivered})"
    ).rowcount


def describe_changes(
    connection: Connection, staged: Mapping[str, Staged], counts: Mapping[str, Counts]
) -> dict[str, Any]:
    """Return the differences for the report: the first ones in full, many of them as a density."""
    changed = {name: table for name, table in staged.items() if counts[name].rows_written}
    many = [name for name in changed if counts[name].rows_written > SHOWN]
    densities = {name: _density(connection, changed[name], counts[name]) for name in many}
    return {
        "differences": {
            name: _sample_changes(connection, table, SHOWN) for name, table in changed.items()
        },
        "density": {name: density for name, density in densities.items() if density},
    }


def _sample_changes(connection: Connection, staged: Staged, most: int) -> list[dict[str, Any]]:
    """Return the first differences of a layer.

    Returns
    -------
    list of dict
        ``code``, ``fate``, changed ``columns``, ``values`` that differ (before and after, by
        column), its ``shape``, and the shape ``before`` if that changed.
    """
    columns = [column for column in staged.columns if column not in ("code", "geom")]
    pairs = ", ".join(f'\'{c}\', jsonb_build_array(live."{c}", staged."{c}")' for c in columns)
    changed = ", ".join(
        f"CASE WHEN {column_differs_sql(c)} THEN '{c}' END" for c in staged.columns if c != "code"
    )
    shape = "coalesce(staged.geom, live.geom)" if "geom" in staged.columns else "live.geom"
    rows = connection.execute(
        text(
            f"SELECT d.code, d.fate, CASE WHEN d.fate = 'changed' THEN "
            f"array_remove(ARRAY[{changed or 'NULL'}]::text[], NULL) END AS columns, "
            f"jsonb_build_object({pairs}) AS values, {_geojson_sql(shape)} AS shape, "
            f"CASE WHEN d.fate = 'changed' THEN {_geojson_sql('live.geom')} END AS before "
            f"FROM (SELECT * FROM {delta_name(staged.layer)} "
            "ORDER BY fate = 'added', code LIMIT :most) d "
            f"LEFT JOIN {staged.layer} live ON live.code = d.code "
            f"LEFT JOIN {staged.table} staged ON staged.code = d.code "
            "ORDER BY d.fate = 'added', d.code"
        ),
        {"most": most},
    )
    return [_without_unchanged(dict(row._mapping)) for row in rows]


def _geojson_sql(shape: str) -> str:
    return f"ST_AsGeoJSON(ST_Simplify({shape}, {_SIMPLIFY_DEGREES}, true), 6)::jsonb"


def _without_unchanged(change: dict[str, Any]) -> dict[str, Any]:
    """Return a difference with only the values that differ, and ``before`` if the shape does."""
    values = {name: pair for name, pair in change["values"].items() if pair[0] != pair[1]}
    is_moved = "geom" in (change["columns"] or ())
    return change | {"values": values, "before": change["before"] if is_moved else None}


def _density(connection: Connection, staged: Staged, counts: Counts) -> dict[str, Any] | None:
    """Return how many features of a layer are added, changed and removed in each cell of a grid.

    Returns
    -------
    dict or None
        ``cell`` (its width and height, degrees), ``cells`` of ``lon`` and ``lat`` (of their
        south-western corners), ``fate`` and ``count``; None where nothing has a place.
    """
    places = _places(staged, counts)
    west, south, east, north = connection.exec_driver_sql(
        "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e) "
        f"FROM (SELECT ST_Extent(shape) AS e FROM ({places}) place) whole"
    ).one()
    if west is None:
        return None
    wide = max((east - west) / _CELLS_ACROSS, (north - south) / _CELLS_ACROSS, _MIN_CELL_DEGREES)
    rows = connection.execute(
        text(
            "SELECT x, y, fate, count(*) AS size FROM (SELECT fate, "
            "floor(((ST_XMin(shape) + ST_XMax(shape)) / 2 - :west) / :wide)::int AS x, "
            "floor(((ST_YMin(shape) + ST_YMax(shape)) / 2 - :south) / :wide)::int AS y "
            f"FROM ({places}) place) cell WHERE x IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ),
        {"west": west, "south": south, "wide": wide},
    )
    cells = [
        {
            "lon": round(west + row.x * wide, 6),
            "lat": round(south + row.y * wide, 6),
            "fate": row.fate,
            "count": row.size,
        }
        for row in rows
    ]
    return {"cell": wide, "cells": cells}


def _places(staged: Staged, counts: Counts) -> str:
    """Return the query of the bounding boxes of the differences, with their fate."""
    delta, live = delta_name(staged.layer), staged.layer
    if "geom" not in staged.columns:
        return f"SELECT fate, Box2D(geom) AS shape FROM {delta} JOIN {live} USING (code)"
    if counts.is_all_added:
        return f"SELECT 'added' AS fate, Box2D(geom) AS shape FROM {staged.table}"
    return (
        f"SELECT fate, Box2D(geom) AS shape FROM {delta} JOIN {staged.table} USING (code) "
        f"UNION ALL SELECT fate, Box2D(geom) FROM {delta} JOIN {live} USING (code) "
        "WHERE fate = 'removed'"
    )


def comparison_sql(column: str) -> str:
    """Return the expression by which a column is compared exactly."""
    return "geom::bytea" if column == "geom" else f'"{column}"'
