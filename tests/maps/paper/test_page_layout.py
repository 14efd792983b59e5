"""How communities are laid on paper."""

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from maps.paper.page_layout import CLEARANCE_MM, PAPERS, SCALES, choose_layout


def land(wide, high, west=500_000.0, south=3_540_000.0):
    return shapely.box(west, south, west + wide, south + high)


SIDES = st.floats(60, 6000)
FORMATS = st.sampled_from(["A4", "A3", "8K"])


@given(SIDES, SIDES, FORMATS)
def test_sheets_cover_the_community(wide, high, name):
    ground = land(wide, high)
    layout = choose_layout(ground, PAPERS[name])
    sheets = shapely.union_all([shapely.box(*layout.box(tile)) for tile in layout.tiles])
    assert shapely.covers(shapely.buffer(sheets, 1e-6), ground)
    assert layout.scale in SCALES
    assert len({tile.label for tile in layout.tiles}) == len(layout.tiles)


@given(SIDES, SIDES, FORMATS)
def test_single_sheet_has_the_most_detailed_scale_that_fits(wide, high, name):
    layout = choose_layout(land(wide, high), PAPERS[name])
    if len(layout.tiles) > 1:
        return
    for finer in (scale for scale in SCALES if scale < layout.scale):
        assert len(choose_layout(land(wide, high), PAPERS[name], finer).tiles) > 1


@pytest.mark.parametrize(("name", "size"), [("A4", (210, 297)), ("A3", (297, 420))])
def test_formats_have_their_standard_sizes(name, size):
    assert (PAPERS[name].width_mm, PAPERS[name].height_mm) == size


def test_adjacent_sheets_overlap():
    layout = choose_layout(land(900, 300), PAPERS["A4"], 500)
    first, second = layout.tiles[:2]
    assert (first.label, second.label) == ("A1", "A2")
    overlap = layout.box(first)[2] - layout.box(second)[0]
    assert overlap == pytest.approx(2 * CLEARANCE_MM * 0.5)


def test_wide_community_is_printed_in_landscape():
    assert choose_layout(land(600, 200), PAPERS["A3"]).landscape
    assert not choose_layout(land(200, 600), PAPERS["A3"]).landscape


def test_sheets_without_land_are_left_out():
    corner = shapely.union_all([land(1200, 100), land(100, 1200)])
    layout = choose_layout(corner, PAPERS["A4"], 500)
    assert len(layout.tiles) < len(choose_layout(land(1200, 1200), PAPERS["A4"], 500).tiles)
