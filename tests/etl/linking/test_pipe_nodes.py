"""Pipes that are delivered without nodes become a network all the same."""

import shapely

from tests.etl.delivery import bring, frame, mapping, point, rows, write

PIPES = mapping("pipe_segment", source="water works")


def line(*places):
    return shapely.LineString([point(*place) for place in places])


def network(folder, *lines, **columns):
    codes = [f"p{i}" for i in range(len(lines))]
    data = frame(list(lines), code=codes, network=["water"] * len(lines), **columns)
    return write(data, folder / "pipes.gpkg")


def ends(database):
    return rows(database, "SELECT code, from_node, to_node FROM pipe_segment ORDER BY 1")


def test_nodes_are_made_where_pipes_meet_and_end(database, tmp_path):
    file = network(tmp_path, line((0, 0), (100, 0)), line((100.2, 0), (200, 0)))
    done = bring(database, "pipe_segment", file, PIPES)
    assert done.report["network"]["made"] == 3
    assert done.report["network"]["loose_ends"] == []
    assert ends(database) == [("p0", "p0:from", "p0:to"), ("p1", "p0:to", "p1:to")]
    kinds = rows(database, "SELECT code, kind, source FROM pipe_node ORDER BY 1")
    assert kinds == [
        ("p0:from", "end", "water works"),
        ("p0:to", "junction", "water works"),
        ("p1:to", "end", "water works"),
    ]


def test_same_pipes_again_make_the_same_nodes(database, tmp_path):
    lines = [line((0, 0), (100, 0)), line((100, 0), (200, 0))]
    bring(database, "pipe_segment", network(tmp_path, *lines), PIPES)
    done = bring(database, "pipe_segment", network(tmp_path, *lines), PIPES, again=True)
    assert done.status == "unchanged"


def test_pipe_that_is_gone_takes_the_nodes_that_it_made_along(database, tmp_path):
    lines = [line((0, 0), (100, 0)), line((100, 0), (200, 0))]
    bring(database, "pipe_segment", network(tmp_path, *lines), PIPES)
    bring(database, "pipe_segment", network(tmp_path, lines[0]), PIPES)
    assert rows(database, "SELECT code FROM pipe_node ORDER BY 1") == [("p0:from",), ("p0:to",)]


def test_named_ends_make_nodes_of_their_names_and_wrong_directions_are_told(database, tmp_path):
    lines = [line((0, 0), (100, 0)), line((200, 0), (100, 0)), line((200, 0), (300, 0))]
    named = {"from_node": ["J1", "J2", "J3"], "to_node": ["J2", "J3", "J4"]}
    done = bring(database, "pipe_segment", network(tmp_path, *lines, **named), PIPES)
    assert ends(database) == [("p0", "J1", "J2"), ("p1", "J2", "J3"), ("p2", "J3", "J4")]
    assert [one["code"] for one in done.report["network"]["reversed"]] == ["p1"]
    assert done.report["network"]["far_ends"] == []


def test_end_beside_a_pipe_that_it_does_not_join_is_told(database, tmp_path):
    file = network(tmp_path, line((0, 0), (100, 0)), line((50, 1), (50, 80)))
    done = bring(database, "pipe_segment", file, PIPES)
    misses = done.report["network"]["near_misses"]
    assert [(one["code"], one["end"], one["near"]) for one in misses] == [("p1", "from", "p0")]


def test_no_nodes_are_made_where_nodes_were_surveyed(database, tmp_path):
    nodes = frame([point(0, 0)], code=["n"], network=["water"], kind=["source"])
    bring(database, "pipe_node", write(nodes, tmp_path / "nodes.gpkg"), mapping("pipe_node"))
    done = bring(database, "pipe_segment", network(tmp_path, line((0, 0), (100, 0))), PIPES)
    assert ends(database) == [("p0", "n", None)]
    assert [one["code"] for one in done.report["network"]["loose_ends"]] == ["p0"]


def test_pipes_of_a_source_leave_the_nodes_that_it_surveyed(database, tmp_path):
    nodes = frame(
        [point(0, 0), point(100, 0), point(50, 30)],
        code=["A", "B", "H"],
        network=["water"] * 3,
        kind=["source", "valve", "hydrant"],
    )
    surveyed = mapping("pipe_node", source="water works")
    bring(database, "pipe_node", write(nodes, tmp_path / "n.gpkg"), surveyed)
    named = {"from_node": ["A"], "to_node": ["B"]}
    bring(database, "pipe_segment", network(tmp_path, line((0, 0), (100, 0)), **named), PIPES)
    live = rows(database, "SELECT code, kind FROM pipe_node ORDER BY 1")
    assert live == [("A", "source"), ("B", "valve"), ("H", "hydrant")]
    assert ends(database) == [("p0", "A", "B")]


def test_surveyed_nodes_that_are_all_plain_junctions_stay(database, tmp_path):
    places = [point(0, 0), point(100, 0)]
    nodes = frame(places, code=["A", "B"], network=["water"] * 2, kind=["junction"] * 2)
    surveyed = write(nodes, tmp_path / "n.gpkg"), mapping("pipe_node", source="water works")
    bring(database, "pipe_node", *surveyed)
    bring(database, "pipe_segment", network(tmp_path, line((0, 0), (100, 0))), PIPES)
    assert rows(database, "SELECT code FROM pipe_node ORDER BY 1") == [("A",), ("B",)]
    assert ends(database) == [("p0", "A", "B")]
    done = bring(database, "pipe_node", *surveyed, again=True)
    assert done.status == "unchanged"


def test_nodes_made_from_named_ends_are_made_again_beside_surveyed_ones(database, tmp_path):
    named = {"from_node": ["J1"], "to_node": ["J2"]}
    bring(database, "pipe_segment", network(tmp_path, line((0, 0), (100, 0)), **named), PIPES)
    heat = frame([point(0, 300)], code=["H"], network=["heat"], kind=["junction"])
    surveyed = mapping("pipe_node", source="water works", partial=True)
    bring(database, "pipe_node", write(heat, tmp_path / "n.gpkg"), surveyed)
    longer = {"from_node": ["J1", "J2"], "to_node": ["J2", "J3"]}
    lines = [line((0, 0), (100, 0)), line((100, 0), (200, 0))]
    bring(database, "pipe_segment", network(tmp_path, *lines, **longer), PIPES)
    assert ends(database) == [("p0", "J1", "J2"), ("p1", "J2", "J3")]
