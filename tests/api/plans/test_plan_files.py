"""Plans out of the page and in again: CSV of buildings to grids, polygons of grids."""

import csv
import io

import geopandas as gpd
import pytest
import shapely
from sqlalchemy import text

from geo.spreadsheet import csv_cell
from tests import town as t
from tests.api.plans.test_plans import CELLS

GRID = f"{t.RIVERSIDE}001"


@pytest.fixture
def draft(planner, town):
    """Return the number of a fresh copy of the town's draft, with cells that tile."""
    found = planner.get(f"/communities/{t.RIVERSIDE}/plans").json()["items"]
    original = min(found, key=lambda plan: plan["version"])
    number = planner.post(f"/plans/{original['id']}/copy").json()["id"]
    with town.begin() as connection:
        for statement in CELLS:
            connection.execute(text(statement), {"plan": number})
    return number


def rows_of(planner, plan):
    content = planner.get(f"/plans/{plan}/assignment.csv").content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


def table(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def send(planner, plan, content, name="plan.csv", revision=0):
    content = content if isinstance(content, bytes) else content.encode()
    return planner.post(
        f"/plans/{plan}/assignment",
        files={"file": (name, content)},
        headers={"If-Match": f'"{revision}"'},
    )


def households(planner, plan):
    grids = planner.get(f"/plans/{plan}/grids").json()["features"]
    return {one["id"]: one["properties"]["households"] for one in grids}


def test_assignment_comes_back_as_it_left(planner, draft):
    before = households(planner, draft)
    rows = rows_of(planner, draft)
    assert len(rows) == len(t.buildings(t.RIVERSIDE))
    assert send(planner, draft, table(rows)).status_code == 200
    assert households(planner, draft) == before
    assert planner.get(f"/plans/{draft}").json()["undo"] == 0


def test_edited_assignment_is_one_edit_that_adds_grids(planner, draft):
    before = households(planner, draft)
    rows = [row for row in rows_of(planner, draft) if row["grid_code"] == GRID]
    for row in rows[:3]:
        row["grid_code"] = "77"
    rows[3]["grid_code"] = f"{t.RIVERSIDE}905"
    rows[4]["grid_code"] = ""
    answer = send(planner, draft, table(rows[:5]))
    assert answer.json()["undo"] == 1
    after = households(planner, draft)
    assert after[f"{t.RIVERSIDE}077"] == sum(int(row["households"]) for row in rows[:3])
    assert after[f"{t.RIVERSIDE}905"] == int(rows[3]["households"])
    assert after[GRID] == before[GRID] - sum(int(row["households"]) for row in rows[:4])
    kinds = {
        one["id"]: one["properties"]["kind"]
        for one in planner.get(f"/plans/{draft}/grids").json()["features"]
    }
    assert kinds[f"{t.RIVERSIDE}905"] == "dedicated"
    undone = planner.post(f"/plans/{draft}/undo", headers={"If-Match": '"1"'})
    assert undone.status_code == 200
    assert households(planner, draft) == before


def test_table_of_a_chinese_spreadsheet_is_read(planner, draft):
    [row, *_] = rows_of(planner, draft)
    content = f"建筑编码,网格编码\n{row['building_code']},{t.RIVERSIDE}002\n".encode("gb18030")
    assert send(planner, draft, content).status_code == 200
    moved = [one for one in rows_of(planner, draft) if one["building_code"] == row["building_code"]]
    assert [one["grid_code"] for one in moved] == [f"{t.RIVERSIDE}002"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"grid_code": "4.20602E+14"}, "4.20602E+14"),
        ({"grid_code": f"{t.NORTH_GATE}001"}, t.NORTH_GATE),
        ({"building_code": "b999"}, "b999"),
    ],
)
def test_mistake_is_named_by_its_row_and_nothing_changes(planner, draft, change, said):
    before = households(planner, draft)
    rows = rows_of(planner, draft)[:3]
    rows[0]["grid_code"] = "3"
    rows[1] |= change
    answer = send(planner, draft, table(rows))
    assert answer.status_code in (400, 422)
    assert said in answer.json()["detail"]
    assert "3" in answer.json()["detail"], "the row in the file"
    assert households(planner, draft) == before


def test_grids_come_back_as_geopackage(planner, draft, tmp_path):
    before = households(planner, draft)
    exported = planner.get("/exports/grid", params={"plan": draft, "format": "gpkg"})
    assert exported.status_code == 200
    (tmp_path / "grids.gpkg").write_bytes(exported.content)
    frame = gpd.read_file(tmp_path / "grids.gpkg")
    assert set(before) == set(frame["code"])
    assert send(planner, draft, exported.content, "grids.gpkg").status_code == 200
    assert households(planner, draft) == before
    merged = frame[frame["code"].isin([GRID, f"{t.RIVERSIDE}002"])].dissolve()
    merged["code"], merged["name"] = GRID, "合并"
    rest = frame[~frame["code"].isin([GRID, f"{t.RIVERSIDE}002"])]
    edited = gpd.GeoDataFrame(
        {
            "code": [GRID, *rest["code"]],
            "name": ["合并", *rest["name"]],
        },
        geometry=[shapely.union_all(merged.geometry), *rest.geometry],
        crs=frame.crs,
    )
    edited.to_crs("EPSG:4546").to_file(tmp_path / "edited.gpkg")
    revision = planner.get(f"/plans/{draft}").json()["revision"]
    answer = send(planner, draft, (tmp_path / "edited.gpkg").read_bytes(), "edited.gpkg", revision)
    assert answer.status_code == 200, answer.text
    after = households(planner, draft)
    assert f"{t.RIVERSIDE}002" not in after
    assert after[GRID] == before[GRID] + before[f"{t.RIVERSIDE}002"]


def test_other_files_and_roles_are_refused(planner, signed_in, draft):
    assert send(planner, draft, "x", "plan.exe").status_code in (400, 415, 422)
    assert send(planner, draft, "a,b\n1,2\n").status_code in (400, 422)
    assert send(signed_in("fire"), draft, "a").status_code == 403
    assert signed_in("fire").get(f"/plans/{draft}/assignment.csv").status_code == 403
    assert csv_cell("=1").startswith("'")
