"""Every column that can hold personal information has a period of retention."""

import re
from pathlib import Path

import pytest
from sqlalchemy import ARRAY, JSON, LargeBinary, Text

from geo.model import Base
from geo.model.personal_data import PERSONAL_COLUMNS

DOCS = Path(__file__).parents[2] / "docs"
WORDS = ARRAY, JSON, LargeBinary, Text

NOTHING_PERSONAL = {
    "account": "role scope networks",
    "assessment_month": "indicators",
    "assessment_measure": "area_code measure",
    "building_fire": "code building_code item place source",
    "building_plan": "building_code media_type digest",
    "building_review": "building_code state",
    "case_event": "role action state data",
    "correction": "layer code field",
    "draw_run": "asked",
    "duty_record": "grid_code duty",
    "dwelling": "code building_code unit_code floor room source",
    "dwelling_verification": "grid_code",
    "entity": "code kind industry_section building_code floor source",
    "facility": "code category name address region_code station_class source",
    "grid_informant": "grid_code",
    "grid_manager": "grid_code",
    "grid_plan": "community_code status parameters score stale",
    "hydrant_inspection": "hydrant_code grid_code",
    "import_run": "layer source status counts timings",
    "job": "kind status community_code step plans runs result",
    "plan_edit": "kind members grids",
    "quarantine": "layer code reason",
    "service_case": "number kind flow channel state region_code grid_code handler_code level "
    "department offered_code offered_department involved",
    "visit": "grid_code topic",
    "audit_event": "action object_type",
}
"""Columns of words, bytes or JSON beside the personal ones, by table."""

ONLY_THINGS = {
    *("compound", "building", "building_unit", "fire_finding", "fire_area", "fire_overlay"),
    *("grid", "grid_member", "micro_grid", "pipe_node", "pipe_segment", "region", "run_change"),
    *("index_left_off", "layer_revision", "layer_change", "road", "railway", "water"),
}
"""Tables without any information about persons."""


def names_of(table: str) -> set[str]:
    return {column for columns in PERSONAL_COLUMNS[table].values() for column in columns}


@pytest.mark.parametrize("name", sorted(Base.metadata.tables))
def test_every_column_of_words_has_a_retention_or_holds_nothing_personal(name):
    layer = name.removesuffix("_history")
    words = {c.name for c in Base.metadata.tables[name].columns if isinstance(c.type, WORDS)}
    if layer in ONLY_THINGS:
        assert name not in PERSONAL_COLUMNS
        return
    personal = names_of(name) if name in PERSONAL_COLUMNS else set()
    assert words <= personal | set(NOTHING_PERSONAL.get(layer, "").split())
    assert personal <= set(Base.metadata.tables[name].columns.keys())


@pytest.mark.parametrize("page", ["personal-information.md", "personal-information.zh-CN.md"])
def test_page_on_personal_information_names_every_column(page):
    rows = (DOCS / page).read_text(encoding="utf-8").splitlines()
    listed = {found for row in rows for found in re.findall(r"`(\w+)`: ([\w, ]+)", row)}
    for table in PERSONAL_COLUMNS:
        named = {
            word for name, words in listed if name == table for word in words.strip().split(", ")
        }
        assert named == names_of(table), (page, table)
