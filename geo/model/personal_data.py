"""Which columns can hold information about a person, and how long it is kept (PIPL, article 47).

A test fails if a column of words, bytes or JSON is neither listed here nor among those that hold
nothing personal, and if the page ``docs/personal-information.md`` does not name it.
"""

from enum import StrEnum

from geo.model.register import VERIFIED_COLUMNS


class Retention(StrEnum):
    """How long personal information is kept; :mod:`geo.casework.retention` removes it."""

    TRACE = "trace"
    """1 day: counts of requests by address and device, sign-in attempts; ended sessions."""
    KEY = "key"
    """90 days: idempotency keys."""
    CONTACT = "contact"
    """:attr:`Settings.case_contact_days` after the case was closed."""
    CASE = "case"
    """:attr:`Settings.case_years` after the case's closing or, if nobody closed it, last step."""
    VISIT = "visit"
    """:attr:`Settings.visit_years` after visit, verification or change of a dwelling."""
    TERM = "term"
    """Until the end of the appointment."""
    APPOINTMENT = "appointment"
    """:attr:`Settings.staff_years` after the end of the appointment."""
    UPLOAD = "upload"
    """Until the job has ended."""
    REGISTER = "register"
    """Until the next import or verification replaces it, with the history of the layer."""
    RECORD = "record"
    """Kept: who of the staff did what, and what they wrote or imported."""


PERSONAL_COLUMNS: dict[str, dict[Retention, tuple[str, ...]]] = {
    "report_count": {Retention.TRACE: ("origin",)},
    "sign_in_attempt": {Retention.TRACE: ("name", "address")},
    "session": {Retention.TRACE: ("id", "token")},
    "case_key": {Retention.KEY: ("key", "request", "owner")},
    "case_contact": {Retention.CONTACT: ("sealed",)},
    "service_case": {Retention.CASE: ("description", "address", "geom")},
    "case_event": {Retention.CASE: ("note",), Retention.RECORD: ("actor",)},
    "case_photo": {Retention.CASE: ("photo",)},
    "visit": {
        Retention.VISIT: ("dwelling_code", "said", "advice", "result", "case_id", "key"),
        Retention.RECORD: ("visitor",),
    },
    "dwelling_verification": {
        Retention.VISIT: ("dwelling_code", "changes", "key", "request"),
        Retention.RECORD: ("verifier",),
    },
    "dwelling_history": {
        Retention.VISIT: VERIFIED_COLUMNS,
        Retention.RECORD: ("verified_by",),
    },
    "dwelling": {Retention.REGISTER: VERIFIED_COLUMNS, Retention.RECORD: ("verified_by",)},
    "entity": {Retention.REGISTER: ("name", "credit_code")},
    "entity_history": {Retention.REGISTER: ("name", "credit_code")},
    "grid_manager": {
        Retention.TERM: ("photo",),
        Retention.APPOINTMENT: ("name", "phone", "tasks", "duties"),
    },
    "grid_informant": {Retention.APPOINTMENT: ("name", "phone", "buildings")},
    "job": {Retention.UPLOAD: ("upload",), Retention.RECORD: ("caller", "parameters", "problem")},
    "quarantine": {Retention.RECORD: ("detail", "properties", "original")},
    "import_run": {Retention.RECORD: ("report",)},
    "correction": {Retention.RECORD: ("value", "actor")},
    "account": {Retention.RECORD: ("name", "password")},
    "audit_event": {Retention.RECORD: ("actor", "object_code", "detail")},
    "duty_record": {Retention.RECORD: ("note", "recorded_by")},
    "hydrant_inspection": {Retention.RECORD: ("inspector", "reason", "key", "request")},
    "building_review": {Retention.RECORD: ("checker", "note")},
    "building_fire": {Retention.RECORD: ("value", "checked_by")},
    "building_fire_history": {Retention.RECORD: ("value", "checked_by")},
    "building_plan": {Retention.RECORD: ("title", "content", "added_by")},
    "facility": {Retention.REGISTER: ("phone",)},
    "facility_history": {Retention.REGISTER: ("phone",)},
    "draw_run": {Retention.RECORD: ("author",)},
    "grid_plan": {Retention.RECORD: ("author", "note")},
    "plan_edit": {Retention.RECORD: ("author",)},
    "plan_comment": {Retention.RECORD: ("words", "author", "resolved_by")},
}
"""The columns of each table that can hold information about a person, by retention."""
