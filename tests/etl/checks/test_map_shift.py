"""First deliveries that web maps have shifted, compared with live layers of any source."""

import numpy as np
import pytest
import shapely

from geo import crs
from tests.etl.delivery import box as rectangle
from tests.etl.delivery import bring, divisions, frame, houses, mapping, point, write

SHIFTS = {"gcj02": crs.wgs84_to_gcj02, "bd09": crs.wgs84_to_bd09}


def shifted(data, shift):
    return data.set_geometry(crs.shift(data.geometry.to_numpy(), SHIFTS[shift]))


def blocks():
    """Return houses in blocks of 60 m between streets, of unequal sizes."""
    random = np.random.default_rng(5)
    shapes = [
        rectangle(
            60 * column + 10 + random.uniform(0, 8),
            60 * row + 10 + random.uniform(0, 8),
            25 + random.uniform(0, 12),
            25 + random.uniform(0, 12),
        )
        for column in range(20)
        for row in range(20)
    ]
    return frame(shapes, code=[f"h{i}" for i in range(len(shapes))])


def streets():
    ways = [shapely.LineString([point(60 * i, -1000), point(60 * i, 2200)]) for i in range(-17, 40)]
    ways += [
        shapely.LineString([point(-1000, 60 * i), point(2200, 60 * i)]) for i in range(-17, 40)
    ]
    codes = [f"w{i}" for i in range(len(ways))]
    return frame(ways, code=codes, **{"road_class": ["arterial"] * len(ways)})


def schools(count=12):
    places = [point(37.0 * i, 11.0 * (i % 7)) for i in range(count)]
    return frame(
        places,
        code=[f"s{i}" for i in range(count)],
        name=[f"第{i}小学" for i in range(count)],
        category=["school"] * count,
    )


def concerns(outcome):
    return [
        (concern["values"]["layer"], concern["values"]["shift"])
        for concern in outcome.report.get("concerns", ())
        if concern["key"] == "shift_suspected"
    ]


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_first_delivery_is_compared_with_the_same_features_of_others(database, tmp_path, shift):
    divisions(database, tmp_path, ("420602001001", rectangle(0, 0, 1200, 1200)))
    bring(database, "building", write(blocks(), tmp_path / "a.gpkg"), mapping(source="survey"))
    others = blocks().iloc[::7].assign(code=lambda data: "x" + data["code"])
    file = write(shifted(others, shift), tmp_path / "b.gpkg")
    outcome = bring(database, "building", file, mapping(source="web"))
    assert (outcome.status, concerns(outcome)) == ("held", [("building", shift)])
    right = mapping(source="web", coordinates={"shift": shift})
    assert concerns(bring(database, "building", file, right, dry=True)) == []


@pytest.mark.parametrize("shift", SHIFTS)
def test_first_buildings_are_compared_with_roads(database, tmp_path, shift):
    divisions(database, tmp_path, ("420602001001", rectangle(0, 0, 1200, 1200)))
    bring(database, "road", write(streets(), tmp_path / "a.gpkg"), mapping("road", source="city"))
    file = write(shifted(blocks(), shift), tmp_path / "b.gpkg")
    outcome = bring(database, "building", file, mapping(source="web"))
    assert (outcome.status, concerns(outcome)) == ("held", [("building", shift)])
    file = write(blocks(), tmp_path / "c.gpkg")
    assert bring(database, "building", file, mapping(source="web")).status == "published"


@pytest.mark.parametrize("shift", SHIFTS)
def test_first_facilities_are_compared_by_name(database, tmp_path, shift):
    divisions(database, tmp_path, ("420602001001", rectangle(0, 0, 1200, 1200)))
    bring(database, "facility", write(schools(), tmp_path / "a.gpkg"), mapping("facility"))
    others = schools().assign(code=lambda data: "x" + data["code"])
    moved = shifted(others, shift)
    file = write(moved.set_geometry(moved.translate(1e-4, -5e-5)), tmp_path / "b.gpkg")
    outcome = bring(database, "facility", file, mapping("facility", source="web"))
    assert (outcome.status, concerns(outcome)) == ("held", [("facility", shift)])


@pytest.mark.parametrize(("step_m", "status"), [(0.4, "published"), (40, "held")])
def test_pieces_side_by_side_are_one_piece_of_evidence(database, tmp_path, step_m, status):
    """Moved back, the pipes lie along a road: by chance, if all lie within a few metres."""
    divisions(database, tmp_path, ("420602001001", rectangle(0, 0, 1200, 1200)))
    way = shapely.LineString([point(0, 300), point(1200, 300)])
    street = frame([way], code=["w"], road_class=["arterial"])
    bring(database, "road", write(street, tmp_path / "a.gpkg"), mapping("road", source="city"))
    pieces = [
        shapely.LineString([point(300 + step_m * i, 305), point(300.2 + step_m * i, 305)])
        for i in range(8)
    ]
    pipes = frame(pieces, code=[f"p{i}" for i in range(8)], network=["water"] * 8)
    file = write(shifted(pipes, "gcj02"), tmp_path / "b.gpkg")
    outcome = bring(database, "pipe_segment", file, mapping("pipe_segment", source="survey"))
    assert outcome.status == status


def test_right_places_are_not_doubted(database, tmp_path):
    divisions(database, tmp_path, ("420602001001", rectangle(0, 0, 1200, 1200)))
    roads = mapping("road", source="city")
    assert bring(database, "road", write(streets(), tmp_path / "a.gpkg"), roads).status == (
        "published"
    )
    survey = mapping(source="survey")
    file = write(blocks(), tmp_path / "b.gpkg")
    assert bring(database, "building", file, survey).status == "published"
    file = write(houses(60), tmp_path / "c.gpkg")
    assert concerns(bring(database, "building", file, mapping(source="other"))) == []
