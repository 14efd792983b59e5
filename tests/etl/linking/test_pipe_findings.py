"""What an import of pipes says of doubles, parallel pipes, and valves that end no pipe."""

import shapely

from tests.etl.delivery import bring, frame, mapping, point, write


def test_doubles_parallels_and_loose_valves_are_reported(database, tmp_path):
    places = {"s": (0, 0), "a": (100, 0), "b": (200, 0), "on": (50, 0), "beside": (150, 2)}
    places |= {"away": (150, 90)}
    kinds = ["source", "junction", "end", "valve", "valve", "valve"]
    nodes = frame(
        [point(*place) for place in places.values()],
        code=list(places),
        network=["heat"] * 6,
        kind=kinds,
    )

    def line(*corners):
        return shapely.LineString([point(*corner) for corner in corners])

    pipes = frame(
        [
            line((0, 0), (100, 0)),
            line((100, 0), (200, 0)),
            line((100, 0), (0, 0)),
            line((100, 0), (150, -20), (200, 0)),
        ],
        code=["p1", "p2", "p1-again", "p2-twin"],
        network=["heat"] * 4,
        from_node=["s", "a", "a", "a"],
        to_node=["a", "b", "s", "b"],
    )
    file = write(nodes, tmp_path / "heat.gpkg", layer="pipe_node")
    write(pipes, file, layer="pipe_segment", append=True)
    outcome = bring(database, "pipe", file, mapping("pipe", source="heat works"))
    network = outcome.report["network"]
    told = {
        kind: [(one["code"], one["near"]) for one in network[kind]]
        for kind in ("doubles", "parallels", "loose_valves")
    }
    assert told == {
        "doubles": [("p1-again", "p1")],
        "parallels": [("p2-twin", "p2")],
        "loose_valves": [("beside", "p2"), ("on", "p1")],
    }
