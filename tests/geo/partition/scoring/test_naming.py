"""Names of grids: after compounds and streets, each once, and kept."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from geo.partition.community import Community
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.previous_plan import PreviousPlan
from geo.partition.scoring.objective import Limits
from tests.geo.partition.places import CRS, community, layer, rows_of_houses

LAND = shapely.box(0, 0, 250, 500)
SMALL = Constraints(limits=Limits(200, 150, 260))


def place(compound: str = "锦绣小区", street: str = "人民路") -> Community:
    """Return 800 households: a compound in the north, houses along a street in the south."""
    rows = rows_of_houses(10, 20, 4)
    for row in rows:
        row["compound_code"] = "c1" if row["geom"].centroid.y > 250 else None
    quarter = {"code": "c1", "gated": True, "geom": shapely.box(0, 250, 250, 500)}
    road = {"geom": shapely.LineString([(0, 0), (250, 0)])}
    made = community(LAND, rows, compounds=[quarter], roads=[road])
    return replace(
        made,
        compounds=made.compounds.assign(name=compound),
        roads=made.roads.assign(name=street),
    )


def names(drawing) -> set[str]:
    return set(drawing.grids["name"])


def test_grids_are_named_after_compounds_and_streets_and_their_side():
    drawing = draw(place(), SMALL)
    assert len(names(drawing)) == len(drawing.grids) == 4
    ordered = drawing.grids.assign(y=drawing.grids.geometry.centroid.y).sort_values("y")
    south, north = ordered["name"].tolist()[:2], ordered["name"].tolist()[2:]
    assert all(name.startswith("锦绣小区") and name.endswith("网格") for name in north)
    assert all(name.startswith("人民路") and name.endswith("网格") for name in south)
    assert {name[4] for name in north} in ({"东", "西"}, {"南", "北"})


def test_single_grid_of_a_compound_has_its_plain_name():
    drawing = draw(place(), Constraints(limits=Limits(400, 300, 500)))
    assert names(drawing) == {"锦绣小区网格", "人民路网格"}


def test_names_in_latin_letters_are_put_together_as_in_english():
    drawing = draw(place("Fontvieille", "Rue Grimaldi"), SMALL)
    assert any(name in names(drawing) for name in ("Fontvieille North", "Fontvieille West"))
    assert len(names(drawing)) == 4


def test_without_compound_and_street_the_community_gives_the_name():
    made = community(LAND, rows_of_houses(10, 20, 4))
    drawing = draw(replace(made, name="七里河社区"), Constraints(limits=Limits(800, 700, 900)))
    assert names(drawing) == {"七里河网格"}


@pytest.mark.parametrize("count", [3, 5, 9])
def test_namesakes_never_have_the_same_name(count):
    made = community(LAND, rows_of_houses(10, 20, 4))
    target = 800 // count
    limits = Limits(target, target - 30, target + 30)
    drawing = draw(replace(made, name="七里河社区"), Constraints(limits=limits))
    assert len(names(drawing)) == len(drawing.grids)


def test_names_given_by_people_are_kept_and_not_proposed_again():
    made = place()
    first = draw(made, SMALL)
    mine = first.grids["name"].to_numpy().copy()
    taken = mine[1]
    mine[0], mine[1] = taken, ""
    grids = first.grids.assign(name=mine)
    previous = PreviousPlan(grids.to_crs(CRS), first.members.drop(columns="geom"), 1)
    again = draw(made, SMALL, previous).grids.set_index("code")["name"]
    assert again.iloc[0] == taken
    assert again.iloc[1] not in ("", taken)
    assert again.iloc[2:].tolist() == first.grids["name"].tolist()[2:]
    assert again.is_unique


def test_layers_without_names_are_no_error():
    made = place()
    bare = replace(
        made, compounds=layer([], "code", "gated"), roads=made.roads.drop(columns="name")
    )
    assert "test" in names(draw(bare, Constraints(limits=Limits(800, 700, 900)))).pop()
    assert np.all(draw(bare, SMALL).grids["name"] != "")
