"""Files that try to open other files or addresses: no connection is made and nothing leaks."""

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import Engine

from etl.input.mapping import validate_mapping
from etl.input.source import layer_names, open_dataset, open_layer
from etl.input.vector import read_vector
from etl.runs.nightly import run_nightly
from geo.errors import InputError
from geo.settings import Settings
from tests.etl.attacks import MARK, attack_files, listening, secret_file
from tests.etl.delivery import bring, houses, made, rows, write

ROOT = Path(__file__).parents[3]


@pytest.fixture
def listener():
    with listening() as listener:
        yield listener


@pytest.fixture
def attacks(tmp_path, listener) -> list[Path]:
    folder = tmp_path / "delivered"
    folder.mkdir()
    return attack_files(folder, listener.address, secret_file(tmp_path))


def leaks(engine: Engine) -> int:
    """Return in how many rows the content of the file outside stands."""
    tables = ("building", "quarantine", "import_run")
    counts = (
        rows(engine, f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%{MARK}%'")
        for table in tables
    )
    return sum(count for [(count,)] in counts)


def test_no_layer_of_any_file_reaches_beyond_it(attacks, listener):
    seen = []
    for file in attacks:
        with suppress(InputError), open_dataset(file) as data:
            for layer in layer_names(data):
                with suppress(InputError):
                    for batch in open_layer(data, layer).batches():
                        seen += [str(batch.row(i)) for i in range(len(batch))]
        with suppress(InputError):
            seen.append(read_vector(file).to_string())
    assert any("b001" in row for row in seen)  # what is harmless in them is read
    assert not listener.heard
    assert not any(MARK in row for row in seen)


def test_nightly_import_of_attacks_reaches_nothing(database, attacks, listener, tmp_path):
    folder = attacks[0].parent
    for file in attacks:
        (folder / f"{file.name}.toml").write_text(f'layer = "building"\nfile = "{file.name}"')
    nights = run_nightly(database, folder, Settings(), reports=tmp_path / "reports")
    assert len(nights) == len(attacks)
    assert not [(night.file, night.said) for night in nights if night.status == "failed"]
    assert not listener.heard
    assert leaks(database) == 0


def test_command_line_reaches_nothing(database, attacks, listener, tmp_path):
    chosen = {"vrt_file", "vrt_address", "view_geocode", "tables", "links", "xref"}
    folder = attacks[0].parent
    for file in attacks:
        if file.stem in chosen:
            (folder / f"{file.name}.toml").write_text(f'layer = "building"\nfile = "{file.name}"')
    environment = os.environ | {
        "PYTHONPATH": os.fspath(ROOT),
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "GDAL_SKIP": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "nightly", os.fspath(folder)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert not listener.heard
    assert leaks(database) == 0


def test_argument_that_is_an_address_is_no_file(database, listener):
    port = listener.address.rsplit(":", 1)[1]
    for name in (
        f"/vsicurl/{listener.address}/a.gpkg",
        f"/vsizip//vsicurl/{listener.address}/a.zip/a.gpkg",
        f"{listener.address}/a.geojson",
        f"PG:host=127.0.0.1 port={port} dbname=a.gpkg",
        f"MYSQL:a,host=127.0.0.1,port={port},tables=a.shp",
        f"WFS:{listener.address}/a.kml",
        f"OAPIF:{listener.address}/a.json",
        f"GeoJSON:{listener.address}/a.geojson",
    ):
        for file in (Path(name), Path(f"./{name}")):
            with pytest.raises(InputError) as refused:
                bring(database, "building", file)
            assert refused.value.key == "file_missing"
    assert not listener.heard


@pytest.mark.parametrize(
    "name", ["a!b.gpkg", "a;b.gpkg", "a?b#c.geojson", "a.zip!b.gpkg", "甲:乙.shp"]
)
def test_name_that_looks_like_an_address_or_an_archive_is_read_as_a_file(tmp_path, name):
    made(tmp_path / "b.gpkg", b"another file")
    file = write(houses(3), tmp_path / ("x" + Path(name).suffix))
    for part in tmp_path.glob("x.*"):
        part.rename(tmp_path / (Path(name).stem + part.suffix))
    with open_dataset(file.with_name(name)) as data:
        [batch] = open_layer(data).batches()
    assert batch.columns["code"].to_pylist() == ["b000", "b001", "b002"]


def test_file_that_needs_more_memory_than_its_size_allows_is_refused(database, tmp_path):
    """Some kilobytes that repeat one text of a megabyte 20,000 times."""
    file = tmp_path / "bomb.parquet"
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["x" * 2**20])
    table = pa.table({"code": text, "geometry": pa.array([b""] * 20_000, pa.binary())})
    said = {"version": "1.1.0", "primary_column": "geometry"}
    said["columns"] = {"geometry": {"encoding": "WKB"}}
    with parquet.ParquetWriter(file, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"geo": json.dumps(said)})
    assert file.stat().st_size < 2 * 2**20
    with pytest.raises(InputError) as refused:
        bring(database, "building", file, validate_mapping({"layer": "building"}, "test"))
    assert refused.value.key in ("file_beyond_limits", "file_unreadable")
    assert refused.value.message("zh") != refused.value.message("en")


def test_readers_end_with_the_process_that_started_them(tmp_path):
    file = write(houses(3), tmp_path / "a.gpkg")
    script = (
        "import os, sys; from pathlib import Path; from etl.input.source import layer_names\n"
        "print(layer_names(Path(sys.argv[1])), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, os.fspath(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
    )
    with process:
        assert b"a" in process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
    assert children
    for child in children:
        with suppress(ProcessLookupError):
            ended, _, _ = select.select([os.pidfd_open(int(child))], [], [], 30)
            assert ended


def test_rows_in_the_write_ahead_log_of_a_geopackage_are_read(tmp_path):
    file = write(houses(3), tmp_path / "a.gpkg", SPATIAL_INDEX="NO")
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE a SET households = 99 WHERE code = 'b001'")
        writer.commit()
        with open_dataset(file) as data:
            [batch] = open_layer(data).batches()
    assert batch.columns["households"].to_pylist() == [20, 99, 22]
