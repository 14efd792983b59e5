"""Plans in the database: store, publish and read back drawings of the sample city."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from etl.pipeline.publish_frames import publish
from etl.sample.city import SAMPLE_FILE, read_sample
from geo.db.layer_frames import read_layer
from geo.errors import InputError, NotFoundError
from geo.model import Grid, GridPlan
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.search.strategy import Effort
from geo.plans import community_layers, store
from geo.plans.batch import draw_communities, draw_community
from geo.plans.data_state import mark_if_data_changed, read_data_state
from geo.plans.draw_runs import DrawOrder
from tests.waiting import wait_for_waiting

COMMUNITY = "420606007001"
QUICK = Constraints(effort=Effort(generations=1, moves_per_node=100))


@pytest.fixture(scope="module")
def city(shared_database):
    publish(shared_database, read_sample(SAMPLE_FILE), "sample:S:1")
    return shared_database


@pytest.fixture
def drawing(city):
    with city.connect() as connection:
        return draw(community_layers.read_community(connection, COMMUNITY), QUICK)


def test_community_is_read_with_its_layers(city):
    with city.connect() as connection:
        community = community_layers.read_community(connection, COMMUNITY)
        count = connection.execute(
            text("SELECT count(*) FROM building WHERE region_code = :c"), {"c": COMMUNITY}
        ).scalar_one()
    assert len(community.buildings) == count
    assert community.polygon.area == pytest.approx(130_000, rel=0.4)
    assert len(community.roads) > 10
    assert len(community.compounds) > 0


def test_stored_plan_is_the_drawing(city, drawing):
    with city.begin() as connection:
        number = store.store_drawing(connection, drawing, "planner")
    with city.connect() as connection:
        grids = connection.execute(
            select(Grid.code, Grid.households).where(Grid.plan_id == number).order_by(Grid.code)
        ).all()
        members = connection.execute(
            text(
                "SELECT sum(households), count(building_code) FROM grid_member WHERE plan_id = :p"
            ),
            {"p": number},
        ).one()
        gap = connection.execute(
            text(
                "SELECT ST_Area(ST_SymDifference(ST_Union(g.geom), r.geom)::geography) FROM grid g "
                "JOIN region r ON r.code = :c WHERE plan_id = :p GROUP BY r.geom"
            ),
            {"p": number, "c": COMMUNITY},
        ).scalar_one()
        plan = connection.execute(select(GridPlan).where(GridPlan.id == number)).one()
    assert [tuple(row) for row in grids] == list(
        zip(drawing.grids["code"], drawing.grids["households"], strict=True)
    )
    assert members[0] == drawing.grids["households"].sum()
    assert gap < 0.01
    assert plan.score["grids"] == len(grids)
    assert plan.parameters["limits"] == {
        "target": 400,
        "lower": 300,
        "upper": 500,
        "balance": "households",
    }


def test_publishing_archives_the_plan_before(city, drawing):
    before = datetime.now(UTC)
    numbers = []
    for _ in range(2):
        with city.begin() as connection:
            numbers.append(store.store_drawing(connection, drawing))
            store.publish(connection, numbers[-1])
    with city.connect() as connection:
        assert store.plan_in_force(connection, COMMUNITY) == numbers[1]
        states = dict(
            connection.execute(
                select(GridPlan.id, GridPlan.status).where(GridPlan.id.in_(numbers))
            ).all()
        )
        assert states == {numbers[0]: "archived", numbers[1]: "published"}
        now = read_layer(connection, "grid", region=COMMUNITY)
        then = read_layer(connection, "grid", region=COMMUNITY, as_of=before)
    assert set(now["plan_id"]) == {numbers[1]}
    assert set(then["plan_id"]).isdisjoint(numbers)


def test_draft_can_be_published_once(city, drawing):
    with city.begin() as connection:
        number = store.store_drawing(connection, drawing)
        store.publish(connection, number)
        with pytest.raises(NotFoundError):
            store.publish(connection, number)


def test_unknown_community_is_refused(city):
    with city.connect() as connection, pytest.raises(NotFoundError) as refused:
        community_layers.read_community(connection, "420606007999")
    assert refused.value.key == "no_such_community"


def test_community_without_border_is_refused(city):
    with city.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO region (code, name, level, parent_code) "
                "VALUES ('420606007900', '无界', 'community', '420606007000')"
            )
        )
        with pytest.raises(InputError) as refused:
            community_layers.read_community(connection, "420606007900")
    assert refused.value.key == "community_without_border"


def test_workers_draw_the_same_plan_as_this_process(city):
    with city.connect() as connection:
        communities = community_layers.list_communities(connection, "420606007")[:5]
    order = DrawOrder(tuple(communities), QUICK)
    results = {result.community: result for result in draw_communities(city, order)}
    assert set(results) == {code for code, _ in communities}
    (alone,) = draw_communities(city, DrawOrder(tuple(communities[:1]), QUICK))
    together = results[communities[0][0]]
    figures = {"seconds": None}
    assert alone.score | figures == together.score | figures


def test_layer_is_limited_to_a_region(city):
    with city.connect() as connection:
        for layer in ("building", "building_unit", "road", "community", "pipe_node"):
            whole = read_layer(connection, layer)
            part = read_layer(connection, layer, region=COMMUNITY)
            assert 0 < len(part) < len(whole), layer
        street = read_layer(connection, "building", region="420606007000")
        assert len(street) == len(read_layer(connection, "building"))


def test_plan_with_units_is_read_back_as_it_was_drawn(city):
    with city.connect() as connection:
        community = community_layers.read_community(
            connection, "420606007004"
        )  # has a tower with units
    drawing = draw(community, QUICK)
    assert drawing.members["unit_code"].notna().any()
    with city.begin() as connection:
        number = store.store_drawing(connection, drawing)
        plan = store.read_previous_plan(connection, community, number)
    columns = ["grid", "building_code", "unit_code", "households"]
    stored, drawn = (frame[columns].astype(object) for frame in (plan.members, drawing.members))
    assert stored.where(stored.notna(), None).equals(drawn)
    assert draw(community, QUICK, plan).score.moved is not None


def test_plan_is_stale_if_its_data_changed_before_it_was_stored(city):
    code = "420606007002"
    with city.connect() as connection:
        state = read_data_state(connection, code)
        drawing = draw(community_layers.read_community(connection, code), QUICK)
    house = drawing.members["building_code"].iloc[0]
    with city.begin() as connection:
        plan = store.store_drawing(connection, drawing)
        assert not mark_if_data_changed(connection, plan, code, state)
        assert stale_of(connection, plan) is None
    with city.begin() as connection:
        connection.execute(
            text("UPDATE building SET households = households + 7 WHERE code = :code"),
            {"code": house},
        )
        gone = "DELETE FROM building WHERE code = (SELECT max(code) FROM building b "
        gone += "WHERE region_code = :community AND code <> :code) RETURNING households"
        lost = connection.execute(text(gone), {"community": code, "code": house}).scalar_one()
    with city.begin() as connection:
        plan = store.store_drawing(connection, drawing)
        assert mark_if_data_changed(connection, plan, code, state)
        stale = stale_of(connection, plan)
    counts = [stale[f"buildings_{fate}"] for fate in ("added", "removed", "changed")]
    assert counts == [0, 1, 1]
    assert stale["households"] == 7 - lost
    grids = set(drawing.members.loc[drawing.members["building_code"] == house, "grid"])
    assert grids <= set(stale["grids"])


def stale_of(connection, plan):
    return connection.execute(
        text("SELECT stale FROM grid_plan WHERE id = :plan"), {"plan": plan}
    ).scalar_one()


def test_plan_drawn_while_an_import_publishes_is_stored_as_stale(city):
    """The import ends between the reading of the community and the storing of its plan."""
    code = "420606007003"
    with ThreadPoolExecutor(1) as pool, city.connect() as other:
        store.lock_community(other, code)  # the drawing is stored when this is released
        drawn = pool.submit(draw_community, city, code, QUICK)
        wait_for_waiting(city)
        with city.begin() as connection:
            connection.execute(
                text("UPDATE building SET households = 1 WHERE region_code = :code"), {"code": code}
            )
        other.rollback()
        (result,) = drawn.result()
    with city.connect() as connection:
        assert stale_of(connection, result.plan)["buildings_changed"] > 0
