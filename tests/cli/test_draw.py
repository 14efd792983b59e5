"""``gridatlas draw`` by workload, and into micro-grids."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from geo.errors import InputError
from geo.plans import micro_grids
from tests import town as t

pytestmark = pytest.mark.usefixtures("english")
QUICK = ("--seconds", "2", "--from-scratch")


@pytest.fixture(scope="module")
def town(shared_database):
    t.build(shared_database)
    return shared_database


def gridatlas(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_workload_is_balanced_and_households_are_shown_beside_it(town, tmp_path):
    out = tmp_path / "cards.json"
    limits = ("--target", "250", "--lower", "150", "--upper", "350")
    words = ("draw", "--community", t.DRUM_TOWER, *QUICK, *limits, "--balance", "workload")
    said = gridatlas(*words, "--json", out)
    [card] = json.loads(out.read_text(encoding="utf-8"))
    score = card["score"]
    assert score["workload"] == score["households"]  # there is no register
    assert score["smallest"] == score["smallest_households"] >= 150
    assert "units of workload" in said
    with pytest.raises(InputError) as refused:
        gridatlas("draw", "--community", t.DRUM_TOWER, "--balance", "luck")
    assert "households or workload" in str(refused.value)


def test_micro_grids_are_drawn_for_plans_in_force_and_for_a_draft(town, tmp_path):
    out = tmp_path / "cards.json"
    gridatlas("draw", "--community", t.DRUM_TOWER, *QUICK, "--publish")
    said = gridatlas("draw", "--community", t.DRUM_TOWER, "--micro", "--json", out)
    [card] = json.loads(out.read_text(encoding="utf-8"))
    assert card["micro"]["parts"] >= 6 * card["micro"]["grids"] - len(card["micro"]["reasons"])
    assert f"{card['micro']['parts']} micro-grids" in said
    assert "without those of one unit over 100" in said
    for _, fields in card["micro"]["reasons"]:
        assert fields["grid"] in said
    gridatlas("draw", "--community", t.DRUM_TOWER, *QUICK, "--json", out)
    [draft] = json.loads(out.read_text(encoding="utf-8"))
    gridatlas("draw", "--from", str(draft["plan"]), "--micro")
    with town.connect() as connection:
        assert micro_grids.has_micro_grids(connection, draft["plan"])
    with pytest.raises(InputError) as refused:
        gridatlas("draw", "--from", tmp_path / "grids.gpkg", "--micro")
    assert refused.value.key == "micro_of_stored_plan"
