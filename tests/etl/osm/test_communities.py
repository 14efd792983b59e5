"""Communities around places: whole blocks, each in one piece, no building cut."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from etl.osm.block_labels import reattach_pieces
from etl.osm.built_up_area import (
    build_extent,
    build_sea,
    clip_to_borders,
    cut_polygons,
    fit_to_buildings,
)
from etl.osm.communities import assign_communities, build_communities, move_borders_around_buildings
from geo.partition.cells.barriers import Barriers, Kind

METRIC = 32632
NO_PATHS = np.empty(0, dtype=object)


def streets(*lines: list[tuple[float, float]], kind: Kind = Kind.STREET) -> Barriers:
    drawn = np.asarray([shapely.LineString(line) for line in lines], dtype=object)
    return Barriers(drawn, np.full(len(drawn), kind, dtype=np.int8), np.empty(0, dtype=object))


def raster(size: float, step: float) -> Barriers:
    at = np.arange(step, size, step)
    lines = [[(x, -9), (x, size + 9)] for x in at] + [[(-9, y), (size + 9, y)] for y in at]
    return streets(*lines)


def places(**at: tuple[float, float]) -> gpd.GeoDataFrame:
    points = [shapely.Point(place) for place in at.values()]
    return gpd.GeoDataFrame({"name": list(at), "geom": points}, geometry="geom", crs=METRIC)


def buildings(*boxes: tuple[float, float, float, float], households: int = 400) -> gpd.GeoDataFrame:
    frame = {"households": households, "geom": [shapely.box(*box) for box in boxes]}
    return gpd.GeoDataFrame(frame, geometry="geom", crs=METRIC)


def houses(size: float, step: float) -> gpd.GeoDataFrame:
    corners = [(x, y) for x in np.arange(0, size, step) for y in np.arange(0, size, step)]
    return buildings(*[(x + 20, y + 20, x + 60, y + 60) for x, y in corners], households=100)


def land_of(frame: gpd.GeoDataFrame) -> dict[str, shapely.Geometry]:
    return dict(zip(frame["name"], frame.geometry, strict=True))


@settings(max_examples=25)
@given(
    spots=st.lists(
        st.tuples(st.floats(1, 799), st.floats(1, 799)), min_size=1, max_size=6, unique=True
    )
)
def test_communities_tile_the_extent_in_whole_blocks_each_in_one_piece(spots):
    extent = shapely.box(0, 0, 800, 800)
    named = {f"p{i}": spot for i, spot in enumerate(spots)}
    made = build_communities(places(**named), raster(800, 100), extent, houses(800, 100), NO_PATHS)
    land = made.communities.geometry.to_numpy()
    assert shapely.coverage_is_valid(land)
    assert shapely.area(land).sum() == pytest.approx(extent.area)
    assert (shapely.get_num_geometries(land) == 1).all()
    hectares = shapely.area(land) / 10_000  # each block is one
    assert np.allclose(hectares, np.round(hectares), atol=1e-4)
    assert made.blocks == 64
    assert len(land) + len(made.merged) == len(spots)


def test_block_goes_to_the_place_on_its_side_of_the_railway():
    track = streets([(500, -9), (500, 109)], kind=Kind.RAILWAY)
    lanes = streets(*[[(x, -9), (x, 109)] for x in (100, 200, 300, 400, 600, 700)])
    both = Barriers(
        np.append(track.lines, lanes.lines), np.append(track.kinds, lanes.kinds), track.water
    )
    extent = shapely.box(0, 0, 800, 100)
    homes = buildings(*[(x + 10, 10, x + 90, 90) for x in range(0, 800, 100)])
    spots = places(far=(150, 50), near=(550, 50))
    made = build_communities(spots, both, extent, homes, NO_PATHS)
    assert land_of(made.communities)["far"].bounds == pytest.approx((0, 0, 500, 100))


def test_border_runs_around_a_building_over_the_street():
    halves = np.asarray([shapely.box(0, 0, 100, 100), shapely.box(100, 0, 200, 100)])
    bridge = np.asarray([shapely.box(70, 40, 110, 60), shapely.box(10, 10, 20, 20)])
    land, moved, left = move_borders_around_buildings(halves, bridge)
    assert (moved, left) == (1, 0)
    assert shapely.coverage_is_valid(land)
    assert land[0].contains(bridge[0])
    assert shapely.area(land) == pytest.approx([10_200, 9_800])


def test_border_around_a_building_that_parts_a_community_hands_over_the_rest():
    """The building spans the whole width of the right half: what lies beyond it changes sides."""
    land = np.asarray([shapely.box(0, 0, 100, 100), shapely.box(100, 0, 120, 100)])
    wall = np.asarray([shapely.box(40, 80, 120, 90)])
    moved, _, left = move_borders_around_buildings(land, wall)
    assert left == 0
    assert (shapely.get_num_geometries(moved) == 1).all()
    assert shapely.area(moved) == pytest.approx([10_400, 1_600])


@settings(max_examples=40)
@given(
    boxes=st.lists(
        st.tuples(st.floats(0, 280), st.floats(0, 180), st.floats(5, 60), st.floats(5, 60)),
        max_size=12,
    )
)
def test_borders_move_around_any_buildings_and_stay_a_coverage(boxes):
    land = np.asarray([shapely.box(x, 0, x + 100, 200) for x in (0, 100, 200)])
    whole = shapely.box(0, 0, 300, 200)
    feet = [shapely.box(x, y, x + w, y + h).intersection(whole) for x, y, w, h in boxes]
    moved, count, left = move_borders_around_buildings(land, np.asarray(feet, dtype=object))
    assert shapely.coverage_is_valid(moved)
    assert shapely.area(moved).sum() == pytest.approx(whole.area)
    assert (shapely.get_num_geometries(moved) == 1).all()
    assert left <= count


@given(data=st.data())
def test_reattached_labels_are_in_one_piece_with_their_home(data):
    size = 5
    number = np.arange(size * size).reshape(size, size)
    across = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    down = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    pairs = np.concatenate([across, down])
    home = np.array(data.draw(st.lists(st.integers(0, 24), min_size=2, max_size=4, unique=True)))
    drawn = st.lists(st.integers(0, len(home) - 1), min_size=25, max_size=25)
    label = np.array(data.draw(drawn))
    label[home] = np.arange(len(home))
    found = reattach_pieces(pairs, np.ones(len(pairs)), label, home)
    assert (found[home] == np.arange(len(home))).all()
    same = found[pairs[:, 0]] == found[pairs[:, 1]]
    graph = coo_array((np.ones(same.sum()), pairs[same].T), shape=(25, 25))
    assert connected_components(graph, directed=False)[0] == len(home)


def test_place_without_households_is_told_and_joined_to_a_neighbour():
    homes = houses(400, 100)
    homes.loc[homes.geometry.centroid.x > 200, "households"] = 5
    spots = places(west=(50, 50), east=(350, 350))
    made = build_communities(spots, raster(400, 100), shapely.box(0, 0, 400, 400), homes, NO_PATHS)
    assert made.communities["name"].tolist() == ["west"]
    assert made.merged == ["east"]
    assert made.communities.geometry[0].area == pytest.approx(160_000)


@pytest.mark.parametrize(("gap", "names"), [(100, ["west"]), (900, ["west", "east"])])
def test_small_place_that_adjoins_none_is_joined_to_one_nearby(gap, names):
    away = 400 + gap
    islet = shapely.box(away, 0, away + 100, 100)
    few = buildings((away + 20, 20, away + 60, 60), households=5)
    homes = gpd.GeoDataFrame(pd.concat([houses(400, 100), few], ignore_index=True))
    land = shapely.MultiPolygon([shapely.box(0, 0, 400, 400), islet])
    spots = places(west=(50, 50), east=(away + 50, 50))
    made = build_communities(spots, raster(400, 100), land, homes, NO_PATHS)
    assert made.communities["name"].tolist() == names
    assert made.communities.geometry.area.sum() == pytest.approx(170_000)
    assert made.merged == ([] if len(names) == 2 else ["east"])


def test_extent_without_places_is_one_community():
    made = build_communities(
        places(), raster(400, 100), shapely.box(0, 0, 400, 400), houses(400, 100), NO_PATHS
    )
    assert made.communities.geometry.area.tolist() == [pytest.approx(160_000)]
    assert (made.places, made.blocks) == (0, 16)


def test_community_of_a_building_is_where_most_of_it_lies():
    land = gpd.GeoDataFrame(
        {"code": ["A", "B"]}, geometry=[shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)]
    )
    feet = gpd.GeoSeries(
        [
            shapely.box(7, 1, 11, 2),
            shapely.box(9, 1, 13, 2),
            shapely.box(18, 1, 21, 2),
            shapely.box(19, 1, 24, 2),
            shapely.box(20, 1, 24, 2),
            shapely.Point(15, 5),
            shapely.Point(50, 5),
        ]
    )
    assert assign_communities(feet, land).tolist() == ["A", "B", "B", None, None, "B", None]


def test_extent_holds_buildings_and_leaves_out_the_sea():
    homes = houses(400, 100).geometry
    sea = shapely.box(300, -100, 900, 900)
    street = gpd.GeoSeries([shapely.LineString([(0, 0), (9, 9)])])
    extent = build_extent(homes, street, sea, homes.to_numpy())
    assert extent.geom_type == "Polygon"
    assert not extent.interiors
    assert extent.intersection(sea).area < 1
    assert extent.contains(homes.iloc[0])


def test_lone_house_belongs_to_the_extent_if_somebody_lives_there():
    homes = gpd.GeoSeries(
        [shapely.box(0, 0, 300, 300), *(shapely.box(x, 0, x + 9, 9) for x in (1000, 2000))]
    )
    extent = build_extent(homes, gpd.GeoSeries([]), shapely.Polygon(), homes.to_numpy()[:2])
    assert [extent.intersects(home) for home in homes] == [True, True, False]


def lines(*coordinates):
    return np.asarray([shapely.LineString(line) for line in coordinates], dtype=object)


def test_land_without_a_place_stays_unless_a_border_parts_it_from_one():
    village, beyond = shapely.box(-90, 0, -30, 50), shapely.box(200, 0, 260, 50)
    town = shapely.box(0, 0, 100, 50)
    whole = shapely.union_all([town, village, beyond])
    place = np.asarray([shapely.Point(10, 10)], dtype=object)
    through_town = lines([(60, -5), (60, 55)])
    assert clip_to_borders(whole, through_town, place).equals(
        shapely.union_all([shapely.box(0, 0, 60, 50), village])
    )


def test_border_that_is_whole_keeps_all_within_and_nothing_beyond():
    inside, beyond = shapely.box(50, 0, 90, 50), shapely.box(200, 0, 260, 50)
    town = shapely.box(0, 0, 40, 50)
    place = np.asarray([shapely.Point(10, 10)], dtype=object)
    ring = lines([(-9, -9), (150, -9), (150, 99), (-9, 99), (-9, -9)])
    kept = clip_to_borders(shapely.union_all([town, inside, beyond]), ring, place)
    assert kept.equals(shapely.union_all([town, inside]))


def test_extent_stops_at_the_border_of_the_place():
    extent = shapely.box(0, 0, 100, 50)
    frontier = np.asarray([shapely.LineString([(60, -5), (60, 55)])], dtype=object)
    place = np.asarray([shapely.Point(10, 10)], dtype=object)
    assert clip_to_borders(extent, frontier, place).bounds == (0, 0, 60, 50)
    beyond = np.asarray([shapely.Point(500, 500)], dtype=object)
    assert clip_to_borders(extent, frontier, beyond).equals(extent)
    broken_off = np.asarray([shapely.LineString([(60, -5), (60, 25)])], dtype=object)
    assert clip_to_borders(extent, broken_off, place).equals(extent)


def test_extent_takes_in_a_building_or_leaves_it_out_whole():
    mostly_in, mostly_out = shapely.box(90, 10, 105, 20), shapely.box(98, 30, 110, 40)
    feet = np.asarray([mostly_in, mostly_out, shapely.box(10, 10, 20, 20)])
    extent = fit_to_buildings(shapely.box(0, 0, 100, 50), feet)
    assert extent.contains(mostly_in)
    assert extent.intersection(mostly_out).area == 0


@given(ends=st.lists(st.tuples(st.floats(-50, 150), st.floats(-50, 150)), min_size=4, max_size=16))
def test_cut_pieces_are_a_coverage_of_the_whole(ends):
    pairs = [pair for pair in zip(ends[::2], ends[1::2], strict=False) if pair[0] != pair[1]]
    lines = np.asarray([shapely.LineString(pair) for pair in pairs], dtype=object)
    square = np.asarray([shapely.box(0, 0, 100, 100)], dtype=object)
    pieces = cut_polygons(square, lines)
    assert shapely.coverage_is_valid(pieces)
    assert shapely.area(pieces).sum() == pytest.approx(10_000)


def test_sea_is_right_of_the_coastline():
    around = shapely.box(0, 0, 100, 100)
    northward = np.asarray([shapely.LineString([(40, 5), (40, 60), (45, 95)])], dtype=object)
    east = build_sea(northward, around)
    assert east.contains(shapely.Point(80, 50))
    assert not east.contains(shapely.Point(20, 50))
    west = build_sea(shapely.reverse(northward), around)
    assert west.area + east.area == pytest.approx(10_000)
    island = shapely.LineString([(40, 40), (60, 40), (60, 60), (40, 60), (40, 40)])
    assert build_sea(np.asarray([island], dtype=object), around).area == pytest.approx(9_600)
    assert build_sea(NO_PATHS, around).is_empty


def test_islands_keep_their_buildings():
    """A second piece of land without a place goes to the place nearest as the crow flies."""
    extent = shapely.union(shapely.box(0, 0, 100, 100), shapely.box(150, 0, 250, 100))
    homes = buildings((10, 10, 90, 90), (160, 10, 240, 90))
    made = build_communities(
        places(only=(50, 50)), streets([(-9, 50), (259, 50)]), extent, homes, NO_PATHS
    )
    assert pd.Series(made.communities.geometry.area).tolist() == [pytest.approx(20_000)]
