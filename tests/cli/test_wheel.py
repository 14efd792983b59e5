"""The wheel: its content, and commands of an installation without a checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from geo.geometry import kernel_file
from maps import build
from tests.conftest import fresh_database

ROOT = Path(__file__).parents[2]

TRIED = """
from cli.main import main
from etl.sample.city import SAMPLE_FILE, read_sample
from geo import db
from maps import build
assert build.build() == build.dist_folder(), "there is nothing to build"
db.upgrade()
print(len(read_sample(SAMPLE_FILE)["building"]))
"""


NEAREST = """
import numpy as np
from numba.core import event
from geo.geometry.point_bins import find_nearest_in_room
with event.install_recorder("numba:compile") as compiled:
    points, room = np.array([[0.0, 0.0], [9.0, 9.0]]), np.zeros(2, dtype=np.int64)
    print(find_nearest_in_room(points, room, points, room), len(compiled.buffer))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder with what the wheel holds, as pip would unpack it."""
    folder = tmp_path_factory.mktemp("wheel")
    build.build()
    kernel_file.load_or_build("draw")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", os.fspath(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "site")
    return folder / "site"


def test_wheel_contains_pages_migrations_and_samples_but_no_page_sources(installed):
    for name in (
        *("maps/web/dist/plan.html", "maps/web/dist/atlas/atlas.js", "geo/migrations/env.py"),
        *("etl/samples/sample_s.gpkg", "geo/locale/zh/plan.toml", "maps/templates/paper/sheet.typ"),
        "geo/casework/kinds.toml",
    ):
        assert (installed / name).is_file(), name
    for name in (
        "maps/web/src",
        "maps/web/tests",
        "maps/web/package-lock.json",
        "alembic",
        "tests",
    ):
        assert not (installed / name).exists(), name


def test_installed_wheel_creates_tables_and_reads_its_sample(installed, home, tmp_path):
    with fresh_database(home) as engine:
        url = engine.url.render_as_string(hide_password=False)
        environment = {**os.environ, "PYTHONPATH": os.fspath(installed), "DATABASE_URL": url}
        done = subprocess.run(
            [sys.executable, "-c", TRIED], cwd=tmp_path, env=environment, capture_output=True
        )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) > 1000


def test_installed_wheel_draws_without_compiling(installed, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": os.fspath(installed), "GRIDATLAS_HOME": os.fspath(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", NEAREST],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[0 1] 0\n", done.stderr
    assert not list(tmp_path.rglob("*.kernels"))
