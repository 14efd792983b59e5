"""Micro-grids on paper: the notice board, the contact card and the assignment list."""

import io
import re

import openpyxl
import pypdfium2
import pytest
from sqlalchemy import insert

from geo.model import GridInformant
from geo.partition.constraints import Constraints
from geo.partition.search.strategy import Effort
from geo.plans import batch, micro_grids
from maps.paper.assignment import assignment_workbook
from maps.paper.notice import contact_cards, notice_boards
from tests import town as t

QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100, threads=1), fresh=True)
SITE = "https://grid.example"


@pytest.fixture(scope="module")
def divided(shared_database):
    """Return the town, a divided grid of it, and the grid's micro-grids."""
    t.build(shared_database)
    batch.draw_community(shared_database, t.DRUM_TOWER, QUICK, publish=True)
    plan = batch.divide_community(shared_database, t.DRUM_TOWER, QUICK).plan
    with shared_database.begin() as connection:
        parts = micro_grids.list_micro_grids(connection, plan)
        grid = parts[0]["grid"]
        row = {"grid_code": grid, "name": "李桂英", "phone": "0710-0001234", "micro_grid": 2}
        connection.execute(insert(GridInformant), row)
    return shared_database, grid, [part for part in parts if part["grid"] == grid]


def words(pdf: bytes) -> str:
    pages = pypdfium2.PdfDocument(pdf)
    return re.sub(r"\s+", " ", " ".join(page.get_textpage().get_text_bounded() for page in pages))


def test_board_lists_micro_grids_with_their_informants(divided):
    engine, grid, parts = divided
    with engine.connect() as connection:
        board = words(notice_boards(connection, t.DRUM_TOWER, grid=grid, site=SITE))
    assert "微网格及信息员" in board
    for part in parts:
        assert f"{part['serial']}. {part['households']} 户" in board
    second = next(part for part in parts if part["serial"] == 2)
    assert re.search(rf"2\. {second['households']} 户\s+李桂英 0710-0001234", board)


def test_card_counts_micro_grids(divided):
    engine, grid, parts = divided
    with engine.connect() as connection:
        card = words(contact_cards(connection, t.DRUM_TOWER, grid=grid, site=SITE))
    assert f"微网格 {len(parts)}" in card


def test_assignment_list_says_who_is_in_touch_with_which_buildings(divided):
    engine, grid, parts = divided
    with engine.connect() as connection:
        book = openpyxl.load_workbook(io.BytesIO(assignment_workbook(connection, t.DRUM_TOWER)))
    sheet = book["微网格及信息员"]
    rows = [row for row in sheet.iter_rows(min_row=2, values_only=True) if row[0] == int(grid[-3:])]
    assert [(row[1], row[2]) for row in rows] == [(p["serial"], p["households"]) for p in parts]
    assert rows[1][3:5] == ("李桂英", "0710-0001234")
    buildings = sum(len(part["buildings"]) for part in parts)
    assert sum(len(row[5].split("、")) for row in rows) == buildings
