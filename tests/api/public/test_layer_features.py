"""The layers with every attribute, and what a feature was before."""

import pytest

from etl.pipeline.run import Request, import_file
from geo.model import LAYERS
from geo.settings import Settings
from tests.etl.delivery import houses, mapping, write

CODES = [f"h{i:03d}" for i in range(40)]


@pytest.fixture(scope="module")
def importer(signed_in):
    return signed_in("importer")


@pytest.fixture(scope="module")
def changed(town, tmp_path_factory):
    """Bring forty houses; then h002 has other households, h003 lies elsewhere, h004 is gone."""
    folder = tmp_path_factory.mktemp("browse")
    data = houses(40, code=CODES)
    later = data.copy()
    later.loc[2, "households"] = 99
    later.loc[3, "geometry"] = later.loc[3, "geometry"].buffer(1e-5, join_style="mitre")
    for number, frame in enumerate((data, later[later["code"] != "h004"])):
        file = write(frame, folder / f"{number}.gpkg")
        run = import_file(town, Request("building", file, mapping(source="browse")), Settings())
        assert run.status == "published"


def versions(importer, code):
    return importer.get(f"/layers/building/features/{code}/history").json()["items"]


def test_only_importers_and_administrators_may_read(client, signed_in):
    for path in ("/layers", "/layers/building/features", "/layers/building/features/x/history"):
        assert client.get(path).status_code == 401
        assert signed_in("planner").get(path).status_code == 403


def test_layers_are_listed_with_their_columns(importer, changed):
    listed = {one["layer"]: one for one in importer.get("/layers").json()["items"]}
    assert set(listed) == set(LAYERS)
    assert listed["building"]["features"] >= 39
    assert listed["building"]["columns"]["households"] in ("integer", "smallint")
    assert "geom" not in listed["building"]["columns"]


def test_features_are_filtered_by_text_and_box(importer, changed):
    found = importer.get("/layers/building/features", params={"q": "h00"}).json()
    assert found["numberMatched"] == 9
    first = found["features"][0]
    assert first["id"] == "h000"
    assert first["properties"]["name"] == "0号楼"
    assert first["geometry"]["coordinates"]
    box = ",".join(str(side) for side in first["bbox"])
    here = importer.get("/layers/building/features", params={"bbox": box, "q": "h0"}).json()
    assert {one["id"] for one in here["features"]} == {"h000"}
    assert importer.get("/layers/building/features", params={"q": "100%"}).json()["features"] == []
    assert importer.get("/layers/grid_manager/features").status_code == 404


def test_history_lists_versions_with_changed_columns(importer, changed):
    now, before = versions(importer, "h002")
    assert (now["changed"], before["changed"]) == (["households"], [])
    assert (now["properties"]["households"], before["properties"]["households"]) == (99, 22)
    assert now["valid_to"] is None
    assert now["valid_from"] == before["valid_to"]
    moved, _ = versions(importer, "h003")
    assert moved["changed"] == ["geom"]
    assert len(versions(importer, "h001")) == 1


def test_deleted_feature_has_history_and_unknown_one_is_404(importer, changed):
    [last] = versions(importer, "h004")
    assert last["valid_to"] is not None
    assert last["geometry"]["coordinates"]
    assert importer.get("/layers/building/features/nobody/history").status_code == 404
