import pytest
import shapely

from api.core.responses import Collection
from api.public.grids import GridResponse
from tests import town as t


def at(client, x, y, **more):
    lon, lat = t.degrees(x, y)
    return client.get("/grids", params={"lon": lon, "lat": lat, **more})


def test_point_returns_its_grid_with_community_and_street(client):
    found = at(client, 450, 150).json()["features"]
    assert [one["id"] for one in found] == [f"{t.NORTH_GATE}006"]
    grid = found[0]["properties"]
    assert (grid["serial"], grid["buildings"]) == (6, 16)
    assert (grid["community"], grid["street"]) == ("北门社区", "昭明街道")
    assert (grid["version"], grid["status"]) == (2, "published")


def test_corner_of_four_grids_always_returns_the_same_one(client):
    answers = {at(client, 200, 200).json()["features"][0]["id"] for _ in range(5)}
    assert answers == {f"{t.NORTH_GATE}001"}


def test_point_without_grid_is_404_in_the_callers_language(client):
    nowhere = at(client, -500, 0)
    assert nowhere.status_code == 404
    assert nowhere.headers["content-type"] == "application/problem+json"
    assert "没有网格" in nowhere.json()["detail"]
    lon, lat = t.degrees(-500, 0)
    english = client.get(f"/grids?lon={lon}&lat={lat}", headers={"Accept-Language": "en-GB,en"})
    assert english.json()["detail"].startswith("There is no grid")


def test_draft_grids_are_returned_only_to_planners_on_request(client, planner):
    assert at(planner, 100, 500).status_code == 404
    assert at(client, 100, 500, status="draft").status_code == 404
    draft = at(planner, 100, 500, status="draft").json()["features"][0]["properties"]
    assert (draft["status"], draft["version"]) == ("draft", 1)


def test_list_is_as_described_and_narrowed_by_community(client):
    answer = client.get("/grids", params={"community": t.DRUM_TOWER, "limit": 4}).json()
    Collection[GridResponse].model_validate(answer)
    assert answer["numberMatched"] == 6
    assert answer["numberReturned"] == 4
    assert all(one["id"].startswith(t.DRUM_TOWER) for one in answer["features"])
    assert "crs" not in answer["features"][0]["geometry"]


def test_neighbours_differ_in_colour_also_across_communities(client):
    features = client.get("/grids", params={"limit": 100}).json()["features"]
    shapes = [shapely.geometry.shape(one["geometry"]) for one in features]
    colours = [one["properties"]["colour"] for one in features]
    clashes = [
        (features[i]["id"], features[j]["id"])
        for i in range(len(shapes))
        for j in range(i)
        if colours[i] == colours[j] and shapes[i].distance(shapes[j]) < 1e-6
    ]
    assert len(features) == 12
    assert clashes == []


def test_simplified_answer_is_smaller(client):
    whole = len(client.get("/grids").content)
    coarse = client.get("/grids", params={"simplify": 500})
    assert coarse.status_code == 200
    assert len(coarse.content) <= whole


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("lon=112.14", 400),
        ("lon=112.14&lat=32.04&community=420602001001", 400),
        ("bbox=1,2,3", 400),
        ("bbox=3,2,1,4", 400),
        ("bbox=nan,2,3,4", 400),
        ("bbox=1,2,inf,4", 400),
        ("bbox=0,0,0,0", 400),
        ("bbox=1,2,3,95", 400),
        ("bbox=%00", 400),
        ("lon=nan&lat=1", 422),
        ("lon=181&lat=1", 422),
        ("community=420602001001%27--", 422),
        ("community=%00", 422),
        ("limit=0", 422),
        ("limit=1001", 422),
        ("offset=-1", 422),
        ("simplify=inf", 422),
        ("status=archived", 422),
    ],
)
def test_invalid_parameter_is_a_client_error(client, query, status):
    answer = client.get(f"/grids?{query}")
    assert answer.status_code == status
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["instance"] == "/grids"
    assert problem["detail"]
