"""Joining units and register rows to buildings, and features to communities.

By code, else by address (``etl.linking.address_match``), else by location.
"""

from typing import Any

from sqlalchemy import Connection, text

from etl.checks.integrity import Rule, reject_rows
from etl.linking.address_match import fill_units_by_number, match_addresses
from etl.pipeline import staging
from etl.pipeline.staging import Staged

NEAREST_M = 15.0
"""A point this close to a building belongs to it: entrances are surveyed at the kerb."""

_MATCHES = "address_match"
"""Temporary table of the delivered addresses: the building and unit that each names, or none."""

VICINITY_DEGREES = 0.05
"""A feature may lie so far beyond the bounds of the community that it names: about 5 km."""


def find_buildings(connection: Connection, staged: Staged, column: str) -> dict[str, int]:
    """Fill a column of a staging table with building codes; return how many by which method.

    Parameters
    ----------
    column
        The column to fill; rows that have a code keep it.
    """
    counts = {}
    names = {*staged.columns, *staged.extras}
    if "address" in names:
        _match_addresses(connection, staged, column)
        counts["by_address"] = connection.exec_driver_sql(
            f"UPDATE {staged.table} staged SET {column} = m.code FROM {_MATCHES} m "
            f"WHERE staged.{column} IS NULL AND staged.address = m.address "
            "AND m.code IS NOT NULL"
        ).rowcount
    if "geom" in names:
        counts["by_location"] = connection.execute(
            text(
                f"UPDATE {staged.table} staged SET {column} = near.code FROM ("
                f"SELECT s.{staging.ROW}, b.code FROM {staged.table} s CROSS JOIN LATERAL ("
                "SELECT code FROM building b "
                "WHERE b.geom && ST_Expand(s.geom, :degrees) "
                "AND ST_DWithin(b.geom::geography, s.geom::geography, :metres) "
                "ORDER BY ST_Distance(b.geom, s.geom), code LIMIT 1) b "
                f"WHERE s.{column} IS NULL AND s.geom IS NOT NULL) near "
                f"WHERE near.{staging.ROW} = staged.{staging.ROW}"
            ),
            {"metres": NEAREST_M, "degrees": NEAREST_M / 50_000},
        ).rowcount
    return {how: count for how, count in counts.items() if count}


def _match_addresses(connection: Connection, staged: Staged, column: str) -> None:
    """Create the table of the addresses of rows without a building.

    An address that is recorded letter by letter is matched in the database, the others are parsed.
    """
    connection.execute(text(f"DROP TABLE IF EXISTS pg_temp.{_MATCHES}"))
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {_MATCHES} ON COMMIT DROP AS "
        "SELECT address, live.code, NULL::text AS unit_code, NULL::text AS nearest "
        f"FROM (SELECT DISTINCT address FROM {staged.table} "
        f"WHERE {column} IS NULL AND address <> '') delivered LEFT JOIN ("
        "SELECT address, min(code) AS code FROM building WHERE address <> '' "
        "GROUP BY address HAVING count(*) = 1) live USING (address)"
    )
    unknown = connection.scalars(text(f"SELECT address FROM {_MATCHES} WHERE code IS NULL")).all()
    if unknown:
        matches = match_addresses(connection, unknown)
        columns = {
            name: [getattr(match, name) for match in matches]
            for name in ("address", "code", "unit_code", "nearest")
        }
        connection.execute(
            text(
                f"UPDATE {_MATCHES} m SET code = new.code, unit_code = new.unit_code, "
                "nearest = new.nearest FROM unnest(CAST(:address AS text[]), "
                "CAST(:code AS text[]), CAST(:unit_code AS text[]), CAST(:nearest AS text[])) "
                "AS new (address, code, unit_code, nearest) WHERE new.address = m.address"
            ),
            columns,
        )
    connection.execute(text(f"CREATE INDEX ON {_MATCHES} (address)"))
    connection.execute(text(f"ANALYZE {_MATCHES}"))


def reject_unlinked_rows(
    connection: Connection, staged: Staged, rejected: str, column: str, condition: str
) -> int:
    """Reject the staged rows of a condition, those with an address with the nearest buildings.

    Parameters
    ----------
    column
        The column that :func:`find_buildings` filled.
    condition
        SQL condition on ``staged`` that holds for rows that are linked to no building.

    Returns
    -------
    int
        The number of rejected rows.
    """
    count = 0
    if "address" in {*staged.columns, *staged.extras}:
        nearest = f"SELECT m.nearest FROM {_MATCHES} m WHERE m.address = staged.address"
        missing = f"staged.{column} IS NULL AND staged.address <> '' AND ({condition})"
        for key, is_near, detail in (
            ("address_not_found", "<> ''", f", 'nearest', ({nearest})"),
            ("address_unknown", "= ''", ""),
        ):
            values = f"'value', staged.address{detail}"
            rule = Rule(key, f"{missing} AND coalesce(({nearest}), '') {is_near}", values, {})
            count += reject_rows(connection, staged, rejected, rule)
    shown = f"'value', {_describe_place_sql(staged)}"
    unlinked = Rule("building_not_found", condition, shown, {})
    return count + reject_rows(connection, staged, rejected, unlinked)


