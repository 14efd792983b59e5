import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import httpx
import pytest
from georeport import GeoReport
from sqlalchemy import Engine, text

from geo.settings import settings
from tests.api.casework.conftest import HERE, picture, take

KEY = "a key of an application of the city"
ROOT = "/open311/v2"


@pytest.fixture(scope="module", autouse=True)
def application() -> Iterator[None]:
    settings().open311_keys = {"city app": KEY, "other app": KEY[::-1]}
    yield
    settings().open311_keys = {}


def send(client: httpx.Client, form="json", files=(), **values) -> httpx.Response:
    fields = {"service_code": "burst_pipe", "description": "水管裂了"} | values
    if "address_string" not in values:
        fields = {"lat": HERE[1], "long": HERE[0]} | fields
    return client.post(f"{ROOT}/requests.{form}", data=fields, files=list(files))


def file_with_key(client: httpx.Client, **values) -> str:
    answer = send(client, api_key=KEY, **values)
    assert answer.status_code == 201, answer.text
    return answer.json()[0]["service_request_id"]


@pytest.mark.parametrize("form", ["json", "xml"])
def test_client_of_others_reads_services_and_requests(
    client: httpx.Client, address: str, signed_in, form: str
):
    number = file_with_key(client)
    assert take(signed_in("office"), number, "release").status_code == 200
    reader = GeoReport(f"{address}{ROOT}", output_format=form)
    services = {one["service_code"]: one for one in reader.get_service_list()}
    assert services["burst_pipe"]["type"] == "realtime"
    guided = next(code for code, one in services.items() if str(one["metadata"]).lower() == "true")
    definition = reader.get_service_definition(guided)
    assert definition["service_code"] == guided
    assert definition["attributes"]
    listed = reader.get_service_requests(status="open")
    found = listed if isinstance(listed, list) else [listed]
    mine = next(one for one in found if one["service_request_id"] == number)
    assert mine["service_code"] == "burst_pipe"
    assert not mine["description"]
    assert float(mine["long"]) == pytest.approx(HERE[0], abs=0.001)
    single = reader.get_service_request(number)
    single = single[0] if isinstance(single, list) else single
    assert single["status"] == "open"


@pytest.mark.parametrize("form", ["json", "xml"])
def test_discovery_names_the_endpoint(client: httpx.Client, address: str, form: str):
    answer = client.get(f"{ROOT}/discovery.{form}")
    assert f"{address}{ROOT}" in answer.text
    assert form in answer.headers["content-type"]


def test_request_without_key_gets_a_token_for_its_number(client: httpx.Client):
    token = send(client).json()[0]["token"]
    number = client.get(f"{ROOT}/tokens/{token}.json").json()[0]["service_request_id"]
    assert number == token.partition("-")[0]
    own = client.get(f"{ROOT}/requests/{token}.json").json()[0]
    assert (own["status"], own["description"]) == ("open", "水管裂了")
    assert client.get(f"{ROOT}/requests/{number}.json").status_code == 404
    wrong = f"{number}-{'A' * 16}"
    assert client.get(f"{ROOT}/tokens/{wrong}.json").status_code == 404
    assert client.get(f"{ROOT}/requests/{wrong}.json").status_code == 404


def test_application_reads_its_own_requests_only(client: httpx.Client):
    number = file_with_key(client)
    path = f"{ROOT}/requests/{number}.json"
    own = client.get(path, params={"api_key": KEY}).json()[0]
    assert own["description"] == "水管裂了"
    assert own["expected_datetime"] > own["requested_datetime"]
    assert client.get(path, params={"api_key": KEY[::-1]}).status_code == 404
    assert client.get(path).status_code == 404
    listed = client.get(f"{ROOT}/requests.json", params={"api_key": KEY[::-1]}).json()
    assert number not in {one["service_request_id"] for one in listed}


def test_request_becomes_a_case_with_photo_and_sealed_contact(
    client: httpx.Client, town: Engine, signed_in
):
    photo = ("media", ("pipe.jpg", io.BytesIO(picture()), "image/jpeg"))
    number = file_with_key(
        client,
        files=[photo],
        first_name="三",
        last_name="张",
        phone="13800000000",
        media_url="https://example.org/pipe.jpg",
    )
    case = signed_in("grid_manager").get(f"/casework/cases/{number}").json()
    assert case["channel"] == "open311"
    assert case["description"] == "水管裂了\nhttps://example.org/pipe.jpg"
    assert len(case["events"][0]["photos"]) == 1
    with town.connect() as connection:
        sealed = text(
            "SELECT sealed FROM case_contact JOIN service_case c ON c.id = case_id "
            "WHERE number = :number"
        )
        assert b"138" not in connection.execute(sealed, {"number": number}).scalar_one()


