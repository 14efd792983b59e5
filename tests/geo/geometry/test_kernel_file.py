"""The stored machine code of the kernels: who compiles, and what is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from geo.geometry import kernel_file

ROOT = Path(__file__).parents[3]
NEVER_COMPILES = """
import numpy as np
import shapely
from numba.core import event
from geo.partition import graph_from_arrays, prove, search_parts
from geo.partition.constraints import Constraints
from geo.partition.draw import draw
from geo.partition.previous_plan import PreviousPlan
from geo.partition.search.strategy import Effort
from tests.geo.partition.places import community, rows_of_houses

effort = Effort(generations=1, moves_per_node=1)
with event.install_recorder("numba:compile") as compiled:
    place = community(
        shapely.box(0, 0, 250, 300),
        rows_of_houses(5, 11, 10),
        roads=[{"geom": shapely.LineString([(70, -10), (70, 310)])}],
        compounds=[{"code": "c1", "gated": True, "geom": shapely.box(80, 0, 250, 100)}],
        waters=[{"kind": "lake", "geom": shapely.box(150, 200, 200, 220)}],
    )
    first = draw(place, Constraints(effort=effort))
    draw(place, Constraints(effort=effort), PreviousPlan(first.grids, first.members))
    graph = graph_from_arrays([200, 180, 210, 190], [(0, 1), (1, 2), (2, 3)], [30, 30, 30])
    prove(graph, search_parts(graph, effort=effort))
print([record.data["dispatcher"].py_func.__name__ for _, record in compiled.buffer])
"""
READ = (
    "from pathlib import Path; from geo.geometry import kernel_file as k; print(k.read(Path('{}')))"
)
WRITE = "from geo.geometry import kernel_file as k; k.write(k.places('proof')[0], {})"
LOAD = "from geo.geometry import kernel_file; print(sorted(kernel_file.load_or_build('proof')))"


@pytest.fixture
def stored(tmp_path):
    """Return a file with code of this environment."""
    kernel_file.write(tmp_path / "a.kernels", {"loop": b"code"})
    return tmp_path / "a.kernels"


@pytest.fixture
def checkout(tmp_path):
    """Return a copy of the sources without what is compiled from them."""
    ignored = shutil.ignore_patterns("__pycache__", "compiled")
    shutil.copytree(ROOT / "geo", tmp_path / "checkout" / "geo", ignore=ignored)
    return tmp_path / "checkout"


def start(checkout, code, **variables):
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": os.fspath(checkout), "GRIDATLAS_LANG": "en", **variables}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out.strip()


def test_process_that_draws_redraws_and_proves_compiles_nothing():
    kernel_file.load_or_build("draw")
    kernel_file.load_or_build("proof")
    assert printed(start(ROOT, NEVER_COMPILES)) == "[]"


def test_written_code_is_read_again(stored):
    assert kernel_file.read(stored) == {"loop": b"code"}


@pytest.mark.parametrize("damage", ["cut off", "flipped", "empty", "no file", "other format"])
def test_damaged_file_is_refused(stored, damage):
    content = stored.read_bytes()
    middle = content.index(b"loop")
    damaged = {
        "cut off": content[:-1],
        "flipped": content[:middle] + b"l00p" + content[middle + 4 :],
        "empty": b"",
        "other format": b"\xff\n\n\x80\x04",
    }
    stored.unlink() if damage == "no file" else stored.write_bytes(damaged[damage])
    assert kernel_file.read(stored) is None


def test_code_of_another_compiler_is_refused(stored):
    head, digest, code = stored.read_bytes().split(b"\n", 2)
    assert b"numba " in head
    stored.write_bytes(b"\n".join([head.replace(b"numba ", b"numba 0."), digest, code]))
    assert kernel_file.read(stored) is None


@pytest.mark.parametrize("variable", ["NUMBA_CPU_NAME", "NUMBA_BOUNDSCHECK"])
def test_code_for_another_processor_or_other_options_is_refused(stored, variable):
    code = READ.format(stored)
    assert "loop" in printed(start(ROOT, code))
    assert printed(start(ROOT, code, **{variable: "1"})) == "None"


@pytest.mark.parametrize(
    "changed", ["partition/search/kernel.py", "geometry/shared_borders.py", "types.py"]
)
def test_code_of_other_sources_is_refused(stored, checkout, changed):
    """Of changed kernels, and of changed modules that they import."""
    code = READ.format(stored)
    assert "loop" in printed(start(checkout, code))
    with (checkout / "geo" / changed).open("a") as source:
        source.write("\nX = 1\n")
    assert printed(start(checkout, code)) == "None"


def test_two_processes_that_find_a_damaged_file_compile_once(checkout):
    (checkout / "geo" / "compiled").mkdir()
    printed(start(checkout, WRITE))
    [file] = checkout.glob("geo/compiled/proof-*.kernels")
    file.write_bytes(file.read_bytes()[:-1])
    processes = [start(checkout, LOAD) for _ in range(2)]
    results = [process.communicate() for process in processes]
    assert results[0][0] == results[1][0]
    assert "geo.partition.proof.frontier.expand_states" in results[0][0]
    assert "".join(err for _, err in results).count("» Compiling the proof") == 1
    assert printed(start(checkout, LOAD)) == results[0][0].strip()


def test_new_code_replaces_that_of_older_sources(stored):
    older = stored.with_name("proof-cpython-311-x86_64-linux-gnu-0123456789ab.kernels")
    other_python = stored.with_name("proof-cpython-312-x86_64-linux-gnu-0123456789ab.kernels")
    for file in (older, other_python):
        file.write_bytes(b"")
    kernel_file.write(older.with_stem("proof-cpython-311-x86_64-linux-gnu-ba9876543210"), {})
    assert not older.exists()
    assert other_python.exists()
