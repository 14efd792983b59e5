"""A score card says for which buildings the number of households is unknown."""

import pytest
from sqlalchemy import text

from geo.partition.draw import draw
from geo.plans import community_layers
from tests.etl.delivery import box, bring, divisions, houses, mapping, write

COMMUNITY = "420602001001"


@pytest.mark.parametrize(
    ("numbers", "reasons"),
    [
        ([None, None], {"nobody_lives_there": 2}),
        ([0, 0], {"nobody_at_all": None}),
        ([None, 0], {"nobody_lives_there": 1}),
        ([None, 400], {"households_unknown": 1}),
        ([0, 400], {}),
    ],
)
def test_unknown_households_are_told_from_none(database, tmp_path, numbers, reasons):
    divisions(database, tmp_path, (COMMUNITY, box(0, 0, 200, 200)))
    data = houses(2, households=numbers)
    bring(database, "building", write(data, tmp_path / "houses.gpkg"))
    with database.connect() as connection:
        card = draw(community_layers.read_community(connection, COMMUNITY)).score
    assert {key: fields.get("count") for key, fields in card.reasons} == reasons


def test_buildings_where_nobody_lives_or_whose_units_are_counted_are_known(database, tmp_path):
    divisions(database, tmp_path, (COMMUNITY, box(0, 0, 200, 200)))
    data = houses(3, use=["office", None, None]).drop(columns="households")
    bring(database, "building", write(data, tmp_path / "houses.gpkg"))
    units = data.iloc[[1]].assign(code="u1", building_code="b001", households=400)
    units["geometry"] = units.representative_point()
    file = write(units[["code", "building_code", "households", "geometry"]], tmp_path / "u.gpkg")
    bring(database, "building_unit", file, mapping("building_unit", source="units"))
    with database.connect() as connection:
        assert connection.scalar(text("SELECT sum(households) FROM building")) == 0
        card = draw(community_layers.read_community(connection, COMMUNITY)).score
    assert [(key, fields.get("names")) for key, fields in card.reasons] == [
        ("households_unknown", "2号楼")
    ]
