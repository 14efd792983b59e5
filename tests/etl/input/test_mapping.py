"""Mapping files: what is wrong with one is told with its place; suggested ones can be used."""

import pytest

from etl.input.mapping import read_mapping
from etl.input.mapping_proposal import suggest_mapping
from geo.errors import InputError
from tests.etl.delivery import houses, made, write

MAPPINGS = {
    "no TOML": ("layer = ", "is no TOML file"),
    "unknown name": (
        'layer = "building"\nlayr = 1',
        "layr is wrong: Extra inputs are not permitted",
    ),
    "unknown layer": ('layer = "castle"', "There is no layer castle."),
    "unknown column": (
        'layer = "building"\n[columns]\nheight = "GD"',
        "there is no column height to fill",
    ),
    "unknown unit": (
        'layer = "building"\n[columns]\nheight_m = { from = "GD", unit = "yd" }',
        "height_m can't be in yd. Units: mm, cm, dm, m, km, ft.",
    ),
}


@pytest.mark.parametrize("case", MAPPINGS)
def test_wrong_mapping_is_told_with_its_place(tmp_path, case):
    content, said = MAPPINGS[case]
    with pytest.raises(InputError) as refused:
        read_mapping(made(tmp_path / "m.toml", content.encode()))
    assert said in refused.value.message("en")


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("EPSG:4490", 'crs = "EPSG:4490"'),
        ("EPSG:4525", 'crs = "EPSG:4525"'),  # the number of the zone stands before the eastings
        ("EPSG:4546", "# metres: EPSG:4534 (75 E)"),
    ],
)
def test_suggestion_names_the_system_that_coordinates_tell(tmp_path, system, said):
    file = write(houses().to_crs(system), tmp_path / "楼栋_20261124.shp")
    file.with_suffix(".prj").unlink()
    proposal = suggest_mapping(file)
    assert said in proposal
    assert 'file = "楼栋*.shp"' in proposal
