"""The sample city: the same for a seed, plausible to a planner, whole in every table."""

import filecmp
from itertools import islice

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from etl.sample import street_plan
from etl.sample.city import SAMPLE_FILE, read_sample, sample_city, sample_offices, write_parquet
from geo import crs
from geo.network.building_clearance import find_pipes_at_buildings
from geo.network.clearance import find_conflicts, pairs_of_networks
from geo.network.cover import find_shallow_pipes
from geo.network.pipes import build_pipe_graph


@pytest.fixture(scope="module")
def city() -> dict[str, gpd.GeoDataFrame]:
    return sample_city("S", 1)


@pytest.fixture(scope="module")
def offices() -> list[tuple[street_plan.Office, dict[str, gpd.GeoDataFrame]]]:
    """Return the first seven offices of a city too large to be made whole here."""
    return list(islice(sample_offices("M", 1), 7))


def metric(frame: gpd.GeoDataFrame) -> np.ndarray:
    return frame.to_crs(street_plan.METRIC).geometry.to_numpy()


def test_shipped_city_is_what_the_generator_makes(city):
    shipped = read_sample(SAMPLE_FILE)
    assert set(shipped) == set(city)
    for name, frame in city.items():
        assert shipped[name]["code"].tolist() == frame["code"].tolist(), name
        same = shapely.equals_exact(
            shipped[name].geometry.to_numpy(), frame.geometry.to_numpy(), 1e-9
        )
        assert same.all(), name
    assert (shipped["building"]["households"] == city["building"]["households"]).all()
    assert SAMPLE_FILE.stat().st_size < 5_000_000


def test_another_seed_makes_another_city(city):
    other = sample_city("S", 2)
    assert other["building"]["households"].sum() != city["building"]["households"].sum()


def test_size_is_about_what_it_says(city):
    assert 10_000 < city["building"]["households"].sum() < 14_000
    assert 10 <= (city["region"]["level"] == "community").sum() <= 12


def test_codes_and_names_are_real(city):
    real = pd.read_csv(street_plan.DIVISIONS, dtype=str).set_index("code")["name"]
    regions = city["region"].set_index("code")["name"]
    assert (regions == real.loc[regions.index]).all()


def test_communities_tile_their_street_office(city):
    regions = city["region"]
    parts = metric(regions[regions["level"] == "community"])
    whole = metric(regions[regions["level"] == "street"])[0]
    assert shapely.union_all(parts).area == pytest.approx(whole.area, abs=0.1)
    assert shapely.area(parts).sum() == pytest.approx(whole.area, abs=0.1)


def test_buildings_stand_apart_inside_their_community(city):
    feet = metric(city["building"])
    one, other = shapely.STRtree(feet).query(feet, predicate="intersects")
    overlap = shapely.area(shapely.intersection(feet[one], feet[other]))[one < other]
    assert overlap.max(initial=0.0) < 0.05
    regions = city["region"].set_index("code")
    own = metric(regions.loc[city["building"]["region_code"]])
    assert shapely.within(feet, own).all()


def test_no_building_stands_on_a_street(city):
    roads = city["road"].to_crs(street_plan.METRIC)
    lanes = shapely.buffer(roads.geometry.to_numpy(), roads["width_m"].to_numpy() / 2 - 0.3)
    wide = lanes[(roads["road_class"].isin(["arterial", "secondary", "local"])).to_numpy()]
    assert (
        len(shapely.STRtree(wide).query(metric(city["building"]), predicate="intersects")[0]) == 0
    )


def test_units_add_up_to_their_building(city):
    buildings = city["building"].set_index("code")["households"]
    by_building = city["building_unit"].groupby("building_code")["households"].sum()
    assert (by_building == buildings.loc[by_building.index]).all()


def test_towers_over_five_hundred_with_and_without_units_are_there(city):
    large = city["building"][city["building"]["households"] > 500]
    with_units = large["code"].isin(city["building_unit"]["building_code"])
    assert with_units.any()
    assert (~with_units).any()


