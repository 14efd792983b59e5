"""Publishing: only what differs is written, in one piece, and a source keeps to its own."""

from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from etl.pipeline.publish_frames import Counts, Rejected, publish
from geo.db.layer_frames import read_layer
from geo.errors import InputError
from geo.model.history import HISTORY

pytestmark = pytest.mark.usefixtures("english")


def parks(*rows: tuple[str, str], category: str = "park") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"code": [code for code, _ in rows], "name": [name for _, name in rows]}
        | {"category": [category] * len(rows)},
        geometry=gpd.GeoSeries([shapely.Point(112, 32)] * len(rows), crs="EPSG:4490"),
    ).rename_geometry("geom")


def live(database) -> dict[str, str]:
    with database.connect() as connection:
        frame = read_layer(connection, "facility")
    return dict(zip(frame["code"], frame["name"], strict=True))


def test_difference_is_written_and_counted(database):
    assert publish(database, {"facility": parks(("a", "A"), ("b", "B"))}, "s") == {
        "facility": Counts(2, 0, 0, 0)
    }
    counts = publish(database, {"facility": parks(("a", "A"), ("b", "B2"), ("c", "C"))}, "s")
    assert counts == {"facility": Counts(1, 1, 0, 1)}
    assert publish(database, {"facility": parks(("c", "C"))}, "s")["facility"].removed == 2
    assert live(database) == {"c": "C"}


def test_same_delivery_twice_writes_no_row(database):
    broken = [Rejected("facility", "z", "outline_not_closed", {}, shapely.Point(1, 2))]
    publish(database, {"facility": parks(("a", "A"))}, "s", rejected=broken)
    before = versions(database)
    again = publish(database, {"facility": parks(("a", "A"))}, "s", rejected=broken)
    assert again["facility"].rows_written == 0
    assert versions(database) == before
    with database.connect() as connection:
        runs = connection.execute(text("SELECT status, revision FROM import_run ORDER BY id")).all()
    assert [tuple(run) for run in runs] == [("published", 1), ("unchanged", None)]


def versions(database) -> list[tuple[object, ...]]:
    tables = ("facility", "facility_history", "layer_revision", "quarantine")
    with database.connect() as connection:
        return [
            (table, *row)
            for table in tables
            for row in connection.execute(text(f"SELECT xmin::text, ctid::text FROM {table}"))
        ]


def test_sources_keep_to_their_own(database):
    publish(database, {"facility": parks(("a", "A"))}, "one")
    publish(database, {"facility": parks(("b", "B"))}, "other")
    assert live(database) == {"a": "A", "b": "B"}
    with pytest.raises(InputError) as refused:
        publish(database, {"facility": parks(("a", "mine"))}, "other")
    assert refused.value.key == "code_of_other_source"
    assert live(database) == {"a": "A", "b": "B"}


@pytest.mark.parametrize(
    ("frame", "key"),
    [
        (parks(("a", "A"), ("a", "again")), "code_repeated"),
        (parks(("a", "A"), category="castle"), "word_unknown"),
    ],
)
def test_bad_delivery_changes_nothing(database, frame, key):
    publish(database, {"facility": parks(("x", "X"))}, "s")
    with pytest.raises(InputError) as refused:
        publish(database, {"facility": frame}, "s")
    assert refused.value.key == key
    assert live(database) == {"x": "X"}


def test_unit_of_a_building_that_is_not_there_is_refused(database):
    unit = gpd.GeoDataFrame(
        {"code": ["u"], "building_code": ["nowhere"], "households": [3]},
        geometry=gpd.GeoSeries([shapely.Point(112, 32)], crs="EPSG:4490"),
    ).rename_geometry("geom")
    with pytest.raises(InputError, match="building_code refers to nowhere"):
        publish(database, {"building_unit": unit}, "s")