def _describe_place_sql(staged: Staged) -> str:
    """Return the expression of what a row says about its place: codes, address, coordinates."""
    delivered = {*staged.columns, *staged.extras}
    names = [n for n in ("code", "building_code", "unit_code", "address") if n in delivered]
    parts = [f"nullif({name}, '')" for name in names]
    if "geom" in delivered:
        parts.append("round(ST_X(geom)::numeric, 6) || ' ' || round(ST_Y(geom)::numeric, 6)")
    return f"coalesce(nullif(concat_ws(', ', {', '.join(parts)}), ''), '–')"


def place_units(connection: Connection, staged: Staged) -> None:
    """Place units without geometry inside their building."""
    connection.exec_driver_sql(
        f"UPDATE {staged.table} staged SET geom = ST_PointOnSurface(b.geom) FROM building b "
        "WHERE b.code = staged.building_code AND staged.geom IS NULL"
    )


def create_communities_table(connection: Connection, regions: Staged | None) -> None:
    """Create the temporary table ``communities`` of those that will be live after the import.

    ``is_new`` marks those that the delivery holds; ``vicinity`` is their bounding box, widened by
    :data:`VICINITY_DEGREES`.
    """
    live = "SELECT code, geom, false AS is_new FROM region WHERE level = 'community'"
    if regions is not None:
        shape, join = "staged.geom", ""
        if "geom" not in regions.columns:
            shape, join = "live.geom", "LEFT JOIN region live USING (code)"
        live += (
            f" AND code NOT IN (SELECT code FROM {regions.table} WHERE code IS NOT NULL) "
            f"UNION ALL SELECT staged.code, {shape}, true FROM {regions.table} staged {join} "
            "WHERE staged.level = 'community'"
        )
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE communities ON COMMIT DROP AS "
            f"SELECT *, ST_Expand(geom, :degrees) AS vicinity FROM ({live}) community"
        ),
        {"degrees": VICINITY_DEGREES},
    )
    connection.execute(text("CREATE INDEX ON communities USING gist (geom)"))
    connection.execute(text("ANALYZE communities"))


def find_communities(connection: Connection, staged: Staged) -> int:
    """Fill missing ``region_code``: with the live value, else by location.

    A community of the same delivery goes before one of another. Needs the table of
    :func:`create_communities_table`.
    """
    if "region_code" not in staged.columns:
        connection.execute(text(f"ALTER TABLE {staged.table} ADD region_code text"))
        staged.columns.append("region_code")
    connection.exec_driver_sql(
        f"UPDATE {staged.table} staged SET region_code = live.region_code "
        f"FROM {staged.layer} live WHERE live.code = staged.code "
        "AND staged.region_code IS NULL AND live.region_code IS NOT NULL"
    )
    if "geom" not in staged.columns:
        return 0
    by_location = text(
        f"UPDATE {staged.table} staged SET region_code = r.code FROM communities r "
        "WHERE staged.region_code IS NULL AND r.is_new = :is_new "
        "AND ST_Intersects(r.geom, ST_PointOnSurface(staged.geom))"
    )
    return sum(
        connection.execute(by_location, {"is_new": is_new}).rowcount for is_new in (True, False)
    )


def has_missing_communities(
    connection: Connection, staged: Staged, regions: Staged | None = None
) -> bool:
    """Return whether any staged feature lacks a community, while communities exist.

    Parameters
    ----------
    regions
        Divisions of the same delivery.
    """
    exist = "SELECT EXISTS (SELECT FROM region WHERE level = 'community' AND geom IS NOT NULL)"
    if regions is None and not connection.execute(text(exist)).scalar():
        return False
    if "region_code" not in staged.columns:
        return True
    missing = f"SELECT EXISTS (SELECT FROM {staged.table} WHERE region_code IS NULL)"
    return bool(connection.execute(text(missing)).scalar())


