"""The night, the quarantine, and proposed mappings, as the command line does them."""

import json
import os
import tomllib
from pathlib import Path

import geopandas as gpd
import pytest

from etl.input.mapping import merge_options, validate_mapping
from etl.input.mapping_proposal import suggest_mapping
from etl.runs.nightly import exit_code, run_nightly
from etl.runs.quarantine import export, replay
from geo.errors import InputError
from geo.settings import Settings
from tests.command import gridatlas
from tests.etl.delivery import ANYTHING, box, bring, frame, houses, mapping, rows, write

pytestmark = pytest.mark.usefixtures("english")

ROOT = Path(__file__).parents[3]
MAPPING = 'layer = "building"\nsource = "survey"\nfile = "houses*.gpkg"\n'


def night(database, folder: Path) -> tuple[list[str], int, list[dict[str, object]]]:
    with (folder / "log.jsonl").open("w+", encoding="utf-8") as log:
        nights = run_nightly(database, folder, Settings(), reports=folder / "reports", log=log)
        log.seek(0)
        return [one.status for one in nights], exit_code(nights), [json.loads(line) for line in log]


def test_night_imports_parents_first_and_goes_on_after_a_bad_file(database, tmp_path):
    write(houses(), tmp_path / "houses_1.gpkg")
    (tmp_path / "building.toml").write_text(MAPPING)
    (tmp_path / "broken.toml").write_text('layer = "road"\nfile = "roads.gpkg"')
    (tmp_path / "roads.gpkg").write_bytes(b"no roads")
    write(frame([box(0, 0, 900, 900)], 编码=["c1"], 名称=["檀溪小区"]), tmp_path / "quarters.gpkg")
    (tmp_path / "z.toml").write_text('layer = "compound"\nfile = "quarters.gpkg"')
    states, code, log = night(database, tmp_path)
    assert (states, code) == (["published", "published", "rejected"], 2)
    ends = [line for line in log if line["event"] == "end"]
    assert [line["layer"] for line in ends] == ["compound", "building", "road"]
    assert ends[1]["counts"]["building"]["added"] == 12
    assert (tmp_path / "reports" / f"run-{ends[1]['run']}.html").exists()
    assert next(line for line in log if line["event"] == "error")["key"] == "file_unreadable"


def test_night_takes_the_newest_file_and_repeats_nothing(database, tmp_path):
    (tmp_path / "building.toml").write_text(MAPPING)
    old = write(houses(20), tmp_path / "houses_2.gpkg")
    os.utime(old, (1, 1))
    write(houses(12), tmp_path / "houses_1.gpkg")
    assert night(database, tmp_path)[:2] == (["published"], 0)
    assert rows(database, "SELECT count(*) FROM building") == [(12,)]
    assert night(database, tmp_path)[:2] == (["unchanged"], 0)


def test_night_holds_and_says_so(database, tmp_path):
    (tmp_path / "building.toml").write_text(MAPPING)
    file = write(houses(40), tmp_path / "houses.gpkg")
    night(database, tmp_path)
    file.unlink()
    write(houses(10), file)
    assert night(database, tmp_path)[:2] == (["held"], 3)


def test_link_out_of_the_folder_is_not_followed(database, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "houses.gpkg").symlink_to(write(houses(), tmp_path / "secret.gpkg"))
    (folder / "building.toml").write_text(MAPPING)
    states, code, log = night(database, folder)
    assert (states, code) == (["rejected"], 2)
    assert "is a link to a place outside" in str(log[-2]["said"])


