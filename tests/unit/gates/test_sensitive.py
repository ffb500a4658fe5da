"""Columns of groups, named once in the settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.config.settings import ConditionSetting, GateSettings, ModelSettings
from penstock.gates import judge
from penstock.gates.judgement import gate_spec


def spec_of(*conditions, sensitive=("carrier", "origin")):
    model = ModelSettings("m", "m", "t.parquet", "late", sensitive=sensitive)
    entries = tuple(
        one if isinstance(one, ConditionSetting) else ConditionSetting(one) for one in conditions
    )
    return gate_spec(GateSettings(conditions=entries), model)


def test_a_fairness_gate_is_asked_of_each_sensitive_column(flights):
    found = flights(4000)
    # Another rule for one carrier: a gap that is no accident.
    labels = found.model().labels.copy()
    labels[(found.frame["carrier"] == "AA").to_numpy()] = 1
    candidate = replace(found.model(), labels=labels)
    verdicts = judge(
        spec_of("candidate.demographic_parity(sensitive) < 0.15"),
        candidate=candidate,
        champion=None,
        data=found.frame,
        target="late",
    )
    assert {one.name: one.outcome.value for one in verdicts} == {
        "candidate.demographic_parity(carrier) < 0.15": "failed",
        "candidate.demographic_parity(origin) < 0.15": "passed",
    }


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        ("candidate.accuracy > 0.5", ["candidate.accuracy > 0.5"]),
        ("equalized_odds(new, sensitive) < 0.1", ["equalized_odds(new, {}) < 0.1"]),
        (
            "candidate.accuracy_gap( sensitive ) - champion.accuracy_gap(sensitive) < 0.1",
            ["candidate.accuracy_gap( {} ) - champion.accuracy_gap({}) < 0.1"],
        ),
        ("candidate.ndcg(sensitive) > 0.1", ["candidate.ndcg(sensitive) > 0.1"]),
    ],
)
def test_only_fairness_gates_are_asked_of_each(condition, asked):
    texts = [one.text for one in spec_of(condition, sensitive=("sex", "age group")).conditions]
    words = ["sex", '"age group"'] if "{}" in asked[0] else [""]
    assert texts == [one.replace("{}", word) for word in words for one in asked]
    assert [one.text for one in spec_of(condition, sensitive=()).conditions] == [condition]


def test_each_verdict_has_a_name_of_its_own():
    entry = ConditionSetting("candidate.equal_opportunity(sensitive) < 0.1", name="fair")
    names = [one.name for one in spec_of(entry).conditions]
    assert names == ["fair (carrier)", "fair (origin)"]
