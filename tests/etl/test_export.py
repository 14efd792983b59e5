"""Layers written as files: complete or not at all, and with the types of their columns."""

from datetime import UTC, datetime, timedelta

import geopandas as gpd
import pyogrio
import pytest
from sqlalchemy import Engine, text

from etl.export import write_layer
from geo.db.layer_frames import NAMES, read_layer
from geo.errors import InputError
from tests import town

pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture(scope="module")
def filled(shared_database: Engine) -> Engine:
    town.build(shared_database)
    return shared_database


def layer(engine: Engine, name: str, **choice: object) -> gpd.GeoDataFrame:
    with engine.connect() as connection:
        return read_layer(connection, name, **choice)


@pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
def test_written_layer_can_be_read_back(filled, tmp_path, suffix):
    frame = layer(filled, "building")
    file = tmp_path / f"buildings.{suffix}"
    write_layer(frame, "building", file)
    back = gpd.read_file(file).set_index("code").loc[frame["code"]]
    assert list(back["households"]) == list(frame["households"])
    assert back.geometry.geom_equals_exact(frame.set_index("code").geometry, 1e-6).all()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_columns_keep_their_kinds_even_when_empty(filled, tmp_path):
    frame = layer(filled, "building").head(2)
    frame["high_rise"] = [True, None]
    frame["year_built"] = [None, 1998]
    write_layer(frame, "building", tmp_path / "b.gpkg")
    info = pyogrio.read_info(tmp_path / "b.gpkg")
    kinds = dict(zip(info["fields"], info["dtypes"], strict=True))
    assert kinds["high_rise"] == "bool"
    assert kinds["year_built"] == "int64"
    assert kinds["height_m"] == "float64"
    assert kinds["structure"] == "object"
    assert kinds["valid_to"].startswith("datetime64")


def test_grids_are_placed_in_the_system_asked_for(filled, tmp_path):
    frame = layer(filled, "grid")
    write_layer(frame, "grid", tmp_path / "g.gpkg", "EPSG:4546")
    back = gpd.read_file(tmp_path / "g.gpkg")
    assert back.crs == "EPSG:4546"
    assert set(back["status"]) == {"published", "draft"}
    assert set(back["community_code"]) == set(town.COMMUNITIES)
    assert 100_000 < back.total_bounds[0] < 900_000


@pytest.mark.parametrize(
    ("file", "crs", "said"),
    [
        ("a.dwg", None, "a.dwg: the file name extension is not a supported format"),
        ("a", None, "the file name extension is not a supported format"),
        ("a.gpkg", "EPSG:1", "EPSG:1 is not a known coordinate system"),
        ("a.gpkg", "Xiangyang", "Xiangyang is not a known coordinate system"),
        ("file/a.gpkg", None, "can't be written"),
    ],
)
def test_file_that_can_not_be_written_is_reported(filled, tmp_path, file, crs, said):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=said):
        write_layer(layer(filled, "compound"), "compound", tmp_path / file, crs)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_that_is_there_stays_when_writing_fails(filled, tmp_path):
    file = tmp_path / "a.gpkg"
    file.write_text("precious")
    with pytest.raises(InputError):
        write_layer(layer(filled, "pipe_node"), "pipe_node", file)
    assert file.read_text() == "precious"
    write_layer(layer(filled, "compound"), "compound", file)
    assert len(gpd.read_file(file)) > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_is_read_whole_by_region_and_as_of_then(filled, name):
    whole = layer(filled, name)
    assert whole.crs == "EPSG:4490"
    assert set(layer(filled, name, region=town.CITY)["code"]) == set(whole["code"])
    assert layer(filled, name, as_of=datetime(2000, 1, 1, tzinfo=UTC)).empty
    later = datetime.now(UTC) + timedelta(days=1)
    if name != "grid":  # drafts were never in force
        assert set(layer(filled, name, as_of=later)["code"]) == set(whole["code"])


def test_feature_without_a_region_code_is_found_by_its_place(database):
    town.build(database)
    with database.begin() as connection:
        connection.execute(text("UPDATE building SET region_code = NULL"))
    found = layer(database, "building", region=town.NORTH_GATE)
    whole = layer(database, "building")
    west, south = town.degrees(0, 0)
    east, north = town.degrees(600, 400)
    near = whole.cx[west:east, south:north]
    assert 0 < len(found) < len(whole)
    assert set(found["code"]) == set(near["code"])


def test_grids_of_a_past_time_are_those_in_force_then(filled):
    before = layer(filled, "grid", as_of=town.DRAWN_AT - timedelta(seconds=1))
    after = layer(filled, "grid", as_of=town.DRAWN_AT + timedelta(seconds=1))
    assert before.empty
    assert set(after["status"]) == {"published"}