def test_commands_show_runs_and_leave_with_their_codes(database, tmp_path):
    file = write(houses(40), tmp_path / "a.gpkg")
    done = gridatlas("import", "building", file, "--report", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "run-1.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    held = gridatlas("import", "building", write(houses(10), tmp_path / "b.gpkg"), cwd=tmp_path)
    assert held.returncode == 3, held.stderr
    assert "gridatlas import-runs approve 2" in held.stdout
    bad = gridatlas("import", "building", tmp_path / "none.gpkg", cwd=tmp_path)
    assert bad.returncode == 2
    assert "does not exist" in bad.stderr
    listed = gridatlas("import-runs", cwd=tmp_path).stdout
    assert all(word in listed for word in ("published", "held", "rejected"))
    assert gridatlas("import-runs", "approve", "2", cwd=tmp_path).returncode == 0
    assert gridatlas("import-runs", "rollback", "2", cwd=tmp_path).returncode == 0
    assert rows(database, "SELECT count(*) FROM building") == [(40,)]
    assert gridatlas("import-runs", "show", "9", cwd=tmp_path).returncode == 2
    assert (
        gridatlas("override", "set", "building", "b001", "households=77", cwd=tmp_path).returncode
        == 0
    )
    assert rows(database, "SELECT households FROM building WHERE code = 'b001'") == [(77,)]
    wrong = gridatlas("override", "set", "building", "b001", "households=many", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "households = many is not allowed in b001" in wrong.stderr
    assert gridatlas("override", "clear", "building", "b001", cwd=tmp_path).returncode == 0


def refused(database, tmp_path):
    data = houses(30).rename(columns={"code": "编码", "households": "户数"})
    data.loc[3, "户数"], data.loc[5, "户数"] = -1, -2
    return bring(database, "building", write(data.to_crs("EPSG:4546"), tmp_path / "a.gpkg"))


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "csv"])
def test_refused_features_are_mended_in_a_file_and_brought_again(database, tmp_path, ending):
    refused(database, tmp_path)
    file = tmp_path / f"q.{ending}"
    assert export(database, file) == 2
    if ending == "csv":
        lines = file.read_text(encoding="utf-8-sig")
        assert ",-1," in lines
        file.write_text(lines.replace(",-1,", ",31,") + ",,,,,\n", encoding="gbk")  # as Excel does
    else:
        data = gpd.read_file(file)
        data.loc[0, "户数"] = 31
        file.unlink()
        write(data, file)
    [outcome] = replay(database, Settings(), file=file)
    assert outcome.status in ("published", "held")
    assert rows(database, "SELECT households FROM building WHERE code = 'b003'") == [(31,)]
    waiting = rows(database, "SELECT code FROM quarantine WHERE resolved_at IS NULL")
    assert waiting == [("b005",)]
    west = rows(database, "SELECT ST_XMin(geom) FROM building WHERE code = 'b003'")[0][0]
    assert west == pytest.approx(box(150, 0).bounds[0], abs=1e-7)


def test_exported_whole_numbers_stay_whole_beside_empty_cells(database, tmp_path):
    data = houses(4, year_built=[None, 1999, 2001, None])
    data["households"] = [-1, -66, -2, 7]
    bring(database, "building", write(data, tmp_path / "a.gpkg"), mapping(guard=ANYTHING))
    export(database, tmp_path / "q.csv")
    cells = [line.split(",") for line in (tmp_path / "q.csv").read_text("utf-8-sig").splitlines()]
    told = [dict(zip(cells[0], line, strict=False)) for line in cells[1:]]
    assert [(one["households"], one["year_built"]) for one in told] == [
        ("-1", ""),
        ("-66", "1999"),
        ("-2", "2001"),
    ]


def test_exported_file_with_a_number_changed_is_refused(database, tmp_path):
    refused(database, tmp_path)
    file = tmp_path / "q.csv"
    export(database, file)
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    lines[1] = "x" + lines[1]
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError) as error:
        replay(database, Settings(), file=file)
    assert error.value.message("en").startswith(f"{file}, row 1: quarantine_id is x")


def test_refused_features_are_brought_again_when_what_they_need_is_there(database, tmp_path):
    units = frame([box(0, 0).centroid], code=["u1"], building_code=["b000"], households=[5])
    bring(database, "building_unit", write(units, tmp_path / "u.gpkg"))
    assert rows(database, "SELECT reason FROM quarantine") == [("reference_unknown",)]
    bring(database, "building", write(houses(), tmp_path / "a.gpkg"))
    replay(database, Settings())
    assert rows(database, "SELECT code, households FROM building_unit") == [("u1", 5)]
    with pytest.raises(InputError, match="quarantine is empty"):
        replay(database, Settings())


def test_suggested_mapping_can_be_used_as_it_is(database, tmp_path):
    data = houses(6).rename(columns={"code": "建筑编号", "name": "楼名"})
    data["结构"], data["高度"] = ["钢混"] * 5 + ["XX"], [18_000.0] * 6
    file = write(data, tmp_path / "楼栋.gpkg")
    proposal = suggest_mapping(file)
    how = validate_mapping(tomllib.loads(proposal), "proposal")
    assert how.layer == "building"
    assert how.columns["height_m"].unit == "mm"
    assert '"XX" = "?"' in proposal
    mended = tomllib.loads(proposal.replace('"XX" = "?"', '"XX" = "other"'))
    bring(database, "building", file, validate_mapping(mended, "proposal"))
    assert rows(database, "SELECT structure, height_m FROM building WHERE code = 'b005'") == [
        ("other", 18.0)
    ]


def test_mapping_of_another_layer_is_refused(tmp_path):
    with pytest.raises(InputError, match="for the layer building, not for road"):
        merge_options(mapping(), "road")
