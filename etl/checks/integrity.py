"""The checks of a staged layer against itself and against the live layers.

They find repeated codes, codes of another source, and references to features that do not exist.
Rows that fail go to the table of rejected features, with the reason; a strict delivery is refused
as a whole.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, text

from etl.checks.faults import format_value
from etl.checks.values import domains
from etl.input.layer_columns import (
    check_constraints,
    deliverable_columns,
    required_columns,
)
from etl.pipeline.diff import comparison_sql
from etl.pipeline.staging import ROW, Staged
from geo.codes import DIGITS
from geo.errors import InputError

REFERENCES: dict[str, dict[str, str]] = {
    "building_unit": {"building_code": "building"},
    "dwelling": {"building_code": "building", "unit_code": "building_unit"},
    "entity": {"building_code": "building"},
    "building_fire": {"building_code": "building"},
    "pipe_segment": {"from_node": "pipe_node", "to_node": "pipe_node"},
    "region": {"parent_code": "region"},
}
"""Columns that refer to a feature of another layer, or of the same one."""

SHAPED_ONCE = ("compound", "building", "road")
"""Layers in which two features of the same shape are a duplicate."""


_PARENT = "(level = 'city') = (parent_code IS NULL)"
"""Rule of the divisions that has a text of its own."""


@dataclass(frozen=True)
class Rule:
    """A rule for staged rows that can't be published.

    Attributes
    ----------
    key
        The reason, a key of the message catalogue.
    condition
        SQL condition on ``staged`` that holds for the rows to reject.
    detail
        SQL arguments of ``jsonb_build_object`` for the fields of the message.
    values
        Parameters of both.
    """

    key: str
    condition: str
    detail: str
    values: dict[str, Any]


def reject_invalid_rows(
    connection: Connection,
    staged: Staged,
    rejected: str,
    source: str,
    others: dict[str, Staged],
    *,
    are_live: bool = False,
) -> dict[str, int]:
    """Move the rows that can't be published to the rejected features; return counts by reason.

    Parameters
    ----------
    others
        The staged layers of the same run, to which references may refer.
    are_live
        The live table already holds every row for the source, so no code is repeated.
    """
    counts: dict[str, int] = {}
    foreign_rules = [] if are_live else [_foreign_code_rule(staged, source)]
    rules = [*_value_rules(staged), *foreign_rules, *_reference_rules(staged, others)]
    if not are_live and has_repeats(connection, staged, "code"):
        if duplicates := _drop_duplicates(connection, staged):
            counts["duplicate"] = duplicates
        rules.insert(0, _duplicate_rule(staged))
    for rule in rules:
        while moved := reject_rows(connection, staged, rejected, rule):
            counts[rule.key] = counts.get(rule.key, 0) + moved
            if rule.key != "reference_unknown":
                break  # only a rejected parent can make further rows fail
    return counts


def reject_foreign_codes(connection: Connection, staged: Staged, rejected: str, source: str) -> int:
    """Reject staged features whose code belongs to another source; return how many."""
    return reject_rows(connection, staged, rejected, _foreign_code_rule(staged, source))


def refuse_layer_of_other_source(connection: Connection, staged: Staged, source: str) -> None:
    """Refuse a layer all of whose codes belong to other sources, such as an exported one.

    Raises
    ------
    InputError
        With the owners, and the option to give.
    """
    owners = connection.execute(
        text(
            f"SELECT live.source, count(*) AS size FROM {staged.table} staged "
            f"JOIN {staged.layer} live USING (code) WHERE live.source <> :source "
            "GROUP BY 1 ORDER BY 2 DESC"
        ),
        {"source": source},
    ).all()
    foreign = sum(owner.size for owner in owners)
    if not foreign:
        return
    rows = connection.execute(text(f"SELECT count(*) FROM {staged.table}")).scalar_one()
    if foreign == rows:
        key = "layer_of_other_source" if len(owners) == 1 else "layer_of_other_sources"
        names = ", ".join(owner.source for owner in owners)
        raise InputError(key, layer=staged.layer, count=foreign, source=names)


def raise_on_invalid_rows(connection: Connection, staged: Staged, source: str) -> None:
    """Raise on the first feature of a staging table that can't be published.

    Raises
    ------
    InputError
        With its code, the value, the rule, and the number of such features.
    """
    for column in (c.name for c in required_columns(staged.layer) if c.name in staged.columns):
        blank = " OR code = ''" if column == "code" else ""
        count, code = _first(connection, staged, f'"{column}" IS NULL{blank}', "code")
        if count:
            raise InputError(
                "value_missing", layer=staged.layer, column=column, code=code or "?", count=count
            )
    repeated = connection.scalars(
        text(f"SELECT code FROM {staged.table} GROUP BY code HAVING count(*) > 1 ORDER BY code")
    ).all()
    if repeated:
        raise InputError("code_repeated", layer=staged.layer, count=len(repeated), code=repeated[0])
    _refuse_broken_rules(connection, staged)
    _refuse_foreign(connection, staged, source)


def _refuse_broken_rules(connection: Connection, staged: Staged) -> None:
    applicable = _applicable_rules(staged)
    if not applicable:
        return
    counted = ", ".join(f"count(*) FILTER (WHERE NOT ({rule}))" for rule in applicable)
    counts = connection.execute(text(f"SELECT {counted} FROM {staged.table}")).one()
    for rule, count in zip(applicable, counts, strict=True):
        if count:
            shown = f"code || E'\\n' || {_values_sql(staged, rule)}"
            _, first = _first(connection, staged, f"NOT ({rule})", shown)
            code, value = first.split("\n", 1)
            raise InputError(
                "row_refused",
                layer=staged.layer,
                code=code,
                value=format_value(value),
                rule=rule,
                count=count,
            )


def _refuse_foreign(connection: Connection, staged: Staged, source: str) -> None:
    foreign = connection.execute(
        text(
            # Not ordered with a limit: the server would walk all of a city's codes in order.
            f"SELECT code, source FROM {staged.layer} WHERE code = ("
            f"SELECT min(code) FROM {staged.layer} JOIN {staged.table} USING (code) "
            f"WHERE {staged.layer}.source <> :source)"
        ),
        {"source": source},
    ).first()
    if foreign:
        raise InputError(
            "code_of_other_source", layer=staged.layer, code=foreign.code, source=foreign.source
        )


def _applicable_rules(staged: Staged, *, of_batches: bool = True) -> list[str]:
    """Return the rules of a layer all of whose columns are delivered.

    Without ``of_batches``, leave out the ranges and lists of one column: they are validated batch
    by batch.
    """
    checked = {rule for _, rule, _ in domains(staged.layer)}
    return [
        rule
        for rule in check_constraints(staged.layer)
        if (columns := _columns_in_rule(deliverable_columns(staged.layer), rule))
        and {*columns} <= {*staged.columns}
        and (of_batches or rule not in checked)
    ]


def _columns_in_rule(columns: Sequence[str], rule: str) -> list[str]:
    return [name for name in columns if re.search(rf"\b{name}\b", rule)]


def _values_sql(staged: Staged, rule: str) -> str:
    return " || ', ' || ".join(
        f"'{name} = ' || coalesce({_as_text(name)}, '∅')"
        for name in _columns_in_rule(staged.columns, rule)
    )


def _as_text(name: str) -> str:
    return "GeometryType(geom)" if name == "geom" else f'"{name}"::text'


def _first(connection: Connection, staged: Staged, where: str, shown: str) -> tuple[int, str]:
    """Count the staged rows of a condition; return an expression of the first of them too."""
    row = connection.exec_driver_sql(
        f"SELECT count(*), min({shown}) FROM {staged.table} WHERE {where}"
    ).one()
    return row[0], row[1]


def _duplicate_rule(staged: Staged) -> Rule:
    twice = f"SELECT code FROM {staged.table} GROUP BY code HAVING count(*) > 1"
    return Rule("code_repeated", f"code IN ({twice})", "'code', code", {})


def _foreign_code_rule(staged: Staged, source: str) -> Rule:
    return Rule(
        "code_of_other_source",
        f"EXISTS (SELECT FROM {staged.layer} live WHERE live.code = staged.code "
        "AND live.source <> :source)",
        f"'source', (SELECT source FROM {staged.layer} live WHERE live.code = staged.code)",
        {"source": source},
    )


def _reference_rules(staged: Staged, others: dict[str, Staged]) -> Iterator[Rule]:
    for column, other in REFERENCES.get(staged.layer, {}).items():
        if column in staged.columns:
            yield _reference_rule(column, other, others)
    if staged.layer == "region" and {"parent_code", "level"} <= {*staged.columns}:
        yield _division_prefix_rule()


def _value_rules(staged: Staged) -> Iterator[Rule]:
    for rule in _applicable_rules(staged, of_batches=False):
        if rule == _PARENT:
            yield Rule("parent_missing", f"NOT ({rule})", "'level', level", {})
        else:
            yield Rule(
                "row_refused",
                f"NOT ({rule})",
                f"'value', {_values_sql(staged, rule)}, 'rule', CAST(:rule AS text)",
                {"rule": rule},
            )


def _reference_rule(column: str, other: str, others: dict[str, Staged]) -> Rule:
    exists = f"EXISTS (SELECT FROM {other} live WHERE live.code = staged.{column})"
    if other in others:
        exists += (
            f" OR EXISTS (SELECT FROM {others[other].table} new WHERE new.code = staged.{column})"
        )
    return Rule(
        "reference_unknown",
        f"staged.{column} IS NOT NULL AND NOT ({exists})",
        f"'column', '{column}', 'value', {column}, 'other', '{other}'",
        {},
    )


def _division_prefix_rule() -> Rule:
    """Return the rule that the code of a division begins with the digits of its parent."""
    levels = list(DIGITS)
    shares = " OR ".join(
        f"(level = '{level}' AND left(code, {DIGITS[above]}) <> left(parent_code, {DIGITS[above]}))"
        for above, level in pairwise(levels)
    )
    return Rule("parent_inconsistent", shares, "'value', parent_code", {})


def has_repeats(connection: Connection, staged: Staged, what: str) -> bool:
    """Return whether several rows have the same value of a text expression.

    A query of its own, because the server runs it in parallel, but not the one that moves rows.
    """
    return bool(
        connection.exec_driver_sql(
            f"SELECT EXISTS (SELECT FROM (SELECT hashtextextended({what}, 0) AS mark "
            f"FROM {staged.table}) marked WHERE mark IS NOT NULL "
            "GROUP BY mark HAVING count(*) > 1)"
        ).scalar()
    )


def _drop_duplicates(connection: Connection, staged: Staged) -> int:
    """Drop repeated features that are equal in every column; return how many."""
    same = " AND ".join(
        f"a.{comparison_sql(column)} IS NOT DISTINCT FROM b.{comparison_sql(column)}"
        for column in staged.columns
        if column != "code"
    )
    repeated = f"SELECT code FROM {staged.table} GROUP BY code HAVING count(*) > 1"
    return connection.exec_driver_sql(
        f"WITH repeated AS MATERIALIZED ({repeated}) "
        f"DELETE FROM {staged.table} a USING {staged.table} b, repeated "
        f"WHERE a.code = repeated.code AND b.code = a.code AND b.{ROW} < a.{ROW} "
        f"AND {same or 'true'}"
    ).rowcount


def reject_duplicate_shapes(connection: Connection, staged: Staged, rejected: str) -> int:
    """Reject features that have exactly the shape of an earlier one; return how many."""
    if not has_repeats(connection, staged, "geom::bytea::text"):
        return 0
    rule = Rule(
        "duplicate_shape",
        f"EXISTS (SELECT FROM {staged.table} first WHERE first.geom::bytea = staged.geom::bytea "
        f"AND first.{ROW} < staged.{ROW})",
        f"'other', (SELECT min(first.code) FROM {staged.table} first "
        f"WHERE first.geom::bytea = staged.geom::bytea AND first.{ROW} < staged.{ROW})",
        {},
    )
    return reject_rows(connection, staged, rejected, rule)


def reject_rows(connection: Connection, staged: Staged, rejected: str, rule: Rule) -> int:
    """Move the staged rows of a rule to the rejected features; return how many."""
    bad = f"SELECT count(*) FROM {staged.table} staged WHERE {rule.condition}"
    of_condition = {name: v for name, v in rule.values.items() if f":{name}" in rule.condition}
    if not connection.execute(text(bad), of_condition).scalar():
        return 0  # counted first, as in has_repeats; EXISTS would be planned as if it were true
    geometry = "geom" if "geom" in staged.columns else "NULL::geometry"
    return connection.execute(
        text(
            "WITH gone AS MATERIALIZED (SELECT *, "
            f"jsonb_build_object('row', {ROW}, 'mapped', true, {rule.detail}) AS detail_ "
            f"FROM {staged.table} staged WHERE {rule.condition}), "
            f"dropped AS (DELETE FROM {staged.table} staged USING gone "
            f"WHERE staged.{ROW} = gone.{ROW} AND staged.code IS NOT DISTINCT FROM gone.code) "
            f"INSERT INTO {rejected} (layer, code, reason, detail, properties, original, geom) "
            f"SELECT '{staged.layer}', code, :key, detail_, "
            f"jsonb_strip_nulls(to_jsonb(gone) - '{ROW}' - 'detail_' - 'geom'), "
            f"ST_AsBinary({geometry}), {geometry} FROM gone"
        ),
        {"key": rule.key, **rule.values},
    ).rowcount
