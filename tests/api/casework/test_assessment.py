"""Assessment by month: what is measured, what is frozen, who sees it."""

import io
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pypdfium2
import pytest
from sqlalchemy import text

from api.core.responses import Collection
from geo.casework import assessment
from geo.casework.indicators import load_indicators
from geo.errors import InputError
from geo.model.casework import CaseLevel
from tests import town as t
from tests.api.casework.conftest import OTHER_GRID, OWN_GRID

MAY, JUNE = datetime(2026, 5, 1).date(), datetime(2026, 6, 1).date()


def at(day: int, hour: int = 12, month: int = 5) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


_serial = iter(range(10_000))


def add_case(connection, grid: str, *events: tuple) -> None:
    """Add a case with its events: action, moment and data of each."""
    number = f"20260501{next(_serial):08d}"
    case = connection.execute(
        text(
            "INSERT INTO service_case (number, kind, flow, channel, state, description, geom, "
            "region_code, grid_code, handler_code, level, involved, due_at) VALUES (:number, "
            "'burst_pipe', 'service', 'page', 'filed', 'x', 'SRID=4490;POINT(112 32)', "
            ":region, :grid, :grid, 'grid', ARRAY[:grid], now()) RETURNING id"
        ),
        {"number": number, "region": grid[:12], "grid": grid},
    ).scalar_one()
    add = text(
        "INSERT INTO case_event (case_id, at, role, action, state, data) "
        "VALUES (:case, :at, 'system', :action, 'filed', CAST(:data AS jsonb))"
    )
    for action, moment, *data in events:
        values = {"case": case, "at": moment, "action": action, "data": (data or ["{}"])[0]}
        connection.execute(add, values)


def filing(grid: str, moment: datetime, due: datetime) -> tuple:
    data = f'{{"grid": "{grid}", "region": "{grid[:12]}", "due_at": "{due.isoformat()}"}}'
    return "file", moment, data


@pytest.fixture(scope="module", autouse=True)
def may(town, address, staff):
    """Add the cases and visits of a month whose figures are known by hand."""
    with town.begin() as connection:
        # In time, reworked once and rated; late; declined in time; due in June; never accepted.
        add_case(
            connection,
            OWN_GRID,
            filing(OWN_GRID, at(4), at(8)),
            ("accept", at(4, 13)),
            ("report_back", at(7)),
            ("rework", at(8)),
            ("report_back", at(20)),
            ("rate", at(21), '{"rating": 5}'),
        )
        add_case(
            connection,
            OWN_GRID,
            filing(OWN_GRID, at(5), at(9)),
            ("accept", at(6)),
            ("escalate", at(9, 13), f'{{"due_at": "{at(30).isoformat()}"}}'),
            ("report_back", at(10)),
            ("rate", at(12), '{"rating": 2}'),
        )
        add_case(connection, OWN_GRID, filing(OWN_GRID, at(10), at(14)), ("decline", at(11)))
        add_case(
            connection,
            OWN_GRID,
            filing(OWN_GRID, at(29), at(3, month=6)),
            ("accept", at(30)),
            ("report_back", at(2, month=6)),
        )
        add_case(connection, OTHER_GRID, filing(OTHER_GRID, at(31, 15), at(5, month=6)))
        # In the city that is the first of June: 31 May, 16:00 UTC.
        add_case(connection, OTHER_GRID, filing(OTHER_GRID, at(31, 16), at(5, month=6)))
        visit = text(
            "INSERT INTO visit (grid_code, dwelling_code, visited_at, topic, visitor, key, "
            "recorded_at) VALUES (:grid, 'D1', :at, 'greeting', 'm', :key, :recorded)"
        )
        for key, moment, recorded in (
            ("a", at(3), at(3)),
            ("b", at(30), at(2, month=6)),
            ("late", at(30), at(9, month=6)),
            ("june", at(2, month=6), at(2, month=6)),
        ):
            values = {"grid": OWN_GRID, "at": moment, "key": key, "recorded": recorded}
            connection.execute(visit, values)


EXPECTED = {
    "filed": 4,
    "accepted": 3,
    "due": 3,
    "on_time": 2,
    "reported": 2,
    "reworked": 1,
    "escalated": 1,
    "ratings": 2,
    "rating_sum": 7,
    "visits": 2,
}


def test_month_is_measured_as_counted_by_hand(town):
    with town.connect() as connection:
        measures = assessment.measure_month(connection, MAY)
    own = {name: measures[OWN_GRID][name] for name in EXPECTED}
    assert own == EXPECTED
    assert measures[OTHER_GRID]["filed"] == 1


