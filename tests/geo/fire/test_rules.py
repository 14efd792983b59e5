"""The rules in force: how binding each is, and that its texts say so."""

import re

import pytest

from geo import messages
from geo.errors import InputError
from geo.fire.finding_text import describe_finding, describe_proof
from geo.fire.hydrants import ROUTE_LIMIT_M
from geo.fire.rules import DEFAULT_RULES, rules_in_force
from geo.standards import Force


@pytest.mark.parametrize("rule", DEFAULT_RULES, ids=lambda rule: rule.id)
def test_a_clause_is_named_by_every_rule_of_a_standard_and_by_none_of_our_own(rule):
    is_own = rule.force == Force.OWN
    assert bool(rule.standard) == bool(rule.clause) == (not is_own)
    assert not (is_own and (rule.superseded_by or rule.verified))


@pytest.mark.parametrize("rule", DEFAULT_RULES, ids=lambda rule: rule.id)
def test_chinese_texts_of_a_rule_and_its_findings_use_the_word_of_its_force(rule):
    other = {Force.SHALL: "宜", Force.SHOULD: "应", Force.OWN: "[应宜]"}[rule.force]
    texts = messages.catalogue("zh")
    kinds = [key for key in texts if re.fullmatch(rf"finding\.{rule.id}_[a-z_]+", key)]
    longer = tuple(f"finding.{one.id}_" for one in DEFAULT_RULES if len(one.id) > len(rule.id))
    for key in [f"rule.{rule.id}", *(key for key in kinds if not key.startswith(longer))]:
        assert not re.search(other, texts[key]), key


def test_a_figure_of_the_city_replaces_that_of_the_rule_and_changes_the_stamp():
    default, own = rules_in_force({}), rules_in_force({"lane_width": 3.5})
    assert own.figure("lane_width") == 3.5
    assert own["lane_width"].overridden
    assert own.stamp != default.stamp


@pytest.mark.parametrize("figure", [3.5, "3.5", "3.5 m", "3.5m"])
def test_a_figure_of_the_city_may_name_the_unit_of_its_rule(figure):
    assert rules_in_force({"lane_width": figure}).figure("lane_width") == 3.5


@pytest.mark.parametrize(
    "figures",
    [
        {"lane_widht": 4.0},
        {"lane_width": -1.0},
        *({"lane_width": value} for value in ("wide", "4 km", "4 %", True, None, [4], "nan")),
        {"lane_width": float("nan")},
        {"lane_width": float("inf")},
    ],
)
def test_a_figure_of_no_rule_no_number_another_unit_or_below_zero_is_refused_by_name(figures):
    with pytest.raises(InputError, match="lane_wid"):
        rules_in_force(figures)


PROOF_FIGURES = {
    "openings": ("separation_openings_share", 31),
    "group": ("separation_group", 4.7),
    "protected": ("separation_protected", 3.9),
}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("proof", PROOF_FIGURES)
def test_text_of_a_proof_has_the_figure_in_force(proof, lang):
    rule, figure = PROOF_FIGURES[proof]
    usual = rules_in_force({}).figure(rule)
    own = describe_proof(proof, rules_in_force({rule: figure}), lang)
    assert f"{figure:g}" in own
    assert own.replace(f"{figure:g}", f"{usual:g}", 1) == describe_proof(
        proof, rules_in_force({}), lang
    )


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_finding_without_a_hose_route_names_the_limit_of_the_search(lang):
    row = {"rule": "hydrant_route", "measured": None, "required": 150, "other": None}
    found = describe_finding(row | {"feature": "b", "detail": {"kind": "none"}}, lang)
    assert f"{ROUTE_LIMIT_M:g} m" in found