def buildings(*codes: str, **values: object) -> gpd.GeoDataFrame:
    box = shapely.box(112, 32, 112.001, 32.001)
    return gpd.GeoDataFrame(
        {"code": list(codes)} | {name: [value] * len(codes) for name, value in values.items()},
        geometry=gpd.GeoSeries([box] * len(codes), crs="EPSG:4490"),
    ).rename_geometry("geom")


def units(*codes: str) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"code": [f"{code}-1" for code in codes], "building_code": codes},
        geometry=gpd.GeoSeries([shapely.Point(112, 32)] * len(codes), crs="EPSG:4490"),
    ).rename_geometry("geom")


def test_parents_and_children_come_and_go_in_one_delivery(database):
    publish(database, {"building_unit": units("a", "b"), "building": buildings("a", "b")}, "s")
    publish(database, {"building": buildings("b", "c"), "building_unit": units("b", "c")}, "s")
    publish(database, {"building": buildings("c")}, "s")
    with database.connect() as connection:
        assert list(read_layer(connection, "building")["code"]) == ["c"]
        assert list(read_layer(connection, "building_unit")["code"]) == ["c-1"]


def moved(frame: gpd.GeoDataFrame, shape: shapely.Geometry | None) -> gpd.GeoDataFrame:
    return frame.assign(geom=gpd.GeoSeries([shape] * len(frame), crs=frame.crs))


def nowhere() -> shapely.Polygon:
    with np.errstate(invalid="ignore"):
        return shapely.Polygon([(0, 0), (1, 1), (float("nan"), 1)])


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (buildings("a", households=-3), "households = -3 in a is not between 0 and 20000"),
        (buildings("a", households=2.5), "households = 2.5 in a is not a whole number"),
        (buildings("a", households="many"), "households = many in a is not a whole number"),
        (buildings("a", storeys_above=70_000), "storeys_above = 70000 in a is not a whole number"),
        (buildings("a", height_m="tall"), "height_m = tall in a is not a number"),
        (buildings("a", height_m=float("inf")), "height_m = inf m in a is not between 0 and"),
        (buildings("a", high_rise="perhaps"), "high_rise = perhaps in a is neither true nor"),
        (buildings("a", use="castle"), "use = castle in a is not known. Known words: resid"),
        (buildings("a", name="\0"), "name = � in a contains invalid characters"),
        (buildings("a", "b", None), "code is missing in"),
        (buildings("a", ""), "code is missing in"),
        (buildings("a", "b", "a"), "1 code occurs more than once, the first is a"),
        (moved(buildings("a"), None), "geom is missing in a"),
        (
            moved(buildings("a"), shapely.Point(112, 32)),
            "geometry of a is a Point; the layer holds MULTIP",
        ),
        (moved(buildings("a"), shapely.Polygon()), "geometry of a is empty"),
        (moved(buildings("a"), shapely.box(500_000, 0, 500_001, 1)), "a lies at 500001 0, which"),
        (moved(buildings("a"), shapely.box(32, 112, 33, 113)), "a lies at 33 112, which is no"),
        (
            moved(buildings("a"), nowhere()),
            "a lies at nan 1",
        ),
    ],
)
def test_value_that_does_not_fit_is_named(shared_database, frame, said):
    with pytest.raises(InputError) as refused:
        publish(shared_database, {"building": frame}, "s")
    assert str(refused.value).startswith("Layer building: ")
    assert said in str(refused.value)
    with shared_database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM building")).scalar_one() == 0


def test_values_arrive_as_the_files_hold_them(database):
    values = {"name": "楼'\\N", "address": "路\t'\\N\n1"}
    frame = buildings("a", **values, households="24", high_rise="True", height_m=None)
    publish(database, {"building": frame.to_crs(4546)}, "s")
    with database.connect() as connection:
        row = read_layer(connection, "building").iloc[0]
        history = connection.execute(HISTORY["building"].select()).all()
    assert {column: row[column] for column in values} == values
    assert (row["households"], row["high_rise"]) == (24, True)
    assert row["height_m"] is None or row["height_m"] != row["height_m"]
    assert row["geom"].equals_exact(shapely.multipolygons([frame.geom[0]]), 1e-9, normalize=True)
    assert history == []


