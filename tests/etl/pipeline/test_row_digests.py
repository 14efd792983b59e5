"""Rows that passed before are passed over, and nothing else comes out for it."""

import numpy as np
import pandas as pd
import pytest
import shapely
from sqlalchemy import text

from etl.pipeline import row_digests
from etl.pipeline.run import Request, import_file
from geo.db import overrides
from geo.settings import Settings
from tests.etl.delivery import (
    ANYTHING,
    STREET,
    box,
    bring,
    divisions,
    frame,
    houses,
    mapping,
    rows,
    write,
)

EVERYTHING = (
    "SELECT code, name, households, households_source, ST_AsText(geom) FROM building ORDER BY code"
)
WAITING = "SELECT code, reason FROM quarantine WHERE resolved_at IS NULL ORDER BY code, reason"


def passed_over(outcome):
    return outcome.report.get("passed_over", {}).get("building", 0)


def test_only_new_and_changed_rows_are_looked_at(database, tmp_path):
    bring(database, "building", write(houses(12), tmp_path / "a.gpkg"))
    later = houses(13)
    later.loc[3, "name"] = "改名"
    moved = later.drop(index=5).iloc[::-1]
    outcome = bring(database, "building", write(moved, tmp_path / "b.gpkg"))
    count = outcome.counts["building"]
    assert (count.added, count.changed, count.removed, count.unchanged) == (1, 1, 1, 10)
    assert passed_over(outcome) == 10
    again = bring(database, "building", write(moved, tmp_path / "c.gpkg"))
    assert (again.status, passed_over(again)) == ("unchanged", 12)


def test_rows_that_were_mended_or_refused_are_told_every_time(database, tmp_path):
    data = houses(14)
    data.loc[2, "geometry"] = shapely.Polygon([*box(900, 0).exterior.coords][::-1])
    data.loc[3, "households"] = -4
    data = pd.concat([data, data.iloc[[7]]])
    first = bring(database, "building", write(data, tmp_path / "a.gpkg"))
    again = bring(database, "building", write(data, tmp_path / "b.gpkg"))
    assert passed_over(again) == 12
    for key in ("repairs", "rejected", "rows"):
        assert again.report[key] == first.report[key]
    assert again.report["repairs"]["building"] == {"ring_order": 1, "duplicate": 1}


@pytest.mark.parametrize("what", ["mapping", "rule", "community", "register"])
def test_what_the_checks_depend_on_has_every_row_looked_at(database, tmp_path, monkeypatch, what):
    file = write(houses(12), tmp_path / "a.gpkg")
    bring(database, "building", file, mapping(source="survey"))
    how = mapping(source="survey")
    if what == "mapping":
        how = mapping(source="survey", constants={"use": "residential"}, guard=ANYTHING)
    if what == "rule":
        monkeypatch.setattr(row_digests, "_rules", lambda: b"other sources")
    if what == "community":
        divisions(database, tmp_path, (STREET[:9] + "001", box(0, 0, 900, 900)))
    if what == "register":
        told = pd.DataFrame({"code": ["b001"], "households": [7]})
        told.to_csv(tmp_path / "r.csv", index=False)
        assert bring(database, "register", tmp_path / "r.csv").status == "published"
    outcome = bring(database, "building", file, how, again=True)
    assert passed_over(outcome) == 0
    once_more = bring(database, "building", file, how, again=True)
    assert passed_over(once_more) == 12
    kept = 1 if what == "register" else 0
    assert outcome.report["register_kept"] == once_more.report["register_kept"] == kept


def test_what_a_person_corrected_is_told_every_time(database, tmp_path):
    file = write(houses(12), tmp_path / "a.gpkg")
    bring(database, "building", file)
    with database.begin() as connection:
        overrides.set_override(connection, "building", "b004", {"households": "77"}, "王五")
    told = [bring(database, "building", file, again=True) for _ in range(2)]
    assert [passed_over(one) for one in told] == [0, 11]
    kept = [[one["code"] for one in outcome.report["corrections_kept"]] for outcome in told]
    assert kept == [["b004"], ["b004"]]
    with database.begin() as connection:
        overrides.clear_override(connection, "building", "b004", "王五")
    bring(database, "building", file)
    assert rows(database, "SELECT households FROM building WHERE code = 'b004'") == [(24,)]


def test_what_was_changed_by_hand_is_brought_back(database, tmp_path):
    file = write(houses(12), tmp_path / "a.gpkg")
    bring(database, "building", file)
    with database.begin() as connection:
        connection.execute(text("UPDATE building SET name = '错' WHERE code = 'b004'"))
    outcome = bring(database, "building", file)
    assert (outcome.status, outcome.counts["building"].changed) == ("published", 1)
    assert rows(database, "SELECT name FROM building WHERE code = 'b004'") == [("4号楼",)]


def test_layer_published_meanwhile_has_every_row_looked_at(database, tmp_path):
    file = write(houses(12), tmp_path / "a.gpkg")
    bring(database, "building", file, mapping(source="survey"))
    beside = frame([box(0, 900)], code=["other"], name=["旁"], households=[3])
    other = write(beside, tmp_path / "b.gpkg")
    published = []

    def meanwhile(step, done, total):
        if step == "stage" and not published:
            published.append(bring(database, "building", other, mapping(source="other")))

    request = Request("building", file, mapping(source="survey"), again=True)
    outcome = import_file(database, request, Settings(), meanwhile)
    assert (outcome.status, passed_over(outcome)) == ("unchanged", 0)
    assert outcome.counts["building"].unchanged == 12


def test_held_run_publishes_the_rows_it_passed_over(database, tmp_path):
    from etl.runs.approve import approve

    bring(database, "building", write(houses(30), tmp_path / "a.gpkg"))
    held = bring(database, "building", write(houses(10), tmp_path / "b.gpkg"))
    assert (held.status, passed_over(held)) == ("held", 10)
    approve(database, held.run)
    assert len(rows(database, EVERYTHING)) == 10


def _deliveries(seed):
    """Return files of one source in which rows come, change, repeat, break and go."""
    rng = np.random.default_rng(seed)
    data = houses(40)
    data.loc[4, "geometry"] = shapely.Polygon([*box(700, 200).exterior.coords][::-1])
    data.loc[6, "geometry"] = data.loc[5, "geometry"]
    for _ in range(5):
        chosen = data[rng.random(len(data)) < 0.9].copy()
        changed = rng.random(len(chosen)) < 0.1
        chosen.loc[changed, "households"] = rng.integers(-1, 9, int(changed.sum()))
        twice = rng.random(len(chosen)) < 0.05
        chosen = pd.concat([chosen, chosen[twice]])
        yield chosen.sample(frac=1, random_state=int(rng.integers(1000)))


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_out_as_if_every_row_were_looked_at(database, tmp_path, monkeypatch, seed):
    how = mapping(guard=ANYTHING)

    def all_brought():
        found = []
        for number, data in enumerate(_deliveries(seed)):
            file = write(data, tmp_path / f"{number}.gpkg", append=False)
            outcome = bring(database, "building", file, how, again=True)
            told = {key: outcome.report.get(key) for key in ("repairs", "rows", "rejected")}
            found.append((outcome.status, vars(outcome.counts["building"]), told))
            found.append((rows(database, EVERYTHING), rows(database, WAITING)))
        return found

    trusting = all_brought()
    with database.begin() as connection:
        connection.execute(text("TRUNCATE building, import_run, layer_revision CASCADE"))
    monkeypatch.setattr(row_digests, "known", lambda *_: row_digests.KnownRows())
    assert all_brought() == trusting