def test_closed_month_keeps_figures_and_formulas_and_is_measured_again_alike(town):
    with town.begin() as connection:
        assessment.close_months(connection)  # or the server has done it
    with town.begin() as connection:
        assert assessment.close_months(connection) == []
        months = assessment.list_months(connection)
        closed = [assessment.first_day(one["month"]) for one in months if one["frozen_at"]]
        assert MAY in closed
        for month in closed:
            indicators, frozen, moment = assessment.read_month(connection, month)
            assert moment is not None
            assert assessment.measure_month(connection, month) == frozen
        before = assessment.read_month(connection, MAY)
        connection.execute(
            text(
                "INSERT INTO visit (grid_code, dwelling_code, visited_at, topic, visitor, key) "
                "VALUES (:grid, 'D1', :at, 'greeting', 'm', 'afterwards')"
            ),
            {"grid": OWN_GRID, "at": at(15)},
        )
        assert assessment.measure_month(connection, MAY) == before[1]
    assert [one.key for one in indicators][:2] == ["filed", "accepted"]


def test_divisions_sum_their_grids(town):
    with town.connect() as connection:
        measures = assessment.measure_month(connection, MAY)
    by_level = {
        level: sum(one.get("filed", 0) for one in assessment.sum_by_level(measures, level).values())
        for level in CaseLevel
    }
    assert set(by_level.values()) == {5}


def test_ranking_is_by_score_within_the_office(signed_in):
    month = "/assessment/months/2026-05"
    city = signed_in("admin").get(month, params={"level": "grid"}).json()
    scored = [area for area in city["items"] if area["rank"]]
    assert [area["rank"] for area in scored] == sorted(area["rank"] for area in scored)
    own = next(area for area in city["items"] if area["code"] == OWN_GRID)
    assert own["values"]["on_time"] == pytest.approx(200 / 3)
    assert own["values"]["rating"] == 3.5
    office = signed_in("office").get(month, params={"level": "grid"}).json()
    assert {area["code"][:12] for area in office["items"]} == {t.NORTH_GATE}
    manager = signed_in("grid_manager").get(month).json()
    assert [area["code"] for area in manager["items"]] == [OWN_GRID]
    assert signed_in("grid_manager").get(month, params={"level": "city"}).status_code == 403
    assert signed_in("planner").get(month).status_code == 403


def test_trend_lists_closed_months_of_own_areas(signed_in):
    trend = signed_in("office").get("/assessment/trend", params={"code": OWN_GRID}).json()
    values = {one["month"]: one["values"]["filed"] for one in trend["items"]}
    assert values["2026-05"] == 4
    assert list(values) == sorted(values)
    foreign = signed_in("office").get("/assessment/trend", params={"code": OTHER_GRID})
    assert foreign.status_code == 403


def test_map_shows_the_areas_with_their_figures(signed_in):
    shapes = signed_in("admin").get("/assessment/months/2026-05/map").json()
    Collection[dict[str, Any]].model_validate(shapes)
    own = next(one for one in shapes["features"] if one["properties"]["code"] == OWN_GRID)
    assert own["geometry"]["type"].endswith("Polygon")
    assert own["properties"]["filed"] == 4


def test_workbook_and_pdf_hold_the_ranking(signed_in):
    month = "/assessment/months/2026-05"
    headers = {"Accept-Language": "zh"}
    book = signed_in("admin").get(f"{month}/table.xlsx", headers=headers)
    sheets = openpyxl.load_workbook(io.BytesIO(book.content)).worksheets
    assert [sheet.title for sheet in sheets] == ["排名", "基础数据", "指标公式"]
    assert OWN_GRID in {row[1] for row in sheets[0].iter_rows(values_only=True)}
    pdf = signed_in("admin").get(f"{month}/table.pdf", headers=headers)
    page = pypdfium2.PdfDocument(pdf.content)[0].get_textpage().get_text_range()
    assert "2026-05 绩效考核" in page
    assert "66.7" in page


@pytest.mark.parametrize("month", ["2026-13", "2199-01", "1066-10"])
def test_month_without_figures_is_refused(signed_in, month):
    assert signed_in("admin").get(f"/assessment/months/{month}").status_code == 400


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('unit = "percent"', 'unit = "count"'), "indicators.1"),
        (('numerator = "filed"', 'numerator = "profit"'), "numerator"),
        (('key = "accepted"', 'key = "filed"'), "lists filed twice"),
        (("\n[[indicators]]\n", "\n[[indicators\n"), "TOML"),
    ],
)
def test_unfit_file_of_indicators_is_refused_by_name(tmp_path, change, said):
    from geo.casework.indicators import DEFAULT_FILE

    file = tmp_path / "indicators.toml"
    file.write_text(DEFAULT_FILE.read_text("utf-8").replace(*change, 1), "utf-8")
    with pytest.raises(InputError, match=said):
        load_indicators(file)
