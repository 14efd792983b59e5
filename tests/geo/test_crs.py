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
inside = st.tuples(st.floats(99.5, 119), st.floats(25, 40))


def metres(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.max(GEOD.inv(*a.T, *b.T)[2]))


SHIFTS = (crs.wgs84_to_gcj02, crs.gcj02_to_wgs84, crs.wgs84_to_bd09, crs.bd09_to_wgs84)
PAIRS = ((crs.wgs84_to_gcj02, crs.gcj02_to_wgs84), (crs.wgs84_to_bd09, crs.bd09_to_wgs84))


@pytest.mark.parametrize(("there", "back"), PAIRS)
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
    assert metres(ours, np.array([[expected.lon, expected.lat]])) < 1e-6
    expected = peer.wgs84_to_bd09(peer.Wgs84(lat=lat, lon=lon))
    ours = crs.wgs84_to_bd09(np.array([place]))
    assert metres(ours, np.array([[expected.lon, expected.lat]])) < 1e-6


@pytest.mark.parametrize(
    "place",
    [
        (7.42, 43.73),
        (139.7, 35.7),
        (105.85, 21.03),
        (-74.0, 40.7),
        (135.5, 43.1),
        (74.6, 42.87),
        (85.32, 27.72),
        (76.78, 30.73),
        (125.75, 39.02),
        (106.9, 47.9),
        (180.0, -90.0),
    ],
    ids=[
        "Monaco",
        "Tokyo",
        "Hanoi",
        "NewYork",
        "SikhoteAlin",
        "Bishkek",
        "Kathmandu",
        "Chandigarh",
        "Pyongyang",
        "Ulaanbaatar",
        "SouthPole",
    ],
)
def test_shift_is_identity_outside_china(place):
    point = np.array([place])
    for function in SHIFTS:
        assert (function(point) == point).all()


@pytest.mark.parametrize(
    "place",
    [
        (124.39, 40.13),
        (117.43, 49.59),
        (97.85, 24.01),
        (80.41, 44.21),
        (75.99, 39.47),
        (130.36, 46.8),
        (109.51, 18.25),
        (114.17, 22.3),
        (113.54, 22.2),
        (91.13, 29.65),
    ],
    ids=[
        "Dandong",
        "Manzhouli",
        "Ruili",
        "Khorgos",
        "Kashgar",
        "Jiamusi",
        "Sanya",
        "HongKong",
        "Macau",
        "Lhasa",
    ],
)
def test_shift_reaches_the_border_towns(place):
    point = np.array([place])
    assert metres(crs.wgs84_to_gcj02(point), point) > 50
    for there, back in PAIRS:
        assert metres(back(there(point)), point) < 1e-4


@given(place=st.tuples(st.floats(-180, 180), st.floats(-90, 90)))
def test_shift_goes_no_further_than_it_can(place):
    point = np.array([place])
    for function in SHIFTS:
        assert np.abs(function(point) - point).max() < 0.03


def test_shift_leaves_missing_coordinates_missing():
    points = np.array([[np.nan, np.nan], [112.12, 32.03], [np.inf, 0.0]])
    for function in SHIFTS:
        moved = function(points)
        assert np.isnan(moved[0]).all()
        assert (moved[1] != points[1]).all()
        assert (moved[2] == points[2]).all()


def test_a_million_points_go_back_within_a_tenth_of_a_metre():
    generator = np.random.default_rng(7)
    points = generator.uniform((73, 15), (135, 54), (1_000_000, 2))
    points = points[crs.is_shifted(points)]
    for there, back in PAIRS:
        shifted = there(points)
        error = np.asarray(GEOD.inv(*back(shifted).T, *points.T)[2])
        assert error.max() < 1e-4


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
