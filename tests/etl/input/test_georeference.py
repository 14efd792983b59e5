"""Where deliveries lie: far features, zones, datums and systems that mean "undefined"."""

import re
import sqlite3

import numpy as np
import pyproj
import pytest
import shapely
from sqlalchemy import text

from etl.input.mapping import read_mapping
from geo.errors import InputError
from tests.etl.delivery import (
    ANYTHING,
    box,
    bring,
    divisions,
    frame,
    geojson,
    houses,
    made,
    mapping,
    point,
    rows,
    write,
)

pytestmark = pytest.mark.usefixtures("english")

HELMERT = "+proj=helmert +x=-10 +y=20 +z=5 +rx=0.3 +ry=-0.2 +rz=0.5 +s=1.5 "
HELMERT += "+convention=position_vector"


@pytest.fixture(scope="module")
def divided_city(shared_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("city")
    divisions(shared_database, folder, ("420602001001", box(0, 0, 1200, 1200)))
    return shared_database


@pytest.fixture
def city(divided_city):
    with divided_city.begin() as connection:
        for table in ("building", "facility", "road", "pipe_node", "quarantine"):
            connection.execute(text(f"DELETE FROM {table}"))
    return divided_city


def refusal(database, file, how=None):
    with pytest.raises(InputError) as error:
        bring(database, "building", file, how)
    return str(error.value)


def advised_mapping(message, tmp_path):
    """Return the mapping that a message advises, literally."""
    settings = re.findall(r'\b(?:crs|unit) = "[\w:]+"|\b(?:override|swap_axes) = \w+', message)
    settings += [
        f'crs = "{code}"' for code in re.findall(r"if that is right, give --crs (\S+)\.", message)
    ]
    lines = ['layer = "building"', "[coordinates]", *dict.fromkeys(settings)]
    return read_mapping(made(tmp_path / "advised.toml", "\n".join(lines).encode()))


FAR = {
    "zero": (0, 0),
    "other city": (121.4737, 31.2304),
    "minus longitude": (-112.142, 32.04),
    "south": (112.142, -32.04),
    "degree off": (113.142, 32.04),
    "radians": (1.957, 0.559),
    "x twice": (32.04, 32.04),
    "whole degrees": (112, 32),
}


@pytest.mark.parametrize("layer", ["facility", "building", "road", "hydrant"])
def test_each_far_feature_goes_to_quarantine(city, tmp_path, layer):
    near = [(point(20.0 * i, 5).x, point(20.0 * i, 5).y) for i in range(12)]
    places = [*near, *FAR.values()]
    around = {
        "facility": shapely.Point,
        "hydrant": shapely.Point,
        "building": lambda x, y: shapely.box(x, y, x + 1e-4, y + 1e-4),
        "road": lambda x, y: shapely.LineString([(x, y), (x + 1e-3, y)]),
    }[layer]
    names = [f"near{i}" for i in range(12)] + list(FAR)
    features = [
        ({"code": n, "road_class": "arterial", "category": "school"}, around(*place))
        for n, place in zip(names, places, strict=True)
    ]
    how = mapping(layer, guard=ANYTHING)
    bring(city, layer, geojson(tmp_path / "a.geojson", *features), how)
    table = {"hydrant": "pipe_node"}.get(layer, layer)
    assert rows(city, f"SELECT count(*) FROM {table}") == [(12,)]
    assert dict(rows(city, "SELECT code, reason FROM quarantine")) == dict.fromkeys(
        FAR, "far_from_city"
    )


def test_a_point_whose_decimals_are_minutes_goes_to_quarantine(city, tmp_path):
    places = [shapely.Point(112.100013 + 1e-4 * i, 32.020017) for i in range(3)]
    places += [point(20.0 * i, 5) for i in range(6)] + [shapely.Point(112.09, 32.0233)]
    features = [({"code": f"f{i}", "category": "school"}, at) for i, at in enumerate(places)]
    bring(
        city,
        "facility",
        geojson(tmp_path / "a.geojson", *features),
        mapping("facility", guard=ANYTHING),
    )
    assert rows(city, "SELECT code, reason FROM quarantine") == [("f9", "far_from_city")]


def test_a_road_may_lead_out_of_the_city_but_not_in_one_leap(city, tmp_path):
    way = [(112.14 + 0.1 * i, 32.04) for i in range(12)]
    file = geojson(
        tmp_path / "a.geojson",
        *[
            (
                {"code": f"r{i}", "road_class": "arterial"},
                shapely.LineString([way[0], (112.141, 32.041 + i * 1e-4)]),
            )
            for i in range(9)
        ],
        ({"code": "long", "road_class": "arterial"}, shapely.LineString(way)),
        ({"code": "leap", "road_class": "arterial"}, shapely.LineString([way[0], (0, 0), way[1]])),
    )
    bring(city, "road", file, mapping("road", guard=ANYTHING))
    assert rows(city, "SELECT code FROM road WHERE code = 'long'") == [("long",)]
    assert rows(city, "SELECT code FROM quarantine") == [("leap",)]


def test_far_features_of_a_first_city_file_go_to_quarantine(database, tmp_path):
    divided = frame(
        [box(0, 0, 1200, 1200)] * 4,
        code=["420600000000", "420602000000", "420602001000", "420602001001"],
        name=["市", "区", "街道", "社区"],
    )
    file = write(divided, tmp_path / "a.gpkg", layer="region")
    buildings = houses(8, region_code=["420602001001"] * 8)
    buildings.loc[3, "geometry"] = shapely.box(0, 0, 1e-4, 1e-4)
    write(buildings, file, layer="building", append=True)
    bring(database, "city", file, mapping("city", guard=ANYTHING))
    assert rows(database, "SELECT count(*) FROM building") == [(7,)]
    assert rows(database, "SELECT code, reason FROM quarantine") == [("b003", "far_from_city")]


@pytest.mark.parametrize("stated", [None, "EPSG:4546", "EPSG:4525", "EPSG:4490", "EPSG:4547"])
@pytest.mark.parametrize(
    "system",
    [
        "EPSG:4525",
        "EPSG:4546",
        "EPSG:4547",
        "EPSG:4526",
        "EPSG:4497",
        "EPSG:4498",
        "EPSG:4490",
        "EPSG:3857",
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_an_import_succeeds_when_its_advice_is_followed(city, tmp_path, system, stated, swapped):
    shapes = houses(6).to_crs(system).geometry.to_numpy()
    if swapped:
        shapes = shapely.transform(shapes, lambda xy: xy[:, ::-1])
    data = frame(list(shapes), crs=stated or system, code=[f"b{i}" for i in range(6)])
    file = write(data, tmp_path / "a.shp")
    if stated is None:
        file.with_suffix(".prj").unlink()
    if system == stated and not swapped:
        bring(city, "building", file)
    else:
        how = advised_mapping(refusal(city, file), tmp_path)
        bring(city, "building", file, how)
    delivered = np.array(
        rows(
            city,
            "SELECT ST_X(ST_Centroid(geom)), ST_Y(ST_Centroid(geom)) FROM building ORDER BY code",
        )
    )
    meant = shapely.get_coordinates(shapely.centroid(houses(6).geometry.to_numpy()))
    assert np.abs(delivered - meant).max() < 1e-7  # a centimetre


@pytest.mark.parametrize("unit", ["mm", "cm"])
def test_the_unit_is_advised(city, tmp_path, unit):
    metres = houses(6).to_crs("EPSG:4546").geometry.to_numpy()
    factor = {"mm": 1000, "cm": 100}[unit]
    data = frame(
        list(shapely.transform(metres, lambda xy: xy * factor)),
        crs="EPSG:4546",
        code=list("abcdef"),
    )
    file = write(data, tmp_path / "a.gpkg")
    bring(city, "building", file, advised_mapping(refusal(city, file), tmp_path))
    assert rows(city, "SELECT count(*) FROM building") == [(6,)]


def test_degrees_in_a_system_of_metres_are_advised_without_a_city(database, tmp_path):
    file = write(houses(6).set_crs("EPSG:4546", allow_override=True), tmp_path / "a.gpkg")
    bring(database, "building", file, advised_mapping(refusal(database, file), tmp_path))
    assert rows(database, "SELECT count(*) FROM building") == [(6,)]


@pytest.mark.parametrize(
    "system", ["EPSG:2382", "EPSG:2361", "EPSG:4610", "EPSG:2434", "EPSG:4214"]
)
def test_a_datum_without_a_published_transformation_is_held(city, tmp_path, system):
    file = write(houses(6).to_crs("EPSG:4490").to_crs(system), tmp_path / "a.gpkg")
    outcome = bring(city, "building", file)
    assert outcome.status == "held"
    assert [concern["key"] for concern in outcome.report["concerns"]] == ["datum_unknown"]
    assert rows(city, "SELECT count(*) FROM building") == [(0,)]


@pytest.mark.parametrize("system", ["EPSG:4610", "EPSG:2434", "EPSG:4214"])
def test_a_first_delivery_takes_no_transformation_of_another_place(database, tmp_path, system):
    file = write(houses(6).to_crs("EPSG:4490").to_crs(system), tmp_path / "a.gpkg")
    outcome = bring(database, "building", file)
    assert [concern["key"] for concern in outcome.report["concerns"]] == ["datum_unknown"]


@pytest.mark.parametrize(
    "system", ["EPSG:4326", "EPSG:32649", "EPSG:3857", "EPSG:4258", "EPSG:4546"]
)
def test_a_datum_that_agrees_is_published(city, tmp_path, system):
    outcome = bring(city, "building", write(houses(6).to_crs(system), tmp_path / "a.gpkg"))
    assert outcome.status == "published"


def by_seven_parameters(system):
    """Return houses in a system of Xian 1980 from which the seven parameters lead to CGCS2000."""
    pipeline = pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        "+step +proj=cart +ellps=GRS80 +step +inv " + HELMERT + " "
        "+step +inv +proj=cart +a=6378140 +rf=298.257 "
        "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    project = pyproj.Transformer.from_crs("EPSG:4610", system, always_xy=True)
    data = houses(6)
    moved = shapely.transform(
        data.geometry.to_numpy(),
        lambda xy: np.column_stack(project.transform(*pipeline.transform(*xy.T))),
    )
    return data.set_geometry(list(moved)).set_crs(system, allow_override=True)


@pytest.mark.parametrize("system", ["EPSG:2382", "EPSG:2361", "EPSG:4610"])
def test_seven_parameters_lead_to_the_right_place(city, tmp_path, system):
    file = write(by_seven_parameters(system), tmp_path / "a.gpkg")
    outcome = bring(city, "building", file, mapping(coordinates={"transformation": HELMERT}))
    assert outcome.status == "published"
    delivered = np.array(
        rows(
            city,
            "SELECT ST_X(ST_Centroid(geom)), ST_Y(ST_Centroid(geom)) FROM building ORDER BY code",
        )
    )
    meant = shapely.get_coordinates(shapely.centroid(houses(6).geometry.to_numpy()))
    assert np.abs(delivered - meant).max() < 1e-7


def test_a_wrong_transformation_is_refused_in_one_line(city, tmp_path):
    file = write(by_seven_parameters("EPSG:2382"), tmp_path / "a.gpkg")
    wrong = mapping(coordinates={"transformation": "+proj=helmert +x=1 +rx=2"})
    assert "can't be used" in refusal(city, file, wrong)
    to_nowhere = mapping(coordinates={"transformation": "+proj=helmert +x=1e308"})
    assert "does not lie in the city" in refusal(city, file, to_nowhere)
    toml = 'layer = "building"\n[coordinates]\ntransformation = "no.gsb"\n'
    missing = read_mapping(made(tmp_path / "m.toml", toml.encode()))
    assert str(tmp_path / "no.gsb") in refusal(city, file, missing)


UNDEFINED = {
    "local": 'LOCAL_CS["Nonearth (meter)",LOCAL_DATUM["Local Datum",0],UNIT["Meter",1.0],'
    'AXIS["X",EAST],AXIS["Y",NORTH]]',
    "unknown projection": 'PROJCS["Unknown",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",'
    'SPHEROID["WGS_1984",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["Degree",0.017453292519943295]],PROJECTION["Unknown Projection"],UNIT["Meter",1]]',
    "unknown datum": 'GEOGCS["GCS_Unknown",DATUM["D_Unknown",SPHEROID["Clarke_1866",6378206.4,'
    '294.978698213898]],PRIMEM["Greenwich",0],UNIT["Degree",0.017453292519943295]]',
    "no text": "",
    "no definition": "unknown",
}


@pytest.mark.parametrize("definition", UNDEFINED.values(), ids=list(UNDEFINED))
def test_an_undefined_system_of_a_shapefile_is_no_contradiction(city, tmp_path, definition):
    file = write(houses(6).to_crs("EPSG:4546"), tmp_path / "a.shp")
    file.with_suffix(".prj").write_text(definition)
    bring(city, "building", file, advised_mapping(refusal(city, file), tmp_path))
    assert rows(city, "SELECT count(*) FROM building") == [(6,)]


@pytest.mark.parametrize("srs_id", [-1, 0])
def test_an_undefined_system_of_a_geopackage_is_no_contradiction(city, tmp_path, srs_id):
    file = write(houses(6).to_crs("EPSG:4546"), tmp_path / "a.gpkg")
    with sqlite3.connect(file) as connection:
        for table in ("gpkg_contents", "gpkg_geometry_columns"):
            connection.execute(f"UPDATE {table} SET srs_id = {srs_id}")
    bring(city, "building", file, advised_mapping(refusal(city, file), tmp_path))
    assert rows(city, "SELECT count(*) FROM building") == [(6,)]


@pytest.mark.parametrize("driver", ["GeoJSON", "KML"])
def test_cgcs2000_is_no_contradiction_to_the_wgs_84_that_a_format_implies(city, tmp_path, driver):
    file = tmp_path / f"a.{driver.lower()}"
    write(houses(6).to_crs("EPSG:4326"), file, driver=driver)
    report = bring(city, "building", file, mapping(coordinates={"crs": "EPSG:4490"})).report
    assert rows(city, "SELECT count(*) FROM building") == [(6,)]
    agreed = {"crs": "China Geodetic Coordinate System 2000", "declared": "WGS 84"}
    assert report["reading"]["building"]["crs_agrees"] == agreed


@pytest.mark.parametrize("crs", ["EPSG:4610", "EPSG:4214", "EPSG:4546", "EPSG:3857"])
def test_other_datums_and_projections_contradict_wgs_84(city, tmp_path, crs):
    file = write(houses(6).to_crs("EPSG:4326"), tmp_path / "a.geojson")
    assert "--override-crs" in refusal(city, file, mapping(coordinates={"crs": crs}))
