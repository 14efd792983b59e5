"""Commands on full and read-only disks, with closed output, and in other locales."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from geo.db import local_server
from geo.messages import catalogue
from tests.command import gridatlas
from tests.conftest import open_folder
from tests.etl.delivery import houses, rows, write

ROOT = Path(__file__).parents[2]
LAYER = "building"


def start_gridatlas(
    *words: str | bytes | Path, cwd: Path, before: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command from the start of its interpreter."""
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT), "GRIDATLAS_LANG": "en"} | variables
    command = [*before, sys.executable, "-m", "cli.main", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True)


def error_output(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode()


@contextmanager
def full_disk(folder: Path) -> Iterator[Sequence[str]]:
    """Mount a full disk at a folder; yield the words with which a command there must begin.

    Without the permission to mount, the command is run with a file size limit of zero.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", os.fspath(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        yield ["prlimit", "--fsize=0"]
        return
    try:
        (folder / "fill").write_bytes(b"0" * 4096)
        yield []
    finally:
        subprocess.run(["umount", os.fspath(folder)], check=True)


def test_published_run_stays_published_if_its_report_fits_on_no_disk(database, tmp_path):
    file = write(houses(40), tmp_path / "a.gpkg")
    with full_disk(tmp_path / "reports") as before:
        done = start_gridatlas(
            *("import", LAYER, file, "--report", tmp_path / "reports"), cwd=tmp_path, before=before
        )
        assert done.returncode == 0, error_output(done)
        warning = error_output(done).splitlines()[-1]
        assert warning.startswith("! Run 1 has ended (published)")
        assert "Traceback" not in error_output(done)
        assert not list((tmp_path / "reports").glob("*run*"))
    assert rows(database, "SELECT count(*) FROM building") == [(40,)]
    again = gridatlas("import-runs", "show", "1", "--report", tmp_path / "elsewhere", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "elsewhere" / "run-1.html").exists()


def test_held_run_keeps_its_exit_code_if_its_report_can_not_be_written(database, tmp_path):
    nowhere = write(houses(40), tmp_path / "a.gpkg") / "reports"  # below a file
    first = gridatlas("import", LAYER, tmp_path / "a.gpkg", "--report", nowhere, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    file = write(houses(10), tmp_path / "b.gpkg")
    held = gridatlas("import", LAYER, file, "--report", nowhere, cwd=tmp_path)
    assert held.returncode == 3, held.stderr
    assert "Run 2 has ended (held)" in held.stderr
    shown = gridatlas("import-runs", "show", "2", "--report", nowhere, cwd=tmp_path)
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_published_run_stays_published_if_output_can_not_be_written(database, tmp_path, stream):
    file = write(houses(40), tmp_path / "a.gpkg")
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT), "GRIDATLAS_LANG": "en"}
    command = [sys.executable, "-m", "cli.main", "import", LAYER, os.fspath(file)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: full},
        )
    assert done.returncode == 0
    assert b"Traceback" not in (done.stderr or b"")
    assert rows(database, "SELECT status FROM import_run") == [("published",)]


def test_nightly_import_is_published_if_log_and_report_can_not_be_written(database, tmp_path):
    (tmp_path / "in").mkdir()
    file = write(houses(40), tmp_path / "in" / "houses.gpkg")
    (tmp_path / "in" / "building.toml").write_text('layer = "building"\nfile = "houses.*"\n')
    words = ("nightly", tmp_path / "in", "--reports", file / "reports", "--log")
    done = gridatlas(*words, "/dev/full", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The log of the nightly run can't be written" in done.stderr
    assert "Run 1 has ended (published)" in done.stderr
    assert rows(database, "SELECT count(*) FROM building") == [(40,)]
    refused = gridatlas(*words, file / "log", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("✗ ")
    assert rows(database, "SELECT count(*) FROM import_run") == [(1,)]


def test_unwritable_file_is_reported_in_one_line(database, tmp_path):
    file = write(houses(10), tmp_path / "a.gpkg")
    done = gridatlas("mapping", "suggest", file, "--out", file / "below", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"✗ {file / 'below'} can't be read or written: Not a directory. Check that it exists, that "
        "you have permission, and that the disk is not full."
    ]
    with Path("/dev/full").open("wb") as full:
        listed = subprocess.run(
            [sys.executable, "-m", "cli.main", "import-runs"],
            env=os.environ | {"PYTHONPATH": os.fspath(ROOT), "GRIDATLAS_LANG": "en"},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert listed.returncode == 1
    assert listed.stderr.decode().startswith("✗ the output can't be read or written: No space")


PROVE = """
import numpy as np
from geo.partition import graph_from_arrays, prove
graph = graph_from_arrays([200, 210], [(0, 1)], [30.0])
print(prove(graph, np.array([0, 0])).gap)
"""


@pytest.mark.parametrize("has_home", [True, False])
def test_compiled_code_of_a_read_only_checkout_is_cached_in_the_home(tmp_path, has_home):
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    copied = ["cp", "-r", os.fspath(ROOT / "geo"), os.fspath(checkout / "geo")]
    checkout.mkdir()
    home.mkdir()
    subprocess.run(copied, check=True)
    subprocess.run(["rm", "-rf", os.fspath(checkout / "geo/compiled")], check=True)
    closed = [checkout] if has_home else [checkout, home]
    subprocess.run(["chmod", "-R", "a-w", *map(os.fspath, closed)], check=True)
    # Root can write everywhere unless it drops the capability to do so.
    without_rights = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    variables = {"PYTHONPATH": checkout, "GRIDATLAS_HOME": home, "HOME": "/nonexistent"}
    variables["GRIDATLAS_LANG"] = "en"
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [*without_rights, sys.executable, "-c", PROVE],
        env=environment | {name: os.fspath(value) for name, value in variables.items()},
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    subprocess.run(["chmod", "-R", "u+w", *map(os.fspath, closed)], check=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0.0\n"
    assert len(list(home.glob("cache/proof-*.kernels"))) == has_home
    assert ("can't be stored" in done.stderr) == (not has_home)


GBK = "zh_CN.GBK"


@pytest.fixture
def gbk() -> dict[str, str]:
    """Return the variables of a machine in the locale zh_CN.GBK."""
    code = "import locale; locale.setlocale(locale.LC_ALL, ''); print(locale.getencoding())"
    variables = {"LC_ALL": GBK, "GRIDATLAS_LANG": ""}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True
    )
    assert printed.stdout.strip().lower() == "gbk", "./gridatlas test makes the locale zh_CN.GBK"
    return variables


def test_chinese_paths_work_in_a_gbk_locale(database, tmp_path, gbk):
    folder = tmp_path / "测试 目录"
    folder.mkdir()
    file = write(
        houses(12, name=["镕𠮷楼"] * 12), folder / "楼.gpkg"
    )  # GBK lacks one of the characters
    done = start_gridatlas("import", LAYER, file, "--report", folder / "报告", cwd=folder, **gbk)
    assert done.returncode == 0, done.stderr
    assert f"报告：{folder}/报告/run-1.html" in done.stdout.decode("gbk")
    assert (folder / "报告" / "run-1.html").exists()
    assert rows(database, "SELECT DISTINCT name FROM building") == [("镕𠮷楼",)]
    out = start_gridatlas("export", LAYER, "导出.gpkg", cwd=folder, **gbk)
    assert out.returncode == 0, out.stderr
    assert (folder / "导出.gpkg").exists()
    assert "导出.gpkg" in out.stdout.decode("gbk")
    typed = start_gridatlas(
        "override", "set", LAYER, "b001", "name=王府".encode("gbk"), cwd=folder, **gbk
    )
    assert typed.returncode == 0, typed.stderr
    assert rows(database, "SELECT name FROM building WHERE code = 'b001'") == [("王府",)]


def test_file_name_that_is_not_utf8_is_refused_in_one_line(database, tmp_path, gbk):
    name = "建筑.gpkg".encode("gbk")
    write(houses(12), tmp_path / "a.gpkg").rename(tmp_path / os.fsdecode(name))
    for variables in (gbk, {"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}):
        done = start_gridatlas("import", LAYER, name, cwd=tmp_path, **variables)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert "is not UTF-8" in error_output(done)


def test_home_with_a_chinese_name_works_in_a_gbk_locale(gbk):
    with open_folder() as folder:
        home = folder / "机器" / "网格 图谱"
        variables = gbk | {"GRIDATLAS_HOME": os.fspath(home), "DATABASE_URL": ""}
        try:
            done = start_gridatlas("db", "start", cwd=folder, **variables)
            assert done.returncode == 0, done.stderr.decode("gbk")
            listed = start_gridatlas("import-runs", cwd=folder, **variables)
            assert listed.stdout.decode("gbk").strip() == catalogue("zh")["import.no_runs"]
        finally:
            local_server.stop(home)


@pytest.mark.locale
def test_language_is_that_of_the_machine(database):
    done = CliRunner().invoke(app, ["import-runs"])
    lang = "zh" if os.environ.get("LC_ALL", "").startswith("zh") else "en"
    assert done.output.strip() == catalogue(lang)["import.no_runs"]
