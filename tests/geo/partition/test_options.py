"""Options as people write them: validated, or refused with the place of the error."""

import pytest

from geo.errors import InputError
from geo.partition.options import CommunityDrawOptions, DrawOptions
from geo.partition.scoring.objective import Balance, Limits, Weights

CODE = "420606007001"


@pytest.mark.parametrize(
    ("document", "key", "place"),
    [
        ({"targets": 400}, "constraints_unknown_name", "targets"),
        ({"weights": {"bordr": 1.0}}, "constraints_unknown_name", "weights.bordr"),
        ({"weights": {"border": -1}}, "constraints_wrong_value", "weights.border"),
        ({"weights": 3}, "constraints_wrong_value", "weights"),
        ({"target": "400"}, "constraints_wrong_value", "target"),
        ({"target": 0}, "constraints_wrong_value", "target"),
        ({"whole_compounds": 1}, "constraints_wrong_value", "whole_compounds"),
        ({"together": [["a"]]}, "constraints_wrong_value", "together.0"),
        ({"apart": [["a", "b", "c"]]}, "constraints_wrong_value", "apart.0"),
        ({"dedicated": ["castle"]}, "constraints_wrong_value", "dedicated.0"),
        ({"community": {"1": {}}}, "constraints_wrong_value", "community.1"),
        (
            {"community": {CODE: {"upper": 1.5}}},
            "constraints_wrong_value",
            f"community.{CODE}.upper",
        ),
        (
            {"community": {CODE: {"community": {}}}},
            "constraints_unknown_name",
            f"community.{CODE}.comm",
        ),
    ],
)
def test_invalid_document_is_refused_with_the_place(document, key, place):
    with pytest.raises(InputError) as refused:
        CommunityDrawOptions.from_document(document, "w.toml")
    assert refused.value.key == key
    assert refused.value.values["place"].startswith(place)
    assert "w.toml" in refused.value.message("zh")
    assert place in refused.value.message("en")


def test_section_replaces_values_and_adds_to_lists():
    base = DrawOptions(target=350, lower=250, lock=("a",), dedicated=("school",))
    own = DrawOptions(target=380, lock=("b",), weights={"border": 2.0})
    constraints = own.over(base).to_constraints()
    assert constraints.limits == Limits(380, 250, 500)
    assert constraints.locked == ("a", "b")
    assert constraints.dedicated == ("school",)
    assert (constraints.weights.border, constraints.weights.balance) == (2.0, Weights().balance)


def test_section_overrides_an_option_for_all_communities():
    assert not DrawOptions(fresh=False).over(DrawOptions(fresh=True)).to_constraints().fresh


def test_limits_out_of_order_are_refused_against_the_defaults():
    with pytest.raises(InputError) as refused:
        DrawOptions(target=600).to_constraints()
    expected = {"target": 600, "lower": 300, "upper": 500, "balance": Balance.HOUSEHOLDS}
    assert refused.value.values == expected


@pytest.mark.parametrize("option", [{"lock": ("a",)}, {"only_touched": True}, {"complete": True}])
def test_starting_from_scratch_excludes_options_of_a_plan(option):
    with pytest.raises(InputError) as refused:
        DrawOptions(fresh=True, **option).to_constraints()
    assert refused.value.key == "fresh_excludes"