def test_filters_keep_what_matches(client: httpx.Client):
    number = file_with_key(client, service_code="noise")
    ask = {"api_key": KEY, "service_code": "noise,burst_pipe"}
    now = datetime.now(UTC)

    def listed(**values) -> set[str]:
        answer = client.get(f"{ROOT}/requests.json", params=ask | values)
        assert answer.status_code == 200, answer.text
        return {one["service_request_id"] for one in answer.json()}

    assert number in listed()
    assert number in listed(status="open,closed")
    assert number not in listed(status="closed")
    assert number not in listed(service_code="burst_pipe")
    assert number not in listed(start_date=(now + timedelta(hours=1)).isoformat())
    assert number not in listed(end_date=(now - timedelta(hours=1)).isoformat())
    assert number in listed(service_request_id=number, status="closed")  # it overrides the others
    assert len(listed(page_size=1)) == 1


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({"service_code": "flying_saucer"}, 404, "no kind of case"),
        ({"lat": "0", "long": "0"}, 400, "outside the city"),
        ({"lat": "91"}, 400, "lat"),
        ({"lat": "nan"}, 400, "lat"),
        ({"description": ""}, 400, "description"),
        ({"description": "  "}, 400, "description"),
        ({"description": "a\x01b"}, 400, "description"),
        ({"description": "<script>"}, 400, "web code"),
        ({"api_key": "guessed"}, 403, "api_key"),
        ({"attribute[SIZE]": "9"}, 400, "attribute[SIZE]"),
        ({"media_url": "javascript:alert(1)"}, 400, "media_url"),
        ({"address_string": ""}, 400, "The place is missing"),
        ({"address_string": "没有的路9999号"}, 400, "exactly one building"),
    ],
)
@pytest.mark.parametrize("form", ["json", "xml"])
def test_unfit_request_is_refused_in_one_line(
    client: httpx.Client, town: Engine, values: dict, status: int, said: str, form: str
):
    def count() -> int:
        with town.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM service_case")).scalar_one()

    before = count()
    headers = {"Accept-Language": "en"}
    client.headers.update(headers)
    answer = send(client, form=form, **values)
    assert answer.status_code == status, answer.text
    if form == "json":
        (error,) = answer.json()
        code, words = error["code"], error["description"]
    else:
        error = ElementTree.fromstring(answer.content).find("error")  # noqa: S314  (our own)
        code, words = error.findtext("code"), error.findtext("description")
    assert code == str(status)
    assert said in words
    assert "\n" not in words
    assert count() == before


def test_address_of_one_building_is_a_place(client: httpx.Client, town: Engine):
    known = "前进路7号3栋"
    with town.begin() as connection:
        connection.execute(
            text(
                "UPDATE building SET address = :known WHERE code = (SELECT min(code) FROM building)"
            ),
            {"known": known},
        )
    number = file_with_key(client, address_string=known)
    own = client.get(f"{ROOT}/requests/{number}.json", params={"api_key": KEY}).json()[0]
    assert own["address"] == known
    assert (own["long"], own["lat"]) != (None, None)


@pytest.mark.usefixtures("english")
def test_range_beyond_ninety_days_is_refused(client: httpx.Client):
    ask = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-06-01T00:00:00Z"}
    answer = client.get(f"{ROOT}/requests.json", params=ask)
    assert answer.status_code == 400
    late = {"end_date": "9999-12-31T23:59:59Z"}
    assert client.get(f"{ROOT}/requests.json", params=late).status_code == 200
    early = {"end_date": "0001-01-01T00:00:00Z"}
    assert client.get(f"{ROOT}/requests.json", params=early).status_code == 400


def test_requests_without_key_are_limited(client: httpx.Client):
    before = settings().reports_per_minute
    settings().reports_per_minute = 2
    try:
        statuses = [send(client).status_code for _ in range(5)]
        assert 429 in statuses
        assert send(client, api_key=KEY).status_code == 201
    finally:
        settings().reports_per_minute = before


CONTROL = "%00", "a%01b", "%1B", "%7F", "%C2%85"


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(
    "path",
    [
        *("requests.{form}?service_request_id=", "requests.{form}?service_code="),
        *("requests.{form}?status=", "requests.{form}?start_date=", "requests.{form}?api_key="),
        *("requests/0000000000000000.{form}?api_key=", "requests/{control}.{form}?"),
        *("tokens/{control}.{form}?", "services/{control}.{form}?"),
    ],
)
def test_control_characters_are_refused_as_the_standard_says(
    client: httpx.Client, path: str, form: str
):
    for control in CONTROL:
        address = path.format(form=form, control=control)
        answer = client.get(f"{ROOT}/{address}{'' if '{control}' in path else control}")
        assert answer.status_code in (400, 404), address
        assert answer.headers["content-type"].startswith(("application/json", "text/xml")), address
        if form == "json":
            (error,) = answer.json()
        else:
            error = ElementTree.fromstring(answer.content).find("error")  # noqa: S314  (our own)
        assert error is not None


def test_notice_of_a_request_names_the_day_in_the_city(client: httpx.Client):
    filed = send(client, api_key=KEY).json()[0]
    number = filed["service_request_id"]
    own = client.get(f"{ROOT}/requests/{number}.json", params={"api_key": KEY}).json()[0]
    due = datetime.fromisoformat(own["expected_datetime"])
    assert due.astimezone(settings().time_zone).date().isoformat() in filed["service_notice"]


def test_released_place_is_printed_with_three_decimals(client: httpx.Client, signed_in):
    number = file_with_key(client)
    assert take(signed_in("office"), number, "release").status_code == 200
    nearby = client.get("/reports/nearby", params={"lon": HERE[0], "lat": HERE[1]}).json()["items"]
    listed = client.get(f"{ROOT}/requests/{number}.json").json()
    places = [(one["lon"], one["lat"]) for one in nearby] + [(listed[0]["long"], listed[0]["lat"])]
    assert places
    assert all(len(f"{value}".partition(".")[2]) <= 3 for place in places for value in place)
