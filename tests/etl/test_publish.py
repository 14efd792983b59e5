"""Publishing: only what differs is written, in one piece, and a source keeps to its own."""

import geopandas as gpd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from etl.publish import Counts, Rejected, publish
from geo.errors import InputError
from geo.layers import read_layer
from geo.model.history import HISTORY


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
    publish(database, {"facility": parks(("a", "A"))}, "s")
    before = versions(database)
    assert publish(database, {"facility": parks(("a", "A"))}, "s")["facility"].touched == 0
    assert versions(database) == before


def versions(database) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        rows = connection.execute(text("SELECT code, xmin::text, revision FROM facility")).all()
        runs = connection.execute(text("SELECT id FROM import_run")).all()
    return [tuple(row) for row in [*rows, *runs]]


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
        (parks(("a", "A"), category="castle"), "row_refused"),
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
    with pytest.raises(InputError) as refused:
        publish(database, {"building_unit": unit}, "s")
    assert "nowhere" in str(refused.value)


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
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_live_layer_is_always_the_last_delivery(shared_database, deliveries):
    for delivery in deliveries:
        before = live(shared_database)
        counts = publish(shared_database, {"facility": parks(*delivery.items())}, "s")["facility"]
        assert live(shared_database) == delivery
        assert counts.added == len(delivery.keys() - before.keys())
        assert counts.removed == len(before.keys() - delivery.keys())