def test_missing_values_get_the_defaults_of_the_table(database):
    road = gpd.GeoDataFrame(
        {"code": ["r"], "road_class": ["alley"], "oneway": [None], "bridge": [None]},
        geometry=gpd.GeoSeries([shapely.LineString([(112, 32), (112.01, 32)])], crs="EPSG:4490"),
    ).rename_geometry("geom")
    publish(database, {"road": road}, "s")
    with database.connect() as connection:
        row = read_layer(connection, "road").iloc[0]
    assert (row["oneway"], row["bridge"], row["tunnel"], row["name"]) == ("no", False, False, "")


def test_refusal_in_the_publishing_transaction_undoes_all_of_it(database):
    publish(database, {"building": buildings("a")}, "s")
    with pytest.raises(InputError):
        publish(database, {"building": buildings("a", "b"), "building_unit": units("c")}, "s")
    with database.connect() as connection:
        assert list(read_layer(connection, "building")["code"]) == ["a"]
        runs = connection.scalars(text("SELECT status FROM import_run ORDER BY id")).all()
        assert runs == ["published", "rejected"]
        assert (
            connection.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'")
            ).all()
            == []
        )
        held = connection.execute(
            text(
                "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
                "WHERE locktype = 'advisory' AND datname = current_database()"
            )
        )
        assert held.scalar_one() == 0


def test_publications_at_once_come_one_after_the_other(database):
    layers = [{"facility": parks(*((f"{i}-{n}", "x") for n in range(200)))} for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda i: publish(database, layers[i], f"s{i}"), range(4)))
    assert [count["facility"].added for count in counts] == [200] * 4
    with database.connect() as connection:
        revisions = connection.execute(text("SELECT revision FROM import_run")).scalars().all()
    assert sorted(revisions) == [1, 2, 3, 4]
    assert len(live(database)) == 800


def test_rejected_features_are_kept_with_the_run(database):
    broken = Rejected(
        "building", "w1", "outline_not_closed", {"building": "yes"}, shapely.Point(1, 2)
    )
    publish(database, {"facility": parks(("a", "A"))}, "s", rejected=[broken])
    with database.connect() as connection:
        row = connection.execute(
            text(
                "SELECT q.code, q.reason, q.properties, r.source FROM quarantine q "
                "JOIN import_run r ON r.id = q.run_id"
            )
        ).one()
    assert tuple(row) == ("w1", "outline_not_closed", {"building": "yes"}, "s")


def test_revision_moves_with_the_layer_that_changed(database):
    publish(database, {"facility": parks(("a", "A"))}, "s")
    publish(database, {"facility": parks(("a", "A2"), ("b", "B"))}, "s")
    with database.connect() as connection:
        rows = connection.execute(text("SELECT layer, revision FROM layer_revision")).all()
        live_rows = (
            connection.execute(text("SELECT DISTINCT revision FROM facility")).scalars().all()
        )
        old = connection.execute(HISTORY["facility"].select()).one()
    assert [tuple(row) for row in rows] == [("facility", 2)]
    assert live_rows == [2]
    assert (old.name, old.revision) == ("A", 1)


deliveries = st.lists(st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz")), max_size=5)


@given(deliveries=deliveries)
@settings(max_examples=20)
def test_live_layer_is_always_the_last_delivery(shared_database, deliveries):
    for delivery in deliveries:
        before = live(shared_database)
        counts = publish(shared_database, {"facility": parks(*delivery.items())}, "s")["facility"]
        assert live(shared_database) == delivery
        assert counts.added == len(delivery.keys() - before.keys())
        assert counts.removed == len(before.keys() - delivery.keys())
