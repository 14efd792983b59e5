"""The checks of a staged layer against itself and against what is live.

Codes that stand there twice, codes of another source, parents and neighbours that are not there.
What fails goes to the run's refused features, with its reason; a strict delivery is refused whole.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, text

from etl.checks.values import domains, format_value
from etl.input.layer_columns import check_constraints, required_columns
from etl.pipeline.staging import MARK, ROW, Staged
from geo.codes import DIGITS
from geo.errors import InputError

REFERENCES: dict[str, dict[str, str]] = {
    "building_unit": {"building_code": "building"},
    "pipe_segment": {"from_node": "pipe_node", "to_node": "pipe_node"},
    "region": {"parent_code": "region"},
}
"""Columns that name a feature of another layer, or of their own."""

SHAPED_ONCE = ("compound", "building", "road")
"""Layers in which two features of one shape are one feature delivered twice."""


@dataclass(frozen=True)
class Rule:
    """Staged rows that can't be published: a key, a condition on ``staged``, the key's fields."""

    key: str
    condition: str
    detail: str
    values: dict[str, Any]


def refuse(
    connection: Connection,
    staged: Staged,
    rejected: str,
    source: str,
    others: dict[str, Staged],
    *,
    are_live: bool = False,
) -> dict[str, int]:
    """Move what can't be published from a staging table to the refused features; return counts.

    Parameters
    ----------
    others
        The staged layers of the same run, which references may name.
    are_live
        The live table has taken every row, as rows of the source: no code is there twice.
    """
    counts: dict[str, int] = {}
    foreign = [] if are_live else [_foreign(staged, source)]
    rules = [*_broken_references(staged), *foreign, *_unknown(staged, others)]
    if not are_live and has_repeats(connection, staged, "code"):
        if doubles := _drop_doubles(connection, staged):
            counts["duplicate"] = doubles
        rules.insert(0, _duplicate_rule(staged))
    for rule in rules:
        while moved := move(connection, staged, rejected, rule):
            counts[rule.key] = counts.get(rule.key, 0) + moved
            if rule.key != "reference_unknown":
                break  # only a parent that is refused itself can make others fail
    return counts


def set_aside_foreign(connection: Connection, staged: Staged, rejected: str, source: str) -> int:
    """Move staged features whose code another source has to the refused ones; return how many."""
    return move(connection, staged, rejected, _foreign(staged, source))


def refuse_strictly(connection: Connection, staged: Staged, source: str) -> None:
    """Raise on the first feature of a staging table that can't be published.

    Raises
    ------
    InputError
        With its code, the value and the rule, and how many more there are.
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
    known = _applicable(staged)
    if not known:
        return
    counted = ", ".join(f"count(*) FILTER (WHERE NOT ({rule}))" for rule in known)
    counts = connection.execute(text(f"SELECT {counted} FROM {staged.table}")).one()
    for rule, count in zip(known, counts, strict=True):
        if count:
            said = f"code || E'\\n' || {_values(staged, rule)}"
            _, found = _first(connection, staged, f"NOT ({rule})", said)
            code, value = found.split("\n", 1)
            raise InputError(
                "row_refused",
                layer=staged.layer,
                code=code,
                value=format_value(value),
                rule=rule,
                count=count,
            )


def _refuse_foreign(connection: Connection, staged: Staged, source: str) -> None:
    found = connection.execute(
        text(
            # Not ordered with a limit: the server would walk all of a city's codes in order.
            f"SELECT code, source FROM {staged.layer} WHERE code = ("
            f"SELECT min(code) FROM {staged.layer} JOIN {staged.table} USING (code) "
            f"WHERE {staged.layer}.source <> :source)"
        ),
        {"source": source},
    ).first()
    if found:
        raise InputError(
            "code_of_other_source", layer=staged.layer, code=found.code, source=found.source
        )


def _applicable(staged: Staged, *, of_batches: bool = True) -> list[str]:
    """Return the rules of a layer that speak of delivered columns only.

    Ranges and lists of one column are seen to batch by batch already.
    """
    done = {rule for _, rule, _ in domains(staged.layer)}
    return [
        rule
        for rule in check_constraints(staged.layer)
        if set(_sample_codes(staged, rule)) & {*staged.columns} and (of_batches or rule not in done)
    ]


def _sample_codes(staged: Staged, rule: str) -> list[str]:
    return [name for name in staged.columns if re.search(rf"\b{name}\b", rule)]


def _values(staged: Staged, rule: str) -> str:
    return " || ', ' || ".join(
        f"'{name} = ' || coalesce({_as_text(name)}, '∅')" for name in _sample_codes(staged, rule)
    )


def _as_text(name: str) -> str:
    return "GeometryType(geom)" if name == "geom" else f'"{name}"::text'


