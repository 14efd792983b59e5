"""Finding by words, and the card of a grid."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import insert, text

from api.core.caller import ACT_AS, Caller
from api.public.name_search import index_keys
from geo.db.access_rules import ROLES
from geo.model import Building, Facility, GridManager
from tests import town as t

GRID = f"{t.NORTH_GATE}001"


@pytest.fixture(scope="module", autouse=True)
def staffed(town):
    photo = io.BytesIO()
    Image.new("RGB", (6, 8), "#cc3311").save(photo, "PNG")
    manager = {"grid_code": GRID, "name": "王秀兰", "phone": "139", "duties": "走访"}
    place = "SRID=4490;POINT({} {})".format(*t.degrees(100, 100))
    station = {"code": "s1", "category": "service_station", "name": "北门服务站", "phone": "351"}
    with town.begin() as connection:
        connection.execute(insert(GridManager), manager | {"photo": photo.getvalue()})
        connection.execute(insert(Facility), station | {"geom": place})
    return town


def find(client, words, **more):
    return client.get("/search", params={"q": words, **more}).json()["items"]


def test_building_is_found_with_its_grid(client):
    first = find(client, "7号楼", kind="building")[0]
    assert first["name"] == "7号楼"
    assert first["rank"] == 0
    assert len(first["grid"]) == 15
    assert first["community"] in {name for name, *_ in t.COMMUNITIES.values()}


@pytest.mark.parametrize(
    ("words", "kind", "name"),
    [
        ("北门", "region", "北门社区"),
        ("胜利街", "road", "胜利街"),
        ("荆州街小学", "facility", "荆州街小学"),
        ("檀溪", "compound", "檀溪小区"),
        ("北门社区第5网格", "grid", "北门社区第5网格"),
        ("江滨<社区>", "region", "江滨<社区>"),
    ],
)
def test_every_kind_of_named_feature_is_found(client, words, kind, name):
    first = find(client, words)[0]
    assert (first["kind"], first["name"]) == (kind, name)
    west, south, east, north = first["bbox"]
    assert west - 1e-6 <= first["lon"] <= east + 1e-6
    assert south - 1e-6 <= first["lat"] <= north + 1e-6


def test_all_words_must_match_and_wildcards_are_literal(client):
    assert find(client, "北门 社区")[0]["code"] == t.NORTH_GATE
    assert find(client, "北门 东门") == []
    assert find(client, "%") == []
    assert find(client, "_号楼") == []
    assert find(client, "'; DROP TABLE region; --") == []


def test_grid_detail_has_manager_and_station(client):
    card = client.get(f"/grids/{GRID}").json()["properties"]
    photo = f"/grids/{GRID}/manager/photo"
    assert card["manager"] == {
        "name": "王秀兰",
        "phone": "139",
        "tasks": "",
        "duties": "走访",
        "photo": photo,
    }
    assert card["station"] == {"name": "北门服务站", "phone": "351", "address": ""}
    assert card["serial"] == 1
    assert card["buildings"] == 16
    picture = client.get(photo)
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


def test_grid_without_manager_has_null_and_draft_grid_is_404(client):
    assert client.get(f"/grids/{t.NORTH_GATE}002").json()["properties"]["manager"] is None
    assert client.get(f"/grids/{t.NORTH_GATE}002/manager/photo").status_code == 404
    assert client.get(f"/grids/{t.RIVERSIDE}001").status_code == 404
    assert client.get("/grids/12").status_code == 422


@pytest.fixture(scope="module")
def addressed(town):
    with town.begin() as connection:
        connection.execute(
            text(
                "UPDATE building SET address = '胜利街' || substr(code, 6)::int || '号' "
                "WHERE code LIKE 'b001%'"
            )
        )


@pytest.mark.parametrize(
    "words", ["胜利街12号", "12号胜利街", "胜利 12号", "１２号 胜利街", "胜利街12", "12号胜街"]
)
def test_address_is_found_in_any_order_and_in_parts(client, addressed, words):
    first = find(client, words, kind="building")[0]
    assert first["address"] in {"胜利街12号", "胜利街112号", "胜利街120号"}
    assert first["grid"].startswith(t.NORTH_GATE)


@pytest.mark.parametrize(
    ("words", "name"),
    [("荆州小学", "荆州街小学"), ("檀西小区", "檀溪小区"), ("北们社区", "北门社区")],
)
def test_wrong_or_missing_character_still_matches(client, words, name):
    assert name in {one["name"] for one in find(client, words)}


@pytest.mark.parametrize("words", ["' OR 1=1 --", "\\", "()", "啊" * 100, "☃", "%%%"])
def test_unusual_queries_return_nothing(client, words):
    assert find(client, words) == []


@pytest.fixture(scope="module")
def street(town):
    """Return the town with a street of numbered houses."""
    with town.begin() as connection:
        for number in range(1, 41):
            west = 20 + number * 4
            house = {
                "code": f"420602001001B{number:04d}",
                "name": f"阳光花园{number}栋" if number < 20 else "",
                "address": f"长虹九街{number}号阳光花园{number}栋",
                "geom": t.box(west, 5, west + 3, 9),
            }
            connection.execute(insert(Building), house)
    return town


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("长虹九街12号阳光花园12栋", "阳光花园12栋"),
        ("长虹九街12号", "阳光花园12栋"),
        ("虹九街12号阳光", "阳光花园12栋"),
        ("阳光花园12栋", "阳光花园12栋"),
        ("12栋 阳光花园", "阳光花园12栋"),
        ("12号长虹九街", "阳光花园12栋"),
        ("花园阳光12栋", "阳光花园12栋"),
        ("１２栋阳光花园", "阳光花园12栋"),
        ("九街长虹12号", "阳光花园12栋"),
        ("长虹九道12号阳光花圆", "阳光花园12栋"),
        ("420602001001B0012", "阳光花园12栋"),
        ("420602001001b0012", "阳光花园12栋"),
        ("B0012", "阳光花园12栋"),
        ("001001B0012", "阳光花园12栋"),
        ("2001001B001", "阳光花园10栋"),
    ],
)
def test_house_is_found_by_any_part_of_its_address_or_code(client, street, words, name):
    assert find(client, words)[0]["name"] == name


def test_exact_name_ranks_before_prefix_and_substring(client, street):
    found = find(client, "阳光花园1栋", limit=50)
    assert (found[0]["name"], found[0]["rank"]) == ("阳光花园1栋", 0)
    ranks = [one["rank"] for one in find(client, "阳光", limit=50)]
    assert ranks == sorted(ranks)
    assert find(client, "阳", kind="building", limit=50)
    assert find(client, "囍") == []
    assert {one["name"] for one in find(client, "街", kind="road")} == {"胜利街"}


@pytest.mark.parametrize("role", ROLES)
def test_search_uses_the_index_under_every_role(client, street, role):
    """Row-level security keeps other operators from an index; behind ``true`` it does not."""
    caller = Caller(role, "4206", ("gas",), role)
    with street.connect() as connection:
        connection.execute(ACT_AS, caller.settings())
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        signs = "signs_of(name || ' ' || address) @> '{长虹}'"
        for condition in (signs, "lower(code) LIKE '42%'", "name LIKE '阳光%'"):
            plan = f"EXPLAIN SELECT code FROM published.building WHERE {condition}"
            said = "\n".join(connection.execute(text(plan)).scalars())
            assert "Index" in said, (role, said)
            assert "Seq Scan" not in said
        for table in ("road", "compound"):
            plan = f"EXPLAIN SELECT code FROM {table} WHERE signs_of(name) @> '{{胜}}'"
            said = "\n".join(connection.execute(text(plan)).scalars())
            assert f"ix_{table}_signs" in said


@pytest.fixture(scope="module")
def compounds(street):
    """Return the town with two gates of one road, whose numbers share their digits."""
    houses = [
        ("中原路81号4号楼", 1),
        ("中原路81号5号楼", 2),
        ("中原路181号142号楼", 3),
        ("中原路181号4号楼", 4),
        ("中原路83号", 5),
        ("中原路八十五号", 6),
    ]
    with street.begin() as connection:
        for address, number in houses:
            west = 20 + number * 30
            geometry = t.box(west, 300, west + 20, 310)
            house = {"code": f"z{number}", "name": "", "address": address, "geom": geometry}
            connection.execute(insert(Building), house)
    return street


def search(client, words, **more):
    return client.get("/search", params={"q": words, **more}).json()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("中原路81号4号楼", "z1"),
        ("中原路81号4号楼2单元", "z1"),
        ("湖北省襄阳市樊城区中原路81号4号楼2单元302室", "z1"),
        ("北门社区中原路８１号４#楼", "z1"),
        ("中原路 81 号四号楼", "z1"),
        ("中原路81号4-2-302", "z1"),
        ("中原路83号", "z5"),
        ("中原路85号", "z6"),
        ("长虹九街12号阳光花园12栋2单元", "420602001001B0012"),
        ("阳光花园12号楼", "420602001001B0012"),
    ],
)
def test_address_gives_exactly_its_building(client, compounds, words, code):
    items = search(client, words)["items"]
    assert [(hit["code"], hit["exact"]) for hit in items] == [(code, True)]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("中原路81号6号楼2单元", "z2"),
        ("中原路82号", "z5"),
        ("中原路81号142号楼", "z2"),
        ("中原路18号142号楼", "z2"),
        ("钟鼓楼社区中原路81号4号楼", "z1"),
        ("阳光花园121栋", "420602001001B0040"),
    ],
)
def test_address_without_building_gives_the_nearest_and_marks_them(client, compounds, words, first):
    items = search(client, words)["items"]
    assert items[0]["code"] == first
    assert not any(hit["exact"] for hit in items)


def test_unit_floor_and_room_are_returned(client, compounds):
    found = search(client, "中原路81号4号楼2单元3层302室")
    assert found["dwelling"] == {"unit": "2", "floor": "3", "room": "302"}
    assert search(client, "北门社区")["dwelling"] is None


def test_street_alone_asks_for_the_number(client, compounds):
    found = search(client, "中原路", limit=20)
    assert found["asks_number"]
    assert [hit["number"] for hit in found["items"]] == ["81", "83", "85", "181"]
    assert not any(hit["exact"] for hit in found["items"])
    assert not search(client, "中原路83号")["asks_number"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("shenglijie", "胜利街"),
        ("sheng li jie", "胜利街"),
        ("slj", "胜利街"),
        ("slijie", "胜利街"),
        ("tanxi", "檀溪小区"),
        ("txxq", "檀溪小区"),
        ("beimenshe", "北门社区"),
        ("jzjxx", "荆州街小学"),
    ],
)
def test_pinyin_and_initials_find_names(client, street, words, name):
    items = search(client, words)["items"]
    assert name in {hit["name"] for hit in items}
    assert not any(hit["exact"] for hit in items)


def test_pinyin_of_a_street_with_a_number_finds_the_house(client, addressed):
    assert search(client, "slj12号")["items"][0]["address"] == "胜利街12号"
    assert search(client, "zzzz")["items"] == []


def test_only_the_named_place_is_exact(client, street):
    items = search(client, "北门社区", limit=5)["items"]
    assert [hit["exact"] for hit in items] == [True] + [False] * (len(items) - 1)
    assert not any(hit["exact"] for hit in search(client, "北门")["items"])


@given(st.text(max_size=12))
@settings(max_examples=60)
def test_index_keys_equal_those_of_the_database(signs_in_database, said):
    said = said.replace("\0", "")
    if said.lower() == said:  # letters that the two lower otherwise are not what anyone types
        assert signs_in_database(said) == sorted(index_keys(said))


@pytest.fixture(scope="module")
def signs_in_database(town):
    with town.connect() as connection:

        def ask(said):
            found = connection.execute(text("SELECT signs_of(:said)"), {"said": said}).scalar()
            return sorted(found or [])

        yield ask
