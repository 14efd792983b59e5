"""Coordinates: metric zones, and the shifts of Chinese web maps there and back."""

import geocoordinates_ffi as peer
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo import crs

GEOD = pyproj.Geod(ellps="GRS80")
inside = st.tuples(st.floats(98, 119), st.floats(24, 41))


def metres(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.max(GEOD.inv(*a.T, *b.T)[2]))


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (crs.wgs84_to_gcj02, crs.gcj02_to_wgs84),
        (crs.wgs84_to_bd09, crs.bd09_to_wgs84),
    ],
)
@given(place=inside)
def test_shift_there_and_back_is_exact_inside_china(there, back, place):
    point = np.array([place])
    shifted = there(point)
    assert 1 < metres(point, shifted) < 2500
    assert metres(back(shifted), point) < 1e-4


@given(place=inside)
def test_gcj02_agrees_with_an_independent_implementation(place):
    lon, lat = place
    expected = peer.wgs84_to_gcj02(peer.Wgs84(lat=lat, lon=lon))
    ours = crs.wgs84_to_gcj02(np.array([place]))
    assert metres(ours, np.array([[expected.lon, expected.lat]])) < 1e-3
    expected = peer.wgs84_to_bd09(peer.Wgs84(lat=lat, lon=lon))
    ours = crs.wgs84_to_bd09(np.array([place]))
    assert metres(ours, np.array([[expected.lon, expected.lat]])) < 0.05


@pytest.mark.parametrize(
    "place",
    [(7.42, 43.73), (139.7, 35.7), (105.85, 21.03), (-74.0, 40.7), (135.5, 43.1)],
    ids=["Monaco", "Tokyo", "Hanoi", "New York", "Sikhote-Alin"],
)
def test_shift_is_identity_outside_china(place):
    point = np.array([place])
    for function in (crs.wgs84_to_gcj02, crs.gcj02_to_wgs84, crs.wgs84_to_bd09, crs.bd09_to_wgs84):
        assert (function(point) == point).all()


def test_shift_moves_geometries_of_any_kind():
    quarter = shapely.box(112.1, 32.0, 112.11, 32.01)
    moved = crs.shift(np.array([quarter, None]), crs.wgs84_to_gcj02)
    assert moved[1] is None
    assert moved[0].equals_exact(crs.shift(quarter, crs.wgs84_to_gcj02))
    assert crs.shift(moved[0], crs.gcj02_to_wgs84).equals_exact(quarter, 1e-11)


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [
        (112.12, 32.03, 4546),
        (116.4, 39.9, 4548),
        (75.99, 39.5, 4534),
        (7.42, 43.73, 32632),
        (-58.4, -34.6, 32721),
    ],
    ids=["Xiangyang", "Beijing", "Kashgar", "Monaco", "Buenos Aires"],
)
def test_metric_zone_by_place(lon, lat, epsg):
    assert crs.metric_crs(lon, lat).to_epsg() == epsg


def test_metric_zone_measures_metres():
    square = shapely.box(112.12, 32.03, 112.13, 32.04)
    area = crs.transform(square, crs.STORAGE, crs.metric_crs(112.12, 32.03)).area
    true = abs(GEOD.geometry_area_perimeter(square)[0])
    assert area == pytest.approx(true, rel=3e-4)
