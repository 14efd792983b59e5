"""``gridatlas atlas``: the pages of a region."""

from tests import town as t
from tests.command import gridatlas


def test_atlas_is_written_and_its_index_is_named(town, tmp_path):
    out = tmp_path / "atlas"
    done = gridatlas("atlas", "--region", t.DRUM_TOWER, "--out", out)
    assert done.returncode == 0, done.stderr
    assert str(out / "index.html") in done.stdout
    assert (out / f"{t.DRUM_TOWER}.html").exists()


def test_region_without_grids_is_refused_and_leaves_no_folder(town, tmp_path):
    out = tmp_path / "atlas"
    done = gridatlas("atlas", "--region", "99", "--out", out)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not out.exists()
