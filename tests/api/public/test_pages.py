"""The page, its style and its words, without a browser (see tests/e2e for one)."""

import re

import pytest

from api.middleware.security_headers import content_security_policy
from geo.messages import catalogue
from geo.model.building import HouseholdsSource, Structure, Use
from geo.model.facility import Category
from geo.model.pipe import Material, Network, NodeKind
from geo.model.region import Level
from geo.model.transport import Oneway, RoadClass, Surface, WaterKind
from geo.settings import settings
from maps import build
from maps.colours import PALETTE


@pytest.fixture(scope="module", autouse=True)
def built():
    build.build()


def test_page_references_only_files_of_this_server(client):
    html = client.get("/").text
    named = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(named) >= 3
    for address in named:
        assert address.startswith(("/static/", "/report"))
        assert client.get(address).status_code == 200


def test_hashed_files_are_cached_and_the_page_is_not(client):
    script = re.search(r'src="([^"]+\.js)"', client.get("/").text)[1]
    assert "immutable" in client.get(script).headers["cache-control"]
    assert client.get("/").headers["cache-control"] == "no-cache"


def test_content_security_policy_allows_no_other_host(client):
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy


def test_scripts_are_sent_precompressed(client):
    address = re.search(r'src="([^"]+\.js)"', client.get("/").text)[1]
    packed = client.get(address, headers={"Accept-Encoding": "gzip"})
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert int(packed.headers["content-length"]) < len(plain.content) * 0.9


def test_tianditu_is_used_only_with_a_key(client, monkeypatch):
    assert "tianditu" not in client.get("/style.json").text
    monkeypatch.setenv("GRIDATLAS_TIANDITU_KEY", "0123abcd")
    settings.cache_clear()
    style = client.get("/style.json").json()
    base = style["sources"]["tianditu-vec"]["tiles"][0]
    assert base.startswith("https://t0.tianditu.gov.cn/vec_w/wmts?")
    assert base.endswith("&tk=0123abcd")
    for layer in style["layers"]:
        if layer["id"].startswith("tianditu-"):
            assert layer["layout"]["visibility"] == "none"
    assert "tianditu" not in client.get("/style.json", params={"absolute": True}).text
    assert "https://*.tianditu.gov.cn" in content_security_policy()
    monkeypatch.undo()
    settings.cache_clear()
    assert "tianditu" not in content_security_policy()


def test_asset_paths_cannot_leave_their_folder(client):
    for path in ("/static/../build.py", "/static/%2e%2e/build.py", "/static/..%2fbuild.py"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_style_names_no_other_server_and_is_localized(client, lang):
    style = client.get("/style.json", params={"lang": lang}).json()
    assert "glyphs" not in style
    assert "sprite" not in style
    assert style["sources"]["city"]["tiles"] == ["/tiles/{z}/{x}/{y}?status=published"]
    label = str(next(layer for layer in style["layers"] if layer["id"] == "grid-label"))
    assert (" 户" in label) == (lang == "zh")
    assert (" households" in label) == (lang == "en")


def test_style_has_a_fill_for_every_colour_index(client):
    layers = client.get("/style.json").json()["layers"]
    fill = next(layer for layer in layers if layer["id"] == "grid-fill")["paint"]["fill-color"]
    assert fill[2:-1] == [part for pair in enumerate(PALETTE) for part in pair]


SHARED = list((build.WEB / "src").glob("*.ts"))
KEY = re.compile(r'(?:text|known)\(\s*"(\w+\.\w+)"')
FOLDERS = {"public": "public", "plan": "plan", "fire": "fire", "data": "data"}


@pytest.mark.parametrize("page", FOLDERS)
def test_locale_has_every_key_that_a_page_uses(client, page):
    files = [*SHARED, *(build.WEB / "src" / FOLDERS[page]).glob("*.ts")]
    sources = {file: KEY.findall(file.read_text(encoding="utf-8")) for file in files}
    own = {key for file, keys in sources.items() if file not in SHARED for key in keys}
    assert len(own) > 10
    if page != "public":
        own |= {key for file in SHARED if file.stem in ("session", "http") for key in sources[file]}
    for lang in ("zh", "en"):
        assert own <= set(client.get(f"/locale/{lang}", params={"page": page}).json())


CODED = {
    "category": (Category,),
    "households_source": (HouseholdsSource,),
    "kind": (NodeKind, WaterKind),
    "level": (Level,),
    "material": (Material,),
    "network": (Network,),
    "oneway": (Oneway,),
    "road_class": (RoadClass,),
    "structure": (Structure,),
    "surface": (Surface,),
    "use": (Use,),
}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_data_page_has_texts_for_every_coded_value(client, lang):
    words = client.get(f"/locale/{lang}", params={"page": "data"}).json()
    values = [f"{column}.{value}" for column, kinds in CODED.items() for k in kinds for value in k]
    assert [value for value in values if value not in words] == []


def test_every_page_is_served_at_each_of_its_paths(client):
    plan, data, cases = "/plan/p/7/compare/3", "/data/runs/4", "/cases/2026113000000001"
    paths = ("/", "/plan", plan, "/fire", "/data", data, "/cases", cases, "/assess", "/field")
    for place in (*paths, "/report", "/kiosk"):
        answer = client.get(place)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert 'type="module"' in answer.text


@pytest.mark.parametrize(
    ("lang", "tag", "words"),
    [("zh", "zh-CN", "不建重点人员名单"), ("en", "en", "No lists of persons under supervision")],
)
def test_page_on_personal_information_follows_the_language(client, lang, tag, words):
    for given in ({"params": {"lang": lang}}, {"headers": {"Accept-Language": tag}}):
        page = client.get("/legal", **given).text
        assert f'<html lang="{tag}">' in page
        assert words in page
        assert ".md" not in page


def test_both_languages_have_the_same_keys_and_fields():
    # the English help is in the commands themselves
    chinese = {key: words for key, words in catalogue("zh").items() if not key.startswith("help.")}
    english = catalogue("en")
    assert set(chinese) == set(english)
    for key in chinese:
        fields = [set(re.findall(r"{(\w+)", texts[key])) for texts in (chinese, english)]
        assert fields[0] == fields[1], key


def test_unknown_language_and_path_are_problems(client):
    assert client.get("/locale/fr").status_code == 422
    lost = client.get("/nowhere")
    assert lost.status_code == 404
    assert lost.json()["title"] == "未找到"


def test_absolute_style_and_qgis_project_for_other_programs(client):
    style = client.get("/style.json", params={"absolute": True}).json()
    assert style["sources"]["city"]["tiles"][0].startswith(str(client.base_url))
    answer = client.get("/gridatlas.qgs")
    assert answer.headers["content-disposition"].endswith('"gridatlas.qgs"')
    assert str(client.base_url).rstrip("/") + "/tiles/" in answer.text
