"""Joining units and register rows to buildings, and features to communities.

By code, else by normalised address (no blanks or punctuation, full-width characters as ASCII), else
by location.
"""

from typing import Any

from sqlalchemy import Connection, text

from etl.checks.integrity import Rule, reject_rows
from etl.pipeline import staging
from etl.pipeline.staging import Staged

NEAREST_M = 15.0
"""A point this close to a building belongs to it: entrances are surveyed at the kerb."""

VICINITY_DEGREES = 0.01
"""A feature may lie so far beyond the bounds of the community that it names: about 1 km."""

# Full-width characters are 65,248 (0xFEE0) above the ASCII ones.
_FULL = "".join(chr(code) for code in range(0xFF01, 0xFF5F))
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F))


def _normalised_sql(column: str) -> str:
    """Return the expression of an address without differences in spelling."""
    return (
        f"lower(regexp_replace(translate({column}, '{_quote_characters(_FULL)}', "
        f"'{_quote_characters(_PLAIN)}'), "
        "'[[:space:][:punct:]]', '', 'g'))"
    )


def _quote_characters(characters: str) -> str:
    return characters.replace("'", "''").replace(":", "\\:")


def _index_addresses(connection: Connection) -> None:
    connection.execute(
        text(
            "CREATE TEMPORARY TABLE IF NOT EXISTS addressed ON COMMIT DROP AS "
            f"SELECT {_normalised_sql('address')} AS address, min(code) AS code FROM building "
            "WHERE address <> '' GROUP BY 1 HAVING count(*) = 1"
        )
    )


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
        _index_addresses(connection)
        counts["by_address"] = connection.execute(
            text(
                f"UPDATE {staged.table} staged SET {column} = addressed.code FROM addressed "
                f"WHERE staged.{column} IS NULL "
                f"AND {_normalised_sql('staged.address')} = addressed.address"
            )
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


def place_units(connection: Connection, staged: Staged) -> None:
    """Place units without geometry inside their building."""
    connection.execute(
        text(
            f"UPDATE {staged.table} staged SET geom = ST_PointOnSurface(b.geom) FROM building b "
            "WHERE b.code = staged.building_code AND staged.geom IS NULL"
        )
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
    connection.execute(
        text(
            f"UPDATE {staged.table} staged SET region_code = live.region_code "
            f"FROM {staged.layer} live WHERE live.code = staged.code "
            "AND staged.region_code IS NULL AND live.region_code IS NOT NULL"
        )
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
        Staging tables of the counts by layer, and how many rows were joined by which method.
    """
    for column in ("code", "unit_code", "households", "population"):
        if column not in rows.columns:
            kind = "text" if "code" in column else "int"
            connection.execute(text(f"ALTER TABLE {rows.table} ADD {column} {kind}"))
            rows.columns.append(column)
    connection.execute(
        text(
            f"UPDATE {rows.table} r SET code = u.building_code FROM building_unit u "
            "WHERE r.code IS NULL AND u.code = r.unit_code"
        )
    )
    methods = find_buildings(connection, rows, "code")
    unknown = Rule(
        "building_not_found",
        "NOT EXISTS (SELECT FROM building b WHERE b.code = staged.code)",
        "'value', coalesce(code, unit_code, '?')",
        {},
    )
    reject_rows(connection, rows, rejected, unknown)
    counts = {
        "building": _sum_households(connection, rows, number, "building", "code"),
        "building_unit": _sum_households(connection, rows, number, "building_unit", "unit_code"),
    }
    return {name: one for name, one in counts.items() if one.rows}, methods


def _sum_households(
    connection: Connection, rows: Staged, number: int, layer: str, column: str
) -> Staged:
    """Sum the households of a register by building, or by unit."""
    names = ["code", "households", "population"]
    sources = ["households_source"] if layer == "building" else []
    staged = staging.create_staging_table(connection, number, layer, [*names, *sources])
    origin = ", 'register'" if sources else ""
    staged.rows = connection.execute(
        text(
            f"INSERT INTO {staged.table} SELECT r.{column}, sum(coalesce(r.households, 1)), "
            f"sum(r.population){origin}, min(r.{staging.ROW}) FROM {rows.table} r "
            f"JOIN {layer} live ON live.code = r.{column} GROUP BY r.{column}"
        )
    ).rowcount
    return staged
