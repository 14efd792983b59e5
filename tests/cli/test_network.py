"""``gridatlas network``: checks of buried pipes."""

import os
import subprocess
import sys

import pytest

from tests.waiting import TIMEOUT_S


@pytest.mark.usefixtures("database")
def test_check_of_an_unknown_region_is_refused_and_nothing_is_written(tmp_path):
    out = tmp_path / "pipes.gpkg"
    checked = subprocess.run(
        [sys.executable, "-m", "cli.main", "network", "check", "--region", "99", "--out", out],
        env=os.environ | {"GRIDATLAS_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert checked.returncode == 2
    assert "has the code 99" in checked.stderr
    assert not out.exists()
