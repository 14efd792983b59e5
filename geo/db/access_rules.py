"""Access rights: who may read, write and add which rows of every table.

:data:`RULES` is the one table of rights; :mod:`geo.db.security` makes the database enforce it, so
that no endpoint, tile or filter can leak.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from geo.model import Role
from geo.model.history import HISTORY
from geo.model.job import IMPORT_KINDS

ALL_ROWS = "true"

Conditions = Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """Who may read, write and add which rows of a table.

    Attributes
    ----------
    read, write
        SQL conditions on the rows, by role; writing is inserting, updating and deleting.
    add, change
        SQL conditions on rows that a role may only insert, or only update.
    """

    read: Conditions = field(default_factory=dict)
    write: Conditions = field(default_factory=dict)
    add: Conditions = field(default_factory=dict)
    change: Conditions = field(default_factory=dict)


def _rows(condition: str, *roles: str) -> dict[str, str]:
    """Return the same condition for several roles."""
    return dict.fromkeys(roles, condition)


ROLES = tuple(role.value for role in Role)
_READERS = ("public", "fire", "utility", "importer", "grid_manager", "office")
EDITORS = _rows(ALL_ROWS, "importer", "admin")
_KEEPER = _rows(ALL_ROWS, "keeper")
_ADMIN_AND_KEEPER = _rows(ALL_ROWS, "admin", "keeper")
_ALL = _rows(ALL_ROWS, *ROLES, "publisher")
_OF_COMMUNITY = (
    "region_code >= gridatlas_scope() AND region_code <= gridatlas_scope() || '999999999999' "
    "AND in_scope(region_code) OR region_code IS NULL AND lies_in_scope(geom)"
)
_IN_READABLE_BUILDING = "EXISTS (SELECT FROM building b WHERE b.code = building_code)"
_IN_FORCE = "EXISTS (SELECT FROM grid_plan p WHERE p.id = plan_id AND p.status = 'published')"
_OF_PLAN = "EXISTS (SELECT FROM grid_plan p WHERE p.id = plan_id AND in_scope(p.community_code))"
_PLANNERS = {"planner": _OF_PLAN, "admin": ALL_ROWS}
_OWN_GRID = "grid_code = ANY (own_grids())"
# Members are visible to a grid manager by their own rule: those of the own grids in force.
_OWN_MEMBER = (
    "grid_id IN (SELECT g.id FROM grid g JOIN grid_plan p ON p.id = g.plan_id "
    "AND p.status = 'published' WHERE g.code = ANY (own_grids()))"
)
_MEMBERS = "(SELECT building_code AS building, unit_code AS unit FROM grid_member)"
_OWN_BUILDING = f"EXISTS (SELECT FROM {_MEMBERS} own WHERE building = code)"
_IN_OWN_BUILDING = f"EXISTS (SELECT FROM {_MEMBERS} own WHERE building = building_code)"
_OWN_UNIT, _OWN_DWELLING = (
    f"EXISTS (SELECT FROM {_MEMBERS} own WHERE building = building_code "
    f"AND (unit IS NULL OR unit = {own_unit}))"
    for own_unit in ("code", "unit_code")
)
_FIRE_PIPES = "network IN ('water', 'gas')"
_OWN_PIPES = "network = ANY (string_to_array(current_setting('gridatlas.networks', true), ','))"
_OWN_NAME = "actor = current_setting('gridatlas.actor', true)"

_NO_OTHER_COMMUNITY = (
    "NOT EXISTS (SELECT FROM jsonb_array_elements_text(parameters -> 'communities') code "
    "WHERE NOT in_scope(code))"
)
_JOBS = {
    "planner": f"in_scope(community_code) AND {_NO_OTHER_COMMUNITY}",
    "importer": f"kind IN ({', '.join(repr(kind.value) for kind in IMPORT_KINDS)})",
} | _rows(ALL_ROWS, "admin", "keeper")

OPEN_LAYER = Rule(read=_ALL, write=EDITORS)
# Like unnest(involved) with in_scope of each code, at a third of the cost: a queue has many rows.
_OFFICE_CASE = (
    "in_scope(region_code) "
    "OR strpos(' ' || array_to_string(involved, ' '), ' ' || gridatlas_scope()) > 0"
)
_OWN_CASE = {"grid_manager": "involved && own_grids()", "office": _OFFICE_CASE}
_OF_CASE = "EXISTS (SELECT FROM service_case c WHERE c.id = case_id)"
_CASE_PART = _rows(_OF_CASE, "grid_manager", "office") | _rows(ALL_ROWS, "admin", "keeper")
_HANDLED = "EXISTS (SELECT FROM service_case c WHERE c.id = case_id AND c.handler_code = {handler})"
_OWN_KEY = "owner = current_setting('gridatlas.actor', true)"
_PIPES = Rule(read={"fire": _FIRE_PIPES, "utility": _OWN_PIPES} | EDITORS, write=EDITORS)
_FIRE = Rule(read=_rows(ALL_ROWS, "fire") | EDITORS, write=EDITORS)
_FIRE_WRITABLE = replace(_FIRE, write=_FIRE.read)
_PEOPLE = {"planner": "in_scope(grid_code)", "admin": ALL_ROWS}
_ENDED_TERMS = {"keeper": "valid_to IS NOT NULL"}
_OF_OFFICE = {"office": "in_scope(grid_code)", "grid_manager": _OWN_GRID}
_STAFF_READERS_OF_GRID = _OF_OFFICE | _rows(ALL_ROWS, "admin", "keeper")
_STAFF_READERS = _PEOPLE | _OF_OFFICE

_LAYER_RULES: dict[str, Rule] = {
    "region": Rule(read=_ALL | _KEEPER, write=EDITORS),
    "compound": OPEN_LAYER,
    "facility": OPEN_LAYER,
    "road": OPEN_LAYER,
    "railway": OPEN_LAYER,
    "water": OPEN_LAYER,
    "building": Rule(
        read=_rows(_OF_COMMUNITY, "planner", "office")
        | {"grid_manager": _OWN_BUILDING}
        | _rows(ALL_ROWS, "fire", "publisher")
        | EDITORS,
        write=EDITORS,
    ),
    "building_unit": Rule(
        read=_rows(_IN_READABLE_BUILDING, "planner", "office")
        | {"grid_manager": _OWN_UNIT, "fire": ALL_ROWS}
        | EDITORS,
        write=EDITORS,
    ),
    "pipe_node": replace(_PIPES, read={**_PIPES.read, "publisher": "network = 'water'"}),
    "pipe_segment": _PIPES,
    "dwelling": Rule(
        read={"grid_manager": _OWN_DWELLING} | _rows(ALL_ROWS, "publisher", "keeper") | EDITORS,
        write=EDITORS,
        change={"grid_manager": _OWN_DWELLING},
    ),
    "entity": Rule(
        read=_rows(_IN_READABLE_BUILDING, "planner", "office")
        | {"grid_manager": _IN_OWN_BUILDING}
        | _rows(ALL_ROWS, "fire", "publisher")
        | EDITORS,
        write=EDITORS,
    ),
    "building_fire": _FIRE_WRITABLE,
}
"""Rules of the feature tables; who may read a layer may read its past."""

RULES: dict[str, Rule] = {
    **_LAYER_RULES,
    **{
        table.name: Rule(
            read=_LAYER_RULES[name].read,
            write=EDITORS,
            # Retention removes earlier counts of dwellings.
            change=_KEEPER if name == "dwelling" else {},
            # The trigger of the layer writes its history under the role of whoever changes a row.
            add=dict(_LAYER_RULES[name].change)
            | {
                role: condition
                for role, condition in _LAYER_RULES[name].write.items()
                if role not in EDITORS
            },
        )
        for name, table in HISTORY.items()
    },
    "grid_plan": Rule(
        read=_rows("status = 'published'", *_READERS)
        | {"planner": "status = 'published' OR in_scope(community_code)"}
        | _rows(ALL_ROWS, "publisher", "admin", "keeper"),
        write={"planner": "in_scope(community_code)", "admin": ALL_ROWS},
    ),
    "grid": Rule(
        read=_rows(_IN_FORCE, *_READERS)
        | {"planner": f"in_scope(code) OR {_IN_FORCE}"}
        | _rows(ALL_ROWS, "publisher", "admin", "keeper"),
        write={"planner": "in_scope(code)", "admin": ALL_ROWS},
    ),
    "grid_member": Rule(
        read=_rows(_OF_PLAN, "planner", "office")
        | {"fire": _IN_FORCE, "importer": _IN_FORCE, "grid_manager": _OWN_MEMBER}
        | _rows(ALL_ROWS, "publisher", "admin", "keeper"),
        write=_PLANNERS,
    ),
    "micro_grid": Rule(
        read=_rows(_IN_FORCE, *_READERS)
        | {"planner": f"{_OF_PLAN} OR {_IN_FORCE}"}
        | _rows(ALL_ROWS, "publisher", "admin"),
        write=_PLANNERS,
    ),
    **dict.fromkeys(("plan_edit", "plan_comment"), Rule(read=_PLANNERS, write=_PLANNERS)),
    "grid_manager": Rule(
        read=_STAFF_READERS | _rows(ALL_ROWS, "fire", "publisher", "keeper"),
        write=_PEOPLE | _ENDED_TERMS,
    ),
    "grid_informant": Rule(read=_STAFF_READERS | _KEEPER, write=_PEOPLE | _ENDED_TERMS),
    "import_run": Rule(read=EDITORS | _rows(ALL_ROWS, "publisher"), write=EDITORS),
    **dict.fromkeys(
        ("draw_run", "run_change", "index_left_off", "correction", "quarantine"),
        Rule(read=EDITORS, write=EDITORS),
    ),
    "layer_revision": Rule(read=_ALL, write=EDITORS),
    "layer_change": Rule(read=_ALL | _KEEPER),
    "audit_event": Rule(
        read=_rows(ALL_ROWS, "admin"),
        add=_rows(_OWN_NAME, *ROLES[1:], "keeper"),
    ),
    **dict.fromkeys(("fire_finding", "fire_area", "fire_overlay"), _FIRE),
    **dict.fromkeys(("building_plan", "building_review"), _FIRE_WRITABLE),
    "hydrant_inspection": Rule(
        read=_rows(ALL_ROWS, "utility", "publisher")
        | {"grid_manager": _OWN_GRID}
        | dict(_FIRE.read),
        write=_FIRE.read,
        add={"grid_manager": _OWN_GRID},
    ),
    **dict.fromkeys(("account", "session"), Rule(read=_ADMIN_AND_KEEPER, write=_ADMIN_AND_KEEPER)),
    "sign_in_attempt": Rule(read=_ADMIN_AND_KEEPER, write=_KEEPER),
    "job": Rule(read=_JOBS, write=_JOBS),
    "service_case": Rule(
        read=_OWN_CASE | _rows(ALL_ROWS, "admin", "keeper", "publisher"),
        add=_KEEPER,
        change=_OWN_CASE | _ADMIN_AND_KEEPER,
    ),
    # Retention empties words and deletes photos; a trigger refuses any other change.
    "case_event": Rule(read=_CASE_PART, add=_CASE_PART, change=_KEEPER),
    "case_photo": Rule(
        read=_CASE_PART,
        add={role: rows for role, rows in _CASE_PART.items() if role != "keeper"},
        write=_KEEPER,
    ),
    "case_contact": Rule(
        read={
            "grid_manager": _HANDLED.format(handler="ANY (own_grids())"),
            "office": _HANDLED.format(handler="rpad(gridatlas_scope(), 12, '0')"),
        }
        | _KEEPER,
        write=_KEEPER,
    ),
    "case_key": Rule(
        read=_rows(_OWN_KEY, "grid_manager", "office", "admin") | _KEEPER,
        add=_rows(_OWN_KEY, "grid_manager", "office", "admin"),
        write=_KEEPER,
    ),
    "report_count": Rule(read=_KEEPER, write=_KEEPER),
    "visit": Rule(
        read=_STAFF_READERS_OF_GRID,
        add={"grid_manager": _OWN_GRID} | _rows(ALL_ROWS, "admin"),
        change=_KEEPER,
    ),
    "dwelling_verification": Rule(
        read=_STAFF_READERS_OF_GRID, add={"grid_manager": _OWN_GRID}, change=_KEEPER
    ),
    "assessment_month": Rule(
        read=_rows(ALL_ROWS, "office", "grid_manager", "admin", "keeper"),
        write=_KEEPER,
    ),
    "assessment_measure": Rule(
        read={
            "office": "in_scope(area_code)",
            "grid_manager": "area_code = ANY (own_grids())",
        }
        | _ADMIN_AND_KEEPER,
        write=_KEEPER,
    ),
    "duty_record": Rule(
        read=_STAFF_READERS_OF_GRID,
        write={"grid_manager": _OWN_GRID} | _rows(ALL_ROWS, "admin"),
    ),
}
"""Rules of every table."""
