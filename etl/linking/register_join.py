"""Linking dwellings and organisations to buildings and units, and their codes."""

from sqlalchemy import Connection

from etl.checks.integrity import Rule, reject_rows
from etl.linking.address_match import fill_units_by_number
from etl.pipeline.staging import ROW, Staged
from geo.model.register import AGE_BANDS

_COUNTS = ("residents", "registered", "floating", *AGE_BANDS, "need_help")
_SHORT_ROOM = 3
"""A number of a room with fewer characters repeats on every floor."""

WITHOUT_ROOM = Rule(
    "dwelling_without_room",
    "staged.code IS NULL OR staged.code = ''",
    "'value', staged.building_code",
    {},
)


def fill_buildings_of_units(connection: Connection, staged: Staged) -> None:
    """Fill the building of dwellings that name their unit alone."""
    connection.exec_driver_sql(
        f"UPDATE {staged.table} s SET building_code = u.building_code FROM building_unit u "
        "WHERE s.building_code IS NULL AND u.code = s.unit_code"
    )


def complete_items(connection: Connection, staged: Staged) -> None:
    """Give each item found on site its code: that of its building, and the item."""
    connection.exec_driver_sql(
        f"UPDATE {staged.table} SET code = building_code || '-' || item "
        "WHERE building_code IS NOT NULL"
    )


def complete_dwellings(connection: Connection, staged: Staged, rejected: str) -> int:
    """Fill units and codes of linked dwellings; return how many have neither code nor room.

    Counts of persons of the same dwelling are added up.
    """
    if "unit" in staged.extras:
        fill_units_by_number(connection, staged, "building_code")
    unit = "coalesce(nullif(unit, ''), unit_code)" if "unit" in staged.extras else "unit_code"
    connection.exec_driver_sql(
        f"UPDATE {staged.table} SET code = concat_ws('-', building_code, {unit}, "
        f"CASE WHEN length(room) < {_SHORT_ROOM} THEN nullif(floor, '') END, room) "
        "WHERE code IS NULL AND building_code IS NOT NULL AND room <> ''"
    )
    missing = reject_rows(connection, staged, rejected, WITHOUT_ROOM)
    if staged.is_aggregate:
        _add_up(connection, staged)
    return missing


def _add_up(connection: Connection, staged: Staged) -> None:
    """Add up the counts of rows with the same code; an unknown count makes the sum unknown."""
    table, summed = (
        staged.table,
        ", ".join(
            f"CASE WHEN bool_and({c} IS NOT NULL) THEN sum({c}) END AS {c}"
            for c in _COUNTS
            if c in staged.columns
        ),
    )
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE added_up ON COMMIT DROP AS SELECT code, min({ROW}) AS row, "
        "CASE WHEN count(DISTINCT occupancy) = 1 THEN min(occupancy) END AS occupancy, "
        f"min(verified_on) AS verified_on, {summed} FROM {table} "
        "GROUP BY code HAVING count(*) > 1"
    )
    connection.exec_driver_sql(
        f"DELETE FROM {table} s USING added_up a WHERE a.code = s.code AND s.{ROW} <> a.row"
    )
    assigned = ", ".join(f"{c} = a.{c}" for c in _COUNTS if c in staged.columns)
    connection.exec_driver_sql(
        f"UPDATE {table} s SET {assigned}, occupancy = a.occupancy, "
        "verified_on = a.verified_on, alone_60_up = CASE WHEN a.residents <> 1 THEN 0 "
        "WHEN a.residents IS NULL THEN NULL "
        "ELSE a.age_60_79 + a.age_80_up END FROM added_up a WHERE a.code = s.code"
    )


def duplicate_rules(staged: Staged, source: str) -> list[Rule]:
    """Return the rules that a dwelling or organisation is on record once."""
    if staged.layer == "dwelling":
        return [_other_source_rule("dwelling", source)]
    if staged.layer == "entity" and "credit_code" in staged.columns:
        return [_other_source_rule("entity", source), _repeated_credit_code_rule(staged)]
    return []


def _other_source_rule(layer: str, source: str) -> Rule:
    same = {
        "dwelling": "live.building_code = staged.building_code AND live.room = staged.room "
        "AND live.floor = staged.floor AND live.unit_code IS NOT DISTINCT FROM staged.unit_code",
        "entity": "live.credit_code = staged.credit_code",
    }[layer]
    live = f"FROM {layer} live WHERE {same} AND live.source <> :source"
    reasons = {"dwelling": "dwelling_of_other_source", "entity": "entity_of_other_source"}
    return Rule(
        reasons[layer],
        f"EXISTS (SELECT {live})",
        f"'other', (SELECT min(live.code) {live}), 'source', (SELECT min(live.source) {live})",
        {"source": source},
    )


def _repeated_credit_code_rule(staged: Staged) -> Rule:
    repeated = f"SELECT credit_code FROM {staged.table} GROUP BY credit_code HAVING count(*) > 1"
    return Rule(
        "credit_code_repeated",
        f"staged.credit_code IN ({repeated})",
        "'value', staged.credit_code",
        {},
    )
