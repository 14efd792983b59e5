from itertools import combinations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from maps.colours import PALETTE, PREFERRED_COLOURS, colour_areas, touching_pairs

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(palette):
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in palette])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    x, y, z = np.cbrt(np.clip(rgb @ np.transpose(to_xyz), 1e-4, None) / [0.95047, 1, 1.08883]).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_with_every_colour_vision(vision):
    seen = lab(np.clip(linear(PALETTE) @ np.transpose(VISION[vision]), 0, 1))
    apart = {(i, j): np.linalg.norm(seen[i] - seen[j]) for i, j in combinations(range(8), 2)}
    assert min(apart.values()) > 10
    assert min(d for (i, j), d in apart.items() if max(i, j) < PREFERRED_COLOURS) > 17


def test_dark_text_has_contrast_on_every_colour():
    luminance = linear([*PALETTE, "#26323d"]) @ [0.2126, 0.7152, 0.0722]
    contrast = (luminance[:-1] + 0.05) / (luminance[-1] + 0.05)
    assert contrast.min() > 4.5  # WCAG AA


def voronoi(points):
    return shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(points)))


@given(st.integers(0, 2**32 - 1), st.integers(3, 150))
def test_neighbours_of_any_planar_map_differ(seed, count):
    cells = voronoi(np.random.default_rng(seed).random((count, 2)))
    edges = touching_pairs(cells, 1e-9)
    colours = colour_areas(len(cells), edges)
    assert (colours[edges[0]] != colours[edges[1]]).all()
    assert colours.max() < len(PALETTE)


def test_squares_meeting_at_corners_differ_too():
    squares = shapely.box(*np.array([(x, y, x + 1, y + 1) for x in range(9) for y in range(9)]).T)
    edges = touching_pairs(squares, 1e-9)
    colours = colour_areas(81, edges)
    assert (colours[edges[0]] != colours[edges[1]]).all()
    assert len(edges[0]) == 2 * 9 * 8 + 2 * 8 * 8


def test_areas_within_the_gap_are_neighbours():
    two = shapely.box([0, 1.0001], 0, [1, 2], 1)
    assert len(touching_pairs(two, 0.001)[0]) == 1
    assert len(touching_pairs(two, 0.00001)[0]) == 0


def test_colouring_is_deterministic_and_balanced():
    cells = voronoi(np.random.default_rng(7).random((600, 2)))
    edges = touching_pairs(cells, 1e-9)
    first, second = colour_areas(len(cells), edges), colour_areas(len(cells), edges)
    assert (first == second).all()
    used = np.bincount(first, minlength=PREFERRED_COLOURS)[:PREFERRED_COLOURS]
    assert used.min() > 0.5 * used.max()


def test_empty_and_missing_areas_have_colours():
    none = np.array([], dtype=object)
    assert len(colour_areas(0, touching_pairs(none, 1))) == 0
    odd = np.array([shapely.box(0, 0, 1, 1), None, shapely.Polygon()], dtype=object)
    assert sorted(colour_areas(3, touching_pairs(odd, 1))) == [0, 1, 2]


def test_more_neighbours_than_colours_is_accepted():
    left, right = np.array(list(combinations(range(12), 2))).T
    assert colour_areas(12, (left, right)).max() < len(PALETTE)
