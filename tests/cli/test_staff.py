"""``gridatlas staff`` as a clerk uses it."""

import openpyxl
import pytest
from typer.testing import CliRunner

from cli.main import app
from geo import db
from geo.errors import InputError
from tests import town as t

pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture
def run(database, monkeypatch):
    t.build(database)
    monkeypatch.setattr(db, "get_engine", lambda: database)

    def run(*words):
        return CliRunner().invoke(app, ["staff", *map(str, words)], catch_exceptions=True)

    return run


def test_workbook_is_written_filled_in_checked_and_imported(run, tmp_path):
    file = tmp_path / "staff.xlsx"
    assert run("workbook", file, "--region", t.NORTH_GATE).exit_code == 0
    book = openpyxl.load_workbook(file)
    assert [cell.value for cell in book.active[1]][:3] == ["Grid code", "Role", "Name"]
    book.active["C2"] = "王秀兰"
    book.save(file)
    checked = run("import", file, "--dry-run")
    assert "1 manager" in checked.output
    assert "5 vacancies" in checked.output
    assert "Nothing was written" in checked.output
    assert "1 change" in run("import", file).output
    listed = run("list", "--region", t.NORTH_GATE, "--vacant").output
    assert "5 grids, 5 without a manager" in listed
    assert f"{t.NORTH_GATE}001" not in listed
    book.active["D2"] = "call me"
    book.save(file)
    refused = run("import", file)
    assert isinstance(refused.exception, InputError)
    assert "1 problem; nothing was written" in str(refused.exception)
    assert isinstance(run("import", tmp_path / "none.xlsx").exception, InputError)
