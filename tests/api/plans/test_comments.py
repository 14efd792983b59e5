"""Comments at places of a plan, the lines that borders follow, and the plans of all communities."""

import pytest
import shapely

from tests import town as t
from tests.api.conformance import hold_to_description


@pytest.fixture(scope="module")
def planner(signed_in):
    client = signed_in("planner")
    hold_to_description(client)
    return client


@pytest.fixture
def draft(planner):
    found = planner.get(f"/communities/{t.RIVERSIDE}/plans").json()["items"]
    return planner.post(f"/plans/{found[0]['id']}/copy").json()["id"]


LON, LAT = t.degrees(300, 500)


def comment(planner, plan, words="这栋楼归错了"):
    made = planner.post(f"/plans/{plan}/comments", json={"words": words, "lon": LON, "lat": LAT})
    assert made.status_code == 201, made.text
    return made.json()


def test_comment_is_read_with_its_place_resolved_reopened_and_deleted(planner, draft):
    made = comment(planner, draft, "  这栋楼归错了 ")
    assert (made["words"], made["author"]) == ("这栋楼归错了", "planner")
    assert (made["lon"], made["lat"]) == pytest.approx((LON, LAT))
    place = f"/plans/{draft}/comments/{made['id']}"
    assert planner.patch(place, json={"resolved": True}).json()["resolved_by"] == "planner"
    later = comment(planner, draft, "第二条")
    listed = planner.get(f"/plans/{draft}/comments").json()["items"]
    assert [one["id"] for one in listed] == [later["id"], made["id"]]  # open ones first
    assert planner.patch(place, json={"resolved": False}).json()["resolved_at"] is None
    assert planner.delete(place).status_code == 204
    assert planner.delete(place).status_code == 404
    assert planner.get(f"/plans/{draft}/comments").json()["numberMatched"] == 1


@pytest.mark.parametrize(
    "body", [{"words": " ", "lon": LON, "lat": LAT}, {"words": "x", "lon": 200, "lat": LAT}, {}]
)
def test_comment_without_words_or_place_is_refused(planner, draft, body):
    assert planner.post(f"/plans/{draft}/comments", json=body).status_code == 422


@pytest.mark.parametrize(("metres", "status"), [(-400, 201), (-700, 400), (-900_000, 400)])
def test_comment_is_at_a_place_in_or_near_the_community_of_the_plan(planner, draft, metres, status):
    lon, lat = t.degrees(metres, 500)
    body = {"words": "x", "lon": lon, "lat": lat}
    answer = planner.post(f"/plans/{draft}/comments", json=body)
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["type"].endswith("comment_elsewhere")
    listed = planner.get(f"/plans/{draft}/comments").json()["items"]
    assert len(listed) == (status == 201)


def test_comment_of_another_plan_is_not_found(planner, draft):
    made = comment(planner, draft)
    other = planner.post(f"/plans/{draft}/copy").json()["id"]
    assert planner.get(f"/plans/{other}/comments").json()["items"] == []
    gone = planner.patch(f"/plans/{other}/comments/{made['id']}", json={"resolved": True})
    assert gone.status_code == 404


def test_comments_go_with_their_plan(planner, draft):
    comment(planner, draft)
    dropped = planner.delete(f"/plans/{draft}", headers={"If-Match": '"0"'})
    assert dropped.status_code == 204
    assert planner.get(f"/plans/{draft}/comments").status_code == 404


def test_comments_are_for_planners_of_the_region(signed_in, planner, draft):
    comment(planner, draft)
    assert signed_in("fire").get(f"/plans/{draft}/comments").status_code == 403
    assert signed_in("admin").get(f"/plans/{draft}/comments").json()["numberMatched"] == 1


def barriers(planner, community):
    plan = planner.get(f"/communities/{community}/plans").json()["items"][0]["id"]
    features = planner.get(f"/plans/{plan}/barriers").json()["features"]
    return {
        (one["properties"]["kind"], one["properties"]["name"]): shapely.geometry.shape(
            one["geometry"]
        )
        for one in features
    }


def test_barriers_are_roads_walls_railways_and_waters_inside_the_community(planner):
    lines = barriers(planner, t.NORTH_GATE)
    assert {
        ("arterial", "胜利街"),
        ("street", "200路"),
        ("alley", ""),
        ("wall", "檀溪小区"),
        ("railway", "汉丹线"),
        ("river", "护城河"),
    } <= lines.keys()
    kinds = {kind for kind, _ in lines}
    assert kinds <= {"arterial", "street", "alley", "wall", "railway", "river"}
    community = shapely.box(*t.degrees(0, 0), *t.degrees(600, 400)).buffer(1e-6)
    assert all(community.covers(line) for line in lines.values())
    assert ("street", "800路") not in lines  # in the next community


def test_plans_of_all_communities_are_listed_with_their_share_within_limits(planner, draft):
    comment(planner, draft)
    drafts = planner.get("/plans?status=draft").json()["items"]
    [listed] = [one for one in drafts if one["id"] == draft]
    assert (listed["community_code"], listed["comments"]) == (t.RIVERSIDE, 1)
    assert listed["author"] == "planner"
    created = [one["created_at"] for one in drafts]
    assert created == sorted(created)
    published = planner.get("/plans?status=published").json()["items"]
    assert {one["community_code"] for one in published} >= {t.NORTH_GATE, t.DRUM_TOWER}
