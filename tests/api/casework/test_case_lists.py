"""Lists of cases: filters, pages, exports and the map."""

import csv
import io

import openpyxl
import pytest

from api.casework import case_export
from api.casework.case_responses import CaseMap
from tests import town as t
from tests.api.casework.conftest import HERE, OTHER_GRID, OWN_GRID, THERE


def test_list_pages_by_key_and_filters(office, report):
    numbers = [report("noise", description=f"第{i}次 100%_")["number"] for i in range(5)]
    for order in ("newest", "due"):
        seen, after = [], ""
        while after is not None:
            asked = {"kind": "noise", "order": order, "limit": 2, "after": after}
            page = office.get("/casework/cases", params=asked).json()
            seen += [one["number"] for one in page["items"]]
            after = page["next"]
        assert sorted(seen) == sorted(numbers), order
        assert len(seen) == 5
    for asked, matched in (
        ({"q": "第3次"}, 1),
        ({"q": "100%_"}, 5),
        ({"q": "100__"}, 0),
        ({"q": numbers[0]}, 1),
        ({"kind": "noise", "state": ["filed", "accepted"]}, 5),
        ({"kind": "noise", "state": "archived"}, 0),
        ({"kind": "noise", "group": "service"}, 0),
        ({"kind": "noise", "grid": OWN_GRID, "region": t.STREET, "running": True}, 5),
        ({"kind": "noise", "overdue": True}, 0),
        ({"kind": "noise", "bbox": "112,32,113,33"}, 5),
        ({"kind": "noise", "bbox": "0,0,1,1"}, 0),
        ({"kind": "noise", "filed_from": "2020-01-01", "filed_to": "2020-12-31"}, 0),
        ({"kind": "noise", "filed_from": "2020-01-01", "filed_to": "2099-12-31"}, 5),
    ):
        items = office.get("/casework/cases", params=asked).json()["items"]
        assert len(items) == matched, asked
    for asked in ({"after": "x"}, {"after": "2026-01-01_1"}, {"after": "2026-01-01T00:00Z_-1"}):
        assert office.get("/casework/cases", params=asked).status_code == 400
    assert office.get("/casework/cases", params={"filed_to": "9999-12-31"}).status_code == 400


@pytest.mark.parametrize("words", ["电话 138××××5678", "××××小区", "等等····", "138×××·5"])
def test_signs_that_hide_a_number_are_no_other_encoding(office, report, words):
    number = report(description=words)["number"]
    assert office.get(f"/casework/cases/{number}").json()["description"] == words


def test_exports_and_map_hold_the_cases_of_the_list(office, report):
    report("stray_dog", description="=HYPERLINK(1)")
    asked = {"kind": "stray_dog"}
    content = office.get(
        "/casework/export.csv", params=asked, headers={"Accept-Language": "en"}
    ).content
    lines = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert (len(lines), lines[0]["Kind"], lines[0]["State"]) == (1, "Dogs", "filed")
    assert lines[0]["Description"] == "'=HYPERLINK(1)"
    book = openpyxl.load_workbook(
        io.BytesIO(office.get("/casework/export.xlsx", params=asked).content)
    )
    rows = list(book.active.values)
    assert (rows[0][0], rows[1][1], len(rows)) == ("编号", "犬只扰民、流浪犬", 2)
    points = office.get("/casework/map", params=asked).json()
    assert points["features"][0]["geometry"]["coordinates"] == pytest.approx(list(HERE))
    total = office.get("/casework/summary").json()
    assert {one["grid"] for one in total["grids"]} == {OWN_GRID}
    assert total["running"] == sum(one["running"] for one in total["grids"])


def test_map_of_many_cases_has_clusters_of_the_view_and_counts_of_all(
    signed_in, report, monkeypatch
):
    for place in [HERE] * 3 + [THERE] * 3:
        report("rubble", place)
    street, asked = signed_in("street"), {"kind": "rubble", "zoom": 12}
    every = street.get("/casework/map", params=asked).json()
    assert [one["geometry"]["type"] for one in every["features"]] == ["Point"] * 6
    monkeypatch.setattr(case_export, "MAX_POINTS", 4)
    view = street.get("/casework/map", params=asked).json()
    assert sum(one["properties"]["point_count"] for one in view["features"]) == 6
    for described in (every, view):
        CaseMap.model_validate(described)
    assert view["numberMatched"] == 6
    assert view["grids"] == every["grids"] == {OWN_GRID: 3, OTHER_GRID: 3}
    west, south = HERE
    box = {"bbox": f"{west - 0.001},{south - 0.001},{west + 0.001},{south + 0.001}"}
    inside = street.get("/casework/map", params=asked | box).json()
    assert [one["properties"]["grid"] for one in inside["features"]] == [OWN_GRID] * 3
    assert inside["grids"] == view["grids"]
    monkeypatch.setattr(case_export, "MAX_POINTS", 2)
    inside = street.get("/casework/map", params=asked | box | {"zoom": 22}).json()
    [cluster] = inside["features"]
    assert cluster["properties"] == {"point_count": 3}
    assert cluster["geometry"]["coordinates"] == pytest.approx(list(HERE), abs=1e-5)
    monkeypatch.setattr(case_export, "MAX_MAP_CASES", 1)
    most = street.get("/casework/map", params=asked | {"zoom": 24}).json()
    assert (len(most["features"]), most["numberMatched"]) == (1, 6)
    assert signed_in("grid_manager").get("/casework/map", params=asked).json()["grids"] == {
        OWN_GRID: 3
    }


@pytest.mark.parametrize("words", ["东门泵房", "bridge NORTH", "BRIDGE north", "100%_桥"])
def test_words_are_found_in_descriptions_and_addresses(office, report, words):
    first = report(description="在东门泵房旁 Bridge North 100%_桥 处")["number"]
    second = report(address="东门泵房 bridge north 100%_桥")["number"]
    report(description="1000桥 泵房 bridge")
    found = office.get("/casework/cases", params={"q": words, "limit": 2}).json()["items"]
    assert [one["number"] for one in found] == [second, first]
