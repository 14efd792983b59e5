"""The file of kinds is complete and bilingual, and mistakes in a city's own are told clearly."""

import tomllib

import pytest

from geo.casework.kinds import DEFAULT_FILE, load_kinds
from geo.errors import GridatlasError, InputError, NotFoundError, SetupError
from geo.model.casework import Flow

pytestmark = pytest.mark.usefixtures("english")

KIND = """
[departments.water]
zh = "供排水"
en = "Water"

[[kinds]]
key = "burst_pipe"
group = "event"
zh = "管道破裂"
en = "Burst pipe"
days = 1
level = "grid"
visibility = "public"
department = "water"
"""


def test_kinds_of_the_project_cover_every_group():
    catalogue = load_kinds(DEFAULT_FILE)
    groups = {kind.group for kind in catalogue.kinds}
    assert groups == {"component", "event", "dispute", "property", "floating", "service"}
    for kind in catalogue.kinds:
        assert (kind.flow is Flow.DISPUTE) == (kind.group == "dispute")
        if kind.group in {"dispute", "floating", "service"}:
            assert kind.visibility == "private", kind.key
        if kind.group == "service" and kind.key != "other_service":
            assert kind.documents, kind.key
            assert kind.steps, kind.key
            assert kind.place, kind.key


def test_every_text_is_in_both_languages():
    content = tomllib.loads(DEFAULT_FILE.read_text(encoding="utf-8"))
    for named in (*content["kinds"], *content["departments"].values()):
        assert any("一" <= sign <= "鿿" for sign in named["zh"]), named
        assert named["en"].isascii(), named


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("days = 1", "days = 0", "kinds.burst_pipe.days"),
        ("days = 1", 'days = "soon"', "kinds.burst_pipe.days"),
        ("days = 1", "", "kinds.burst_pipe.days"),
        ('level = "grid"', 'level = "moon"', "kinds.burst_pipe.level"),
        ('key = "burst_pipe"', 'key = "Burst pipe"', "kinds.Burst pipe.key"),
        ('en = "Burst pipe"', "", "kinds.burst_pipe.en"),
        ('department = "water"', 'department = "fire"', "kinds.burst_pipe"),
        ("days = 1", "days = 1\nname = 2", "kinds.burst_pipe.name"),
        ("[[kinds]]", "[[kinds", "TOML"),
        (KIND[KIND.index("[[kinds]]") :], "kinds = []", "kinds"),
    ],
)
def test_mistake_names_its_place_in_one_line(tmp_path, old, new, said):
    file = tmp_path / "kinds.toml"
    file.write_text(KIND.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(GridatlasError) as raised:
        load_kinds(file)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_kind_listed_twice_is_refused(tmp_path):
    file = tmp_path / "kinds.toml"
    file.write_text(KIND + KIND[KIND.index("[[kinds]]") :], encoding="utf-8")
    with pytest.raises(InputError, match=r"kinds\.burst_pipe twice"):
        load_kinds(file)


def test_missing_file_and_unknown_kind_are_told(tmp_path):
    with pytest.raises(SetupError, match=r"kinds\.toml can't be read"):
        load_kinds(tmp_path / "kinds.toml")
    with pytest.raises(NotFoundError, match="no kind of case “unicorn”"):
        load_kinds(DEFAULT_FILE).kind("unicorn")