def _first(connection: Connection, staged: Staged, where: str, said: str) -> tuple[int, str]:
    """Count the staged rows of a condition; return something of the first of them too."""
    row = connection.execute(
        text(f"SELECT count(*), min({said}) FROM {staged.table} WHERE {where}")
    ).one()
    return row[0], row[1]


def _duplicate_rule(staged: Staged) -> Rule:
    twice = f"SELECT code FROM {staged.table} GROUP BY code HAVING count(*) > 1"
    return Rule("code_repeated", f"code IN ({twice})", "'code', code", {})


def _foreign(staged: Staged, source: str) -> Rule:
    return Rule(
        "code_of_other_source",
        f"EXISTS (SELECT FROM {staged.layer} live WHERE live.code = staged.code "
        "AND live.source <> :source)",
        f"'source', (SELECT source FROM {staged.layer} live WHERE live.code = staged.code)",
        {"source": source},
    )


def _unknown(staged: Staged, others: dict[str, Staged]) -> Iterator[Rule]:
    for column, other in REFERENCES.get(staged.layer, {}).items():
        if column in staged.columns:
            yield _reference(column, other, others)
    if staged.layer == "region" and {"parent_code", "level"} <= {*staged.columns}:
        yield _division_prefix_rule()


def _broken_references(staged: Staged) -> Iterator[Rule]:
    for rule in _applicable(staged, of_batches=False):
        yield Rule(
            "row_refused",
            f"NOT ({rule})",
            f"'value', {_values(staged, rule)}, 'rule', CAST(:rule AS text)",
            {"rule": rule},
        )


def _reference(column: str, other: str, others: dict[str, Staged]) -> Rule:
    found = f"EXISTS (SELECT FROM {other} live WHERE live.code = staged.{column})"
    if other in others:
        found += (
            f" OR EXISTS (SELECT FROM {others[other].table} new WHERE new.code = staged.{column})"
        )
    return Rule(
        "reference_unknown",
        f"staged.{column} IS NOT NULL AND NOT ({found})",
        f"'column', '{column}', 'value', {column}, 'other', '{other}'",
        {},
    )


def _division_prefix_rule() -> Rule:
    """Return the rule that a division's code begins with the digits of the one above it."""
    levels = list(DIGITS)
    shares = " OR ".join(
        f"(level = '{level}' AND left(code, {DIGITS[above]}) <> left(parent_code, {DIGITS[above]}))"
        for above, level in pairwise(levels)
    )
    return Rule("parent_inconsistent", shares, "'value', parent_code", {})


def has_repeats(connection: Connection, staged: Staged, what: str) -> bool:
    """Return whether a text stands in several rows: the question that every large file answers no.

    Asked by itself because the server answers it with all its processors, and takes only one where
    rows are to be moved.
    """
    return bool(
        connection.execute(
            text(
                f"SELECT EXISTS (SELECT FROM (SELECT hashtextextended({what}, 0) AS mark "
                f"FROM {staged.table}) marked WHERE mark IS NOT NULL "
                "GROUP BY mark HAVING count(*) > 1)"
            )
        ).scalar()
    )


def _drop_doubles(connection: Connection, staged: Staged) -> int:
    """Drop features that stand there twice, alike in everything."""
    same = " AND ".join(
        f"a.{_comparison_sql(column)} IS NOT DISTINCT FROM b.{_comparison_sql(column)}"
        for column in staged.columns
        if column != "code"
    )
    repeated = f"SELECT code FROM {staged.table} GROUP BY code HAVING count(*) > 1"
    return connection.execute(
        text(
            f"WITH repeated AS MATERIALIZED ({repeated}) "
            f"DELETE FROM {staged.table} a USING {staged.table} b, repeated "
            f"WHERE a.code = repeated.code AND b.code = a.code AND b.{ROW} < a.{ROW} "
            f"AND {same or 'true'}"
        )
    ).rowcount


def _comparison_sql(column: str) -> str:
    return "geom::bytea" if column == "geom" else f'"{column}"'


def refuse_same_shapes(connection: Connection, staged: Staged, rejected: str) -> int:
    """Refuse features that have the very shape of one before them."""
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
    return move(connection, staged, rejected, rule)


def move(connection: Connection, staged: Staged, rejected: str, rule: Rule) -> int:
    """Move the staged rows of a rule to the refused features."""
    bad = f"SELECT count(*) FROM {staged.table} staged WHERE {rule.condition}"
    of_condition = {name: v for name, v in rule.values.items() if f":{name}" in rule.condition}
    if not connection.execute(text(bad), of_condition).scalar():
        return 0  # asked apart as in has_repeats; EXISTS would be planned as if it were true
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
            f"jsonb_strip_nulls(to_jsonb(gone) - '{ROW}' - '{MARK}' - 'detail_' - 'geom'), "
            f"ST_AsBinary({geometry}), {geometry} FROM gone"
        ),
        {"key": rule.key, **rule.values},
    ).rowcount