def test_pipes_join_nodes_that_are_there_at_their_place(city):
    nodes = city["pipe_node"].to_crs(street_plan.METRIC).set_index("code").geometry
    segments = city["pipe_segment"].to_crs(street_plan.METRIC)
    for end, column in ((0, "from_node"), (-1, "to_node")):
        at = shapely.get_point(segments.geometry.to_numpy(), end)
        assert shapely.distance(at, nodes.loc[segments[column]].to_numpy()).max() < 0.01


def test_water_mains_are_looped_and_every_hydrant_is_fed(city):
    import scipy.sparse as sparse
    from scipy.sparse.csgraph import connected_components

    pipes = city["pipe_segment"].query("network == 'water' and status == 'in_use'")
    ends = {*pipes["from_node"], *pipes["to_node"]}
    nodes = city["pipe_node"].query("network == 'water' and code in @ends")
    number = {code: n for n, code in enumerate(nodes["code"])}
    ends = pipes[["from_node", "to_node"]].map(number.__getitem__).to_numpy()
    matrix = sparse.coo_array((np.ones(len(ends)), ends.T), shape=(len(nodes),) * 2)
    assert connected_components(matrix, directed=False)[0] == 1
    assert len(ends) > len(nodes)


def test_planted_defects_are_in_the_layers(city):
    planted = city["planted"].set_index("code")
    roads = city["road"].set_index("code")
    narrow = planted[planted["kind"] == "narrow_lane"].index
    assert (roads.loc[narrow, "width_m"] < 4.0).all()
    low = planted[planted["kind"] == "low_arch"].index
    assert (roads.loc[low, "clear_height_m"] < 4.0).all()
    hydrants = city["pipe_node"].query("kind == 'hydrant' and not in_service")
    out = planted[planted["kind"] == "hydrant_out_of_service"].index
    assert set(out) == set(hydrants["code"])
    assert (planted["kind"] == "hydrant_gap").sum() == 3
    assert planted["rule"].notna().all()
    known = {*roads.index, *city["building"]["code"], *city["pipe_node"]["code"]}
    known |= {*city["pipe_segment"]["code"]}
    assert set(planted.index) <= known
    assert set(planted["other"].dropna()) - {""} <= known


def test_lanes_end_where_they_meet_a_street(city):
    roads = city["road"].to_crs(street_plan.METRIC)
    is_street = roads["road_class"].isin(["arterial", "secondary", "local"])
    streets = shapely.union_all(roads.geometry[is_street].to_numpy())
    lanes = roads.geometry[~is_street].to_numpy()
    met = lanes[shapely.distance(lanes, streets) < 0.01]
    ends = np.concatenate([shapely.get_point(met, 0), shapely.get_point(met, -1)])
    touching = shapely.distance(ends, streets) < 0.01
    assert len(met) > 50
    assert touching.sum() >= len(met)
    assert (shapely.length(shapely.intersection(met, shapely.buffer(streets, 0.1))) < 1.0).all()


def test_pipes_of_a_network_meet_at_nodes_alone(city):
    for network, pipes in city["pipe_segment"].to_crs(street_plan.METRIC).groupby("network"):
        lines = pipes.geometry.to_numpy()
        crossing = shapely.STRtree(lines).query(lines, predicate="crosses")
        assert crossing.size == 0, network


def test_offices_of_a_larger_city_share_their_borders(offices):
    first, second = (
        metric(layers["region"].query("level == 'community'")) for _, layers in offices[:2]
    )
    # CGCS2000 degrees are kept to a tenth of a millimetre.
    shared = shapely.union_all(first).boundary.intersection(
        shapely.buffer(shapely.union_all(second), 0.001)
    )
    assert shared.length > 900
    assert shapely.union_all(first).intersection(shapely.union_all(second)).area < 0.1


