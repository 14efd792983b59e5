"""Views of the register's counts: the columns that ``register_views.sql`` sums."""

from collections.abc import Mapping
from pathlib import Path

from geo.model.register import AGE_BANDS, Occupancy

FIRE_COUNTS = (
    *("dwellings", "residents", "need_help", "uncounted"),
    *("verified_share", "oldest_verification", "changed_at"),
)
"""Counts of the register that the fire service reads, of stairwell units and larger areas."""

SUMMED_LAYERS = {
    "building": "recount_buildings",
    "dwelling": "recount_rows",
    "entity": "recount_rows",
}
"""Trigger function by layer; a change of the layer changes the stored sums of communities."""

_SQL = Path(__file__).with_suffix(".sql")
_PEOPLE = ("residents", "registered", "floating", *AGE_BANDS, "alone_60_up", "need_help")
_LAST_STALE_DAY = "(current_date - interval '12 months')::date"

# In sums of rows, d is a dwelling and e an organisation; in totals, both are stored sums.
_COUNTS = {
    "dwellings": "count(*)",
    **{str(use): f"count(*) FILTER (WHERE d.occupancy = '{use}')" for use in Occupancy},
    **{name: f"sum(d.{name})::bigint" for name in _PEOPLE},
    "uncounted": "count(*) FILTER (WHERE d.residents IS NULL)",
}
_VERIFIED = f"count(*) FILTER (WHERE d.verified_on > {_LAST_STALE_DAY})"
_ROW_SUMS = _COUNTS | {
    "verified": _VERIFIED,
    "verified_share": f"round({_VERIFIED}::numeric / nullif(count(*), 0), 3)",
    "oldest_verification": "min(d.verified_on)",
    "changed_at": "max(d.valid_from)",
}
# The number of recent verifications changes from day to day, so their sorted dates are stored.
_STORED_SUMS = _COUNTS | {
    "verification_days": "array_agg(d.verified_on ORDER BY d.verified_on) "
    "FILTER (WHERE d.verified_on IS NOT NULL)",
    "changed_at": "max(d.valid_from)",
}
_VERIFIED_OF_STORED = (
    "coalesce(sum(cardinality(d.verification_days) "
    f"- width_bucket({_LAST_STALE_DAY}, d.verification_days)), 0)::bigint"
)
_TOTALS = {
    **{name: f"coalesce(sum(d.{name}), 0)::bigint" for name in _COUNTS},
    **{name: f"sum(d.{name})::bigint" for name in _PEOPLE},
    "verified": _VERIFIED_OF_STORED,
    "verified_share": f"round({_VERIFIED_OF_STORED} / nullif(sum(d.dwellings), 0), 3)",
    "oldest_verification": "min(d.verification_days[1])",
    "changed_at": "max(d.changed_at)",
}
_ENTITY_SUMS = {
    "entities": "count(*)",
    "staff": "sum(e.staff_count)::bigint",
    "key_units": "count(*) FILTER (WHERE e.key_unit)",
}
_ENTITY_TOTALS = {
    "entities": "coalesce(sum(e.entities), 0)::bigint",
    "staff": "sum(e.staff)::bigint",
    "key_units": "coalesce(sum(e.key_units), 0)::bigint",
}


def register_views() -> str:
    """Return the script that creates the stored sums of communities and the views of all counts."""
    script = _SQL.read_text(encoding="utf-8")
    for name, columns in {
        "dwelling_sums": _ROW_SUMS,
        "stored_dwelling_sums": _STORED_SUMS,
        "dwelling_totals": _TOTALS,
        "entity_sums": _ENTITY_SUMS,
        "entity_totals": _ENTITY_TOTALS,
    }.items():
        script = script.replace(f"{{{name}}}", _select_list(columns))
    return script.replace("{fire_columns}", ", ".join(FIRE_COUNTS))


def register_triggers() -> list[str]:
    """Return the statements that create the triggers which update the stored sums."""
    tables = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",), "TRUNCATE": ()}
    return [
        f"CREATE TRIGGER count_register_{event.lower()} AFTER {event} ON {layer} "
        + (f"REFERENCING {_transition_tables(versions)} " if versions else "")
        + f"FOR EACH STATEMENT EXECUTE FUNCTION published.{function}()"
        for layer, function in SUMMED_LAYERS.items()
        for event, versions in tables.items()
    ]


def _select_list(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in columns.items())


def _transition_tables(versions: tuple[str, ...]) -> str:
    return " ".join(f"{version} TABLE AS {version.lower()}_rows" for version in versions)