def stage_register(
    connection: Connection, rows: Staged, rejected: str, number: int
) -> tuple[dict[str, Staged], dict[str, Any]]:
    """Stage the household counts of a register by building and unit.

    A row without a count is one household. Only counts are stored, never who lives there.

    Returns
    -------
    tuple
        Staging tables of the counts by layer, and notes for the report: how many rows were joined
        by which method (``joined``), and how many name a unit, but count only for their building
        (``register_units_unknown``).
    """
    for column in ("code", "unit_code", "households", "population"):
        if column not in rows.columns:
            kind = "text" if "code" in column else "int"
            connection.execute(text(f"ALTER TABLE {rows.table} ADD {column} {kind}"))
            rows.columns.append(column)
    connection.exec_driver_sql(
        f"UPDATE {rows.table} r SET code = u.building_code FROM building_unit u "
        "WHERE r.code IS NULL AND u.code = r.unit_code"
    )
    methods = find_buildings(connection, rows, "code")
    notes: dict[str, Any] = {"joined": methods}
    if by_unit := _find_units(connection, rows):
        methods["units"] = by_unit
    no_building = "NOT EXISTS (SELECT FROM building b WHERE b.code = staged.code)"
    rows.rows -= reject_unlinked_rows(connection, rows, rejected, "code", no_building)
    if "unit" in rows.extras and (unknown := _count_unknown_units(connection, rows)):
        notes["register_units_unknown"] = unknown
    counts = {
        "building": _sum_households(connection, rows, number, "building", "code"),
        "building_unit": _sum_households(connection, rows, number, "building_unit", "unit_code"),
    }
    return {name: count for name, count in counts.items() if count.rows}, notes


def _find_units(connection: Connection, rows: Staged) -> int:
    """Fill the unit codes of register rows whose column or address names the unit.

    Only where every row of a building has its unit, so that no unit gets a part of its households,
    and not where column and address name two units. Return how many were filled.
    """
    by_number = "unit" in rows.extras
    by_address = "address" in rows.columns
    if not (by_number or by_address):
        return 0
    connection.execute(text(f"ALTER TABLE {rows.table} ADD delivered_unit text"))
    connection.execute(text(f"UPDATE {rows.table} SET delivered_unit = unit_code"))
    if by_number:
        fill_units_by_number(connection, rows, "code")
    if by_address:
        _fill_units_by_address(connection, rows)
    incomplete = f"SELECT code FROM {rows.table} WHERE code IS NOT NULL AND unit_code IS NULL"
    connection.exec_driver_sql(
        f"UPDATE {rows.table} SET unit_code = NULL "
        f"WHERE delivered_unit IS NULL AND code IN ({incomplete})"
    )
    filled = f"SELECT count(*) FROM {rows.table} WHERE delivered_unit IS NULL AND unit_code <> ''"
    count = int(connection.scalar(text(filled)) or 0)
    connection.execute(text(f"ALTER TABLE {rows.table} DROP delivered_unit"))
    return count


def _fill_units_by_address(connection: Connection, rows: Staged) -> None:
    """Fill unit codes by the units that addresses name; clear those that contradict them."""
    has_number = "coalesce(r.unit, '') <> ''" if "unit" in rows.extras else "false"
    connection.exec_driver_sql(
        f"UPDATE {rows.table} r SET unit_code = CASE WHEN {has_number} THEN NULL "
        f"ELSE m.unit_code END FROM {_MATCHES} m "
        "WHERE m.address = r.address AND m.code = r.code AND m.unit_code IS NOT NULL "
        "AND r.delivered_unit IS NULL AND r.unit_code IS DISTINCT FROM m.unit_code"
    )


def _count_unknown_units(connection: Connection, rows: Staged) -> int:
    """Return how many linked rows name a unit that their building does not have on record."""
    unknown = "unit <> '' AND unit_code IS NULL AND code IS NOT NULL"
    counted = connection.scalar(text(f"SELECT count(*) FROM {rows.table} WHERE {unknown}"))
    return int(counted or 0)


def _sum_households(
    connection: Connection, rows: Staged, number: int, layer: str, column: str
) -> Staged:
    """Sum the households of a register by building, or by unit."""
    names = ["code", "households", "population"]
    sources = ["households_source"] if layer == "building" else []
    staged = staging.create_staging_table(connection, number, layer, [*names, *sources])
    origin = ", 'register'" if sources else ""
    staged.rows = connection.exec_driver_sql(
        f"INSERT INTO {staged.table} SELECT r.{column}, sum(coalesce(r.households, 1)), "
        f"sum(r.population){origin}, min(r.{staging.ROW}) FROM {rows.table} r "
        f"JOIN {layer} live ON live.code = r.{column} GROUP BY r.{column}"
    ).rowcount
    return staged