def test_high_rises_of_a_larger_city_stand_13_m_apart(offices):
    for _, layers in offices:
        high = metric(layers["building"][layers["building"]["high_rise"].astype(bool)])
        one, other = shapely.STRtree(high).query(high, predicate="dwithin", distance=12.99)
        assert (one == other).all()


def test_codes_are_unique_in_a_larger_city(offices):
    codes = {}
    for _, layers in offices:
        for name, frame in layers.items():
            if name != "planted":
                codes.setdefault(name, []).extend(frame["code"])
    for name, found in codes.items():
        assert len(found) == len(set(found)), name


def test_parquet_is_written_office_by_office_and_read_back(tmp_path, city):
    write_parquet("S", 1, tmp_path / "a")
    write_parquet("S", 1, tmp_path / "b")
    same = filecmp.dircmp(tmp_path / "a" / "building", tmp_path / "b" / "building")
    assert same.same_files
    assert not same.diff_files
    back = read_sample(tmp_path / "a")
    assert back["building"]["code"].tolist() == city["building"]["code"].tolist()
    assert back["building"].crs == crs.STORAGE


def test_pipes_of_an_office_end_in_nodes_of_its_own_and_of_those_before(offices):
    """So that a city too large for memory can be loaded one office at a time."""
    known: set[str] = set()
    for _, layers in offices:
        known |= set(layers["pipe_node"]["code"])
        ends = layers["pipe_segment"][["from_node", "to_node"]].to_numpy().ravel()
        assert set(ends) <= known


def test_pipes_have_the_attributes_that_bureaus_deliver(city):
    pipes = city["pipe_segment"]
    columns = ["depth_from_m", "depth_to_m", "depth_of", "laying", "status", "owner"]
    assert pipes[columns].notna().all().all()
    by_network = dict(iter(pipes.groupby("network")))
    assert set(by_network["power"]["voltage_kv"]) == {10.0}
    assert (by_network["telecom"]["ducts"] > 0).all()
    assert set(by_network["gas"]["pressure_class"]) == {"medium_b"}
    assert set(by_network["storm"]["depth_of"]) == {"invert"}
    assert (by_network["sewage"]["depth_to_m"] >= by_network["sewage"]["depth_from_m"]).all()
    assert (pipes["status"] == "abandoned").sum() == 1


def test_planted_faults_of_pipes_are_found_and_nothing_else(city):
    metres = {name: city[name].to_crs(street_plan.METRIC) for name in city}
    nodes, pipes = metres["pipe_node"], metres["pipe_segment"]
    graphs = {}
    for network in pipes["network"].unique():
        there, ends = (f[f["network"] == network].reset_index(drop=True) for f in (pipes, nodes))
        table, xy = pd.DataFrame(ends.drop(columns="geom")), shapely.get_coordinates(ends.geometry)
        graphs[network] = build_pipe_graph(network, pipes.crs, table, xy, there)
    roads, buildings = metres["road"], metres["building"]
    streets = roads.geometry.to_numpy(), roads["width_m"].to_numpy(float), roads["road_class"]
    found = [
        *(
            finding
            for one, other in pairs_of_networks()
            if {one, other} <= graphs.keys()
            for finding in find_conflicts(graphs[one], graphs[other])
        ),
        *(f for graph in graphs.values() for f in find_shallow_pipes(graph, *streets)),
        *find_pipes_at_buildings(
            graphs["gas"], buildings["code"].tolist(), buildings.geometry.to_numpy()
        ),
    ]
    planted = city["planted"]
    planted = planted[planted["code"].isin(pipes["code"])]
    answers = {(row.rule, row.code, row.other): row for row in planted.itertuples()}
    assert {(f.kind, *f.codes, "")[:3] for f in found} == set(answers)
    for finding in found:
        answer = answers[(finding.kind, *finding.codes, "")[:3]]
        assert finding.measured == pytest.approx(answer.measured, abs=0.001)
        assert finding.required == pytest.approx(answer.required)
    severities = {finding.kind: finding.severity for finding in found}
    assert severities.pop("under_building") == "high"
    assert set(severities.values()) == {"medium"}
