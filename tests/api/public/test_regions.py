from itertools import pairwise

import pytest
from sqlalchemy import insert, update

from api.core.responses import Collection
from api.public.regions import RegionResponse
from geo.model import GridPlan, Region
from tests import town as t


def codes(answer):
    return [feature["id"] for feature in answer.json()["features"]]


def test_communities_carry_the_figures_of_the_plan_in_force(client):
    found = client.get("/regions", params={"level": "community"}).json()
    figures = {
        one["id"]: (one["properties"]["grids"], one["properties"]["households"])
        for one in found["features"]
    }
    assert figures[t.NORTH_GATE][0] == 6
    assert figures[t.NORTH_GATE][1] == sum(b["households"] for b in t.buildings(t.NORTH_GATE))
    assert figures[t.RIVERSIDE] == (None, None)  # only a draft


def test_newest_drafts_are_shown_to_planners_who_ask_for_them(client, planner):
    asked = {"level": "community", "status": "draft"}

    def grids(caller):
        found = caller.get("/regions", params=asked).json()["features"]
        return [one["properties"]["grids"] for one in found]

    assert grids(planner) == [None, None, 6]
    assert grids(client) == [None, None, None]


def test_community_whose_data_changed_is_marked(client, town):
    def stale():
        found = client.get("/regions", params={"level": "community"}).json()["features"]
        return {one["id"] for one in found if one["properties"]["stale"]}

    assert stale() == set()
    changed = update(GridPlan).where(
        GridPlan.community_code == t.DRUM_TOWER, GridPlan.status == "published"
    )
    with town.begin() as connection:
        connection.execute(changed.values(stale={"households": 5}))
    assert stale() == {t.DRUM_TOWER}
    with town.begin() as connection:
        connection.execute(changed.values(stale=None))


def test_answer_is_geojson_as_described(client):
    answer = client.get("/regions")
    assert answer.headers["content-type"] == "application/geo+json"
    Collection[RegionResponse].model_validate(answer.json())
    west, south, east, north = answer.json()["bbox"]
    assert (west, south) == pytest.approx(t.degrees(0, 0), abs=1e-6)
    assert (east, north) == pytest.approx(t.degrees(1200, 700), abs=1e-6)
    ring = answer.json()["features"][0]["geometry"]["coordinates"][0][0]
    turns = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
    assert turns > 0, "RFC 7946: outer rings run counter-clockwise"


def test_links_lead_through_all_pages_and_back(client):
    page = client.get("/regions", params={"limit": 2}).json()
    seen = []
    while True:
        seen += [one["id"] for one in page["features"]]
        links = {link["rel"]: link["href"] for link in page["links"]}
        if "next" not in links:
            break
        page = client.get(links["next"]).json()
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen) == page["numberMatched"] >= 6
    assert "prev" in links


def test_parent_and_box_narrow_the_list(client):
    assert codes(client.get("/regions", params={"parent": t.DISTRICT})) == [t.STREET]
    west, south = t.degrees(700, 50)
    east, north = t.degrees(800, 100)
    boxed = {"level": "community", "bbox": f"{west},{south},{east},{north}"}
    assert codes(client.get("/regions", params=boxed)) == [t.DRUM_TOWER]


def test_region_without_border_has_no_geometry(client, town):
    row = {"code": "420602002000", "name": "无界街道", "level": "street", "parent_code": t.DISTRICT}
    with town.begin() as connection:
        connection.execute(insert(Region), row)
    found = client.get("/regions", params={"parent": t.DISTRICT}).json()["features"]
    (bare,) = [one for one in found if one["id"] == row["code"]]
    assert bare["geometry"] is None
    assert "bbox" not in bare
