"""``gridatlas import city`` with a register in the file."""

import pandas as pd
import pyogrio
from typer.testing import CliRunner

from cli.main import app
from tests.etl.delivery import houses, rows, write


def test_register_of_a_file_follows_its_buildings(database, tmp_path):
    file = write(houses(2), tmp_path / "a.gpkg", layer="building")
    register = pd.DataFrame({"楼栋编码": ["b000"], "户数": [9]})
    pyogrio.write_dataframe(register, file, layer="register", append=True)
    done = CliRunner().invoke(app, ["import", "city", str(file), "--report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    live = rows(database, "SELECT code, households, households_source FROM building ORDER BY 1")
    assert live == [("b000", 9, "register"), ("b001", 21, "survey")]
    assert "--layer NAME" not in done.output
