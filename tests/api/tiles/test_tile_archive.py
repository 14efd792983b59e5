"""The public tiles in one file: what is in it, ranges of it, and that it is never stale."""

import gzip
import subprocess
import sys
import threading

import pytest
from pmtiles.reader import MemorySource, Reader
from sqlalchemy import text, update

from api.core.caller import PUBLIC_CALLER, transaction_as
from api.tiles import tile_archive
from geo import db
from geo.model import GridPlan
from maps import build
from tests import town as t


@pytest.fixture(scope="module", autouse=True)
def built():
    build.build()


@pytest.fixture(scope="module")
def engine(town):
    engine = db.api_engine(db.api_url(town.url))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def made(engine):
    return tile_archive.bake(engine)


def current(engine):
    with transaction_as(engine, PUBLIC_CALLER, readonly=True) as connection:
        return tile_archive.current_file(connection)


def test_archive_has_the_same_tiles_as_the_database(made, client):
    reader = Reader(MemorySource(made.read_bytes()))
    assert reader.header()["max_zoom"] == 16
    compared = 0
    for tile in tile_archive.tiles_covering(_extents(client)):
        if tile.z not in (9, 14, 16):
            continue
        live = client.get(f"/tiles/{tile.z}/{tile.x}/{tile.y}").content
        kept = reader.get(tile.z, tile.x, tile.y)
        assert (gzip.decompress(kept) if kept else b"") == live
        compared += 1
    assert compared >= 6


def _extents(client):
    box = client.get("/regions", params={"level": "community"}).json()["bbox"]
    return tile_archive.np.array([box])


def test_archive_is_served_by_ranges_and_cached(made, client):
    style = client.get("/style.json", params={"archive": True}).json()
    (tiles,) = style["sources"]["city"]["tiles"]
    assert tiles == f"pmtiles:///baked/{made.name}/{{z}}/{{x}}/{{y}}"
    part = client.get(f"/baked/{made.name}", headers={"Range": "bytes=0-126"})
    assert part.status_code == 206
    assert part.content == made.read_bytes()[:127]
    assert part.content.startswith(b"PMTiles")
    assert part.headers["content-range"] == f"bytes 0-126/{made.stat().st_size}"
    assert "immutable" in part.headers["cache-control"]
    size = made.stat().st_size
    tail = client.get(f"/baked/{made.name}", headers={"Range": f"bytes={size - 9}-{size + 90}"})
    assert tail.content == made.read_bytes()[-9:]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-126", 0, 127),
        ("bytes=100-", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=-99999999", 0, None),
        ("bytes=0-999999999", 0, None),
    ],
)
def test_ranges_of_the_archive_are_exact_and_tagged(made, client, monkeypatch, asked, first, last):
    whole = made.read_bytes()
    for largest in (4_000_000, 50):  # read at once, and streamed
        monkeypatch.setattr(tile_archive, "MAX_RANGE_BYTES", largest)
        answer = client.get(f"/baked/{made.name}", headers={"Range": asked})
        part = whole[first:last]
        assert (answer.status_code, answer.content) == (206, part)
        start = whole.index(part) if first else 0
        span = f"bytes {start}-{start + len(part) - 1}/{len(whole)}"
        assert answer.headers["content-range"] == span
        assert answer.headers["etag"] == f'"{made.stem}"'
        tagged = {"Range": asked, "If-Range": answer.headers["etag"]}
        assert client.get(f"/baked/{made.name}", headers=tagged).status_code == 206


@pytest.mark.parametrize(
    "headers",
    [
        *({}, {"Range": "bytes=9-2"}, {"Range": "lines=1-2"}, {"Range": "bytes=0-1,5-6"}),
        {"Range": "bytes=0-126", "If-Range": '"other"'},
    ],
)
def test_archive_is_whole_without_a_range_that_applies(made, client, headers):
    answer = client.get(f"/baked/{made.name}", headers=headers)
    assert (answer.status_code, answer.content) == (200, made.read_bytes())
    assert answer.headers["accept-ranges"] == "bytes"
    again = client.get(f"/baked/{made.name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_range_beyond_the_archive_is_refused_with_its_size(made, client):
    size = made.stat().st_size
    for asked in (f"bytes={size}-{size + 5}", f"bytes={size}-", "bytes=-0"):
        answer = client.get(f"/baked/{made.name}", headers={"Range": asked})
        assert (answer.status_code, answer.content) == (416, b"")
        assert answer.headers["content-range"] == f"bytes */{size}"


def test_metadata_name_the_layers_that_the_tiles_have(made):
    layers = {
        one["id"]: one
        for one in Reader(MemorySource(made.read_bytes())).metadata()["vector_layers"]
    }
    read = "import pyogrio, sys; print(*(name for name, _ in pyogrio.list_layers(sys.argv[1])))"
    listed = subprocess.run(  # without the environment, by which this process may read few formats
        [sys.executable, "-c", read, made],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(listed.stdout.split()) == set(layers)
    assert set(layers["building"]["fields"]) == {"name", "use", "storeys_above"}
    assert layers["grid"]["fields"]["colour"] == "Number"
    assert layers["building"]["minzoom"] == 13
    assert layers["building"]["maxzoom"] == 16


def test_other_clients_get_plain_tiles(made, client):
    assert "pmtiles" not in client.get("/style.json").text
    draft = client.get("/style.json", params={"archive": True, "status": "draft"})
    assert "pmtiles" not in draft.text


def test_outdated_archive_is_not_used(made, engine, town, client):
    assert current(engine) == made.name
    ours = GridPlan.community_code == t.NORTH_GATE
    with town.begin() as connection:
        connection.execute(update(GridPlan).where(ours).values(status="archived"))
    try:
        assert current(engine) is None
        assert "pmtiles" not in client.get("/style.json", params={"archive": True}).text
    finally:
        with town.begin() as connection:
            connection.execute(update(GridPlan).where(ours).values(status="published"))
    assert current(engine) == made.name
    assert not list(made.parent.glob(".baking-*"))


def test_layer_that_no_public_tile_shows_leaves_the_archive_current(made, engine, town):
    with town.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dwelling (code, building_code, residents, geom) "
                "SELECT 'new', code, 3, ST_PointOnSurface(geom) FROM building LIMIT 1"
            )
        )
    try:
        assert current(engine) == made.name
    finally:
        with town.begin() as connection:
            connection.execute(text("DELETE FROM dwelling WHERE code = 'new'"))


@pytest.mark.parametrize("name", ["city-000.pmtiles", "..%2f..%2fpg", "secret.key"])
def test_only_archives_are_served(client, name):
    assert client.get(f"/baked/{name}").status_code == 404


def test_missing_archive_is_baked_by_a_process(made, engine):
    made.unlink()
    tile_archive.bake_if_stale(engine, threading.Event())
    assert current(engine) == made.name
