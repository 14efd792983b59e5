"""``gridatlas network``: checks of buried pipes."""

import pytest

from tests.command import gridatlas


@pytest.mark.usefixtures("database")
def test_check_of_an_unknown_region_is_refused_and_nothing_is_written(tmp_path):
    out = tmp_path / "pipes.gpkg"
    checked = gridatlas("network", "check", "--region", "99", "--out", out)
    assert checked.returncode == 2
    assert "has the code 99" in checked.stderr
    assert not out.exists()
