"""The invented register of the sample city: plausible, whole, and the same for a seed."""

import pytest

from etl.pipeline.publish_frames import publish
from etl.sample.city import SAMPLE_FILE, add_register, read_sample, write_geopackage
from geo.codes import is_credit_code
from geo.model.register import AGE_BANDS, INDUSTRY_SECTIONS
from geo.register.counts import counts_of_region


@pytest.fixture(scope="module")
def city():
    return add_register(read_sample(SAMPLE_FILE), 1)


def test_every_household_has_a_dwelling_in_its_building_and_unit(city):
    dwellings, buildings = city["dwelling"], city["building"]
    by_building = dwellings.groupby("building_code").size()
    households = buildings[buildings["households"] > 0].set_index("code")["households"]
    assert by_building.to_dict() == households.to_dict()
    by_unit = dwellings.groupby("unit_code").size()
    units = city["building_unit"].query("households > 0").set_index("code")["households"]
    assert by_unit.to_dict() == units.to_dict()
    assert dwellings["code"].is_unique


def test_ages_and_household_sizes_are_near_the_census(city):
    dwellings = city["dwelling"]
    residents = dwellings["residents"].sum()
    assert 2.3 < residents / (dwellings["residents"] > 0).sum() < 2.8
    shares = {name: dwellings[name].sum() / residents for name in AGE_BANDS}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert 0.15 < shares["age_0_6"] + shares["age_7_17"] < 0.22
    assert 0.15 < shares["age_60_79"] + shares["age_80_up"] < 0.22
    assert (dwellings.query("occupancy in ('vacant', 'business')")["residents"] == 0).all()


def test_organisations_have_codes_that_check_and_are_never_issued(city):
    entities = city["entity"]
    assert 850 < len(entities) < 950
    assert entities["code"].is_unique
    assert all(is_credit_code(code) and code[8:10] == "YY" for code in entities["credit_code"])
    for section, division in zip(
        entities["industry_section"], entities["industry_division"], strict=True
    ):
        first, last = INDUSTRY_SECTIONS[section]
        assert first <= division <= last


def test_same_seed_gives_the_same_register(city):
    again = add_register(read_sample(SAMPLE_FILE), 1)
    assert again["dwelling"].equals(city["dwelling"])
    other = add_register(read_sample(SAMPLE_FILE), 2)
    assert not other["dwelling"].equals(city["dwelling"])


def test_register_is_published_counted_and_unchanged_when_loaded_again(city, database, tmp_path):
    publish(database, city, "sample:S:1")
    with database.connect() as connection:
        counts = counts_of_region(connection, "420600000000")
    assert counts == {
        "dwellings": len(city["dwelling"]),
        "residents": city["dwelling"]["residents"].sum(),
        "entities": len(city["entity"]),
    }
    write_geopackage(city, tmp_path / "city.gpkg")
    again = publish(database, read_sample(tmp_path / "city.gpkg"), "sample:S:1")
    assert not any(count.rows_written for count in again.values())
