from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import ConfigError, Span, StateError
from penstock.gates import ConditionSpec, GateSpec, judge
from penstock.gates.custom import Workshop
from penstock.gates.decision import Answer, decide, passes
from penstock.gates.predictions import Predictions


def ask(flights, *conditions, candidate=None, champion=None, **spec):
    entries = tuple(
        one if isinstance(one, ConditionSpec) else ConditionSpec(one) for one in conditions
    )
    return judge(
        GateSpec(entries, **spec),
        candidate=candidate or flights.model(),
        champion=champion,
        data=flights.frame,
        target="late",
    )


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ("candidate.roc_auc > 0.65 +/- 0.02", "passed"),
        ("candidate.roc_auc > 0.85 +/- 0.02", "failed"),
        ("candidate.roc_auc - champion.roc_auc > -0.05 +/- 0.03", "passed"),
        ("candidate.roc_auc - champion.roc_auc > 0.1 +/- 0.03", "failed"),
        ("candidate.accuracy > 0.75 +/- 0.02", "passed"),
        ("candidate.accuracy > 0.85 +/- 0.02", "failed"),
        ("candidate.accuracy > 0.785 +/- 0.001", "inconclusive"),
        ("candidate.accuracy - champion.accuracy > -0.02 +/- 0.01", "passed"),
        ("candidate.accuracy - champion.accuracy > 0.05 +/- 0.01", "failed"),
        ("n - o > -0.02 +/- 0.01 /\\ d < 0.2 +/- 0.01", "passed"),
        ("changed < 0.2 +/- 0.02", "passed"),
        ("changed < 0.01 +/- 0.02", "failed"),
        ("candidate.latency_p99 < 20ms", "passed"),
        ("candidate.latency_p99 < 10ms", "failed"),
        ("candidate.size < 50MB", "passed"),
        ("candidate.size < 42MB", "failed"),
        ("candidate.ece < 0.05", "passed"),
        ("candidate.ece < 0.00001", "inconclusive"),
        ("candidate.log_loss < 0.6", "passed"),
        ("candidate.log_loss - champion.log_loss < 0.05 +/- 0.02", "passed"),
        ("candidate.brier_score < 0.2", "passed"),
        ("candidate.accuracy > baseline.accuracy - 0.02", "passed"),
        ("candidate.log_loss < prior.log_loss", "passed"),
        ("candidate.accuracy > last.accuracy", "passed"),
        ("candidate.demographic_parity(carrier) < 0.1", "passed"),
        ("candidate.demographic_parity(carrier) < 0.0001", "inconclusive"),
        ("candidate.equal_opportunity(origin) < 0.2", "passed"),
        ("candidate.equalized_odds(origin) < 0.2", "passed"),
        ("candidate.accuracy_gap(origin) < 0.1", "passed"),
        ("candidate.recall > 0.5", "failed"),
        ("candidate.specificity > 0.9", "passed"),
        ("candidate.precision > 0.3", "passed"),
        ("candidate.f1 > 0.1", "passed"),
        ("candidate.f1 > 0.6", "failed"),
        ("candidate.balanced_accuracy > 0.5", "passed"),
        ("candidate.mcc > 0.05", "passed"),
        ("candidate.average_precision > 0.25", "passed"),
        ("candidate.f1_macro > 0.4", "passed"),
        ("candidate.cohen_kappa_score > 0.9", "failed"),
        ("candidate.top_k_accuracy(k=2) > 0.99", "passed"),
        ("candidate.recall - champion.recall > -0.2", "passed"),
        ("candidate.precision - champion.precision > -0.5", "passed"),
        ("2 * candidate.accuracy - champion.accuracy > 0.5", "passed"),
        ("candidate.accuracy + candidate.roc_auc > 1.2", "passed"),
    ],
)
def test_each_kind_of_condition_decides(flights, condition, outcome):
    found = flights(15_000)
    verdicts = ask(found, condition, champion=found.model(0.4, 2))
    assert {one.outcome.value for one in verdicts} == {outcome}, [v.words for v in verdicts]
    for one in verdicts:
        (evidence,) = one.evidence
        assert evidence.low <= evidence.value <= evidence.high
        assert one == Verdict.from_dict(one.to_dict())


def test_words_have_the_numbers_and_the_guarantee(flights):
    (verdict,) = ask(flights(15_000), "candidate.accuracy > 0.75 +/- 0.02")
    (evidence,) = verdict.evidence
    assert f"{evidence.value:.4f}" in verdict.words
    assert f"{evidence.low:.4f}" in verdict.words
    assert "15,000 rows" in verdict.words
    assert "99.9% over 32 candidates" in verdict.words
    assert "clopper-pearson, exact" in verdict.words


def test_without_a_champion_a_comparison_passes_and_says_why(flights):
    (verdict,) = ask(flights(500), "candidate.accuracy - champion.accuracy > 0")
    assert verdict.outcome is Outcome.PASSED
    assert verdict.words == "no champion yet: nothing to compare with"
    assert verdict.evidence[0].n == 0


def test_an_inconclusive_verdict_says_how_many_rows_would_decide(flights):
    small, condition = flights(2000), "candidate.accuracy > 0.75 +/- 0.02"
    (verdict,) = ask(small, condition)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.stops
    assert 500 < verdict.needs < 20_000
    assert f"{verdict.needs:,} more" in verdict.words
    enough = flights(2000 + int(verdict.needs * 1.5), seed=3)
    (again,) = ask(enough, condition)
    assert again.outcome is not Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("policy", "outcome", "stops"),
    [("block", "inconclusive", True), ("warn", "inconclusive", False), ("pass", "passed", False)],
)
def test_policies_for_the_inconclusive(flights, policy, outcome, stops):
    condition = ConditionSpec("candidate.accuracy > 0.78 +/- 0.001", inconclusive=policy)
    (verdict,) = ask(flights(1000), condition)
    assert (verdict.outcome.value, verdict.stops) == (outcome, stops)
    assert verdict.needs


def test_modes_decide_what_is_near(flights):
    found = flights(15_000)
    near = "candidate.accuracy > 0.785 +/- 0.02"
    assert ask(found, near)[0].outcome is Outcome.FAILED
    (other,) = ask(found, near, mode="fn-free")
    assert other.outcome is Outcome.PASSED
    assert "fn-free" in other.words


def test_a_clause_near_its_threshold_is_false_when_false_positives_are_barred():
    answer = decide(0.085, 0.105, "<", 0.1, 0.01, "fp-free")  # x < 0.1 +/- 0.01 at 0.095
    assert answer is Answer.NEAR
    assert passes(answer, "fp-free") is False
    assert passes(answer, "fn-free") is True


def test_slices_have_verdicts_of_their_own(flights):
    verdicts = ask(flights(15_000), "candidate.accuracy > 0.7 +/- 0.05 on slice carrier=*")
    assert [one.name.rpartition(" ")[2] for one in verdicts] == [
        "carrier=AA",
        "carrier=B6",
        "carrier=UA",
    ]
    assert sum(one.evidence[0].n for one in verdicts) == 15_000
    (one,) = ask(flights(15_000), "candidate.accuracy > 0.7 on slice carrier=AA, origin=JFK")
    assert one.evidence[0].n < 2000


def test_watched_slices_stop_only_what_is_surely_broken(flights):
    found = flights(15_000)
    broken = (found.frame["carrier"] == "AA").to_numpy()
    good = found.model(0.0)
    labels = np.where(broken, 1 - good.labels, good.labels)
    bad = Predictions(True, None, labels, good.scores, good.classes, n=labels.size)
    verdicts = ask(found, "candidate.accuracy > 0.4", candidate=bad, slices=("carrier", "origin"))
    by_name = {one.name.rpartition(" ")[2]: one for one in verdicts}
    assert by_name["carrier=AA"].outcome is Outcome.FAILED
    assert by_name["carrier=AA"].stops
    assert not by_name["origin=JFK"].stops
    assert len(verdicts) == 6


def test_an_unknown_slice_or_column_is_told(flights):
    with pytest.raises(ConfigError, match="no row of the test data has carrier=ZZ"):
        ask(flights(100), "candidate.accuracy > 0.7 on slice carrier=ZZ")
    with pytest.raises(ConfigError, match="no column 'carier'") as raised:
        ask(flights(100), "candidate.accuracy > 0.7 on slice carier=*")
    assert "'carrier'" in raised.value.hint


def test_all_wrong_conditions_are_told_at_once(flights):
    with pytest.raises(ConfigError) as raised:
        ask(flights(100), "candidate.acuracy > 0.7", "n > ", "n > 0.5")
    assert len(raised.value.problems) == 2


def test_test_data_that_cannot_be_read_is_told(tmp_path, flights):
    model = flights(100).model()
    spec = GateSpec((ConditionSpec("n > 0.5"),))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    for name in ("missing.parquet", "broken.parquet", "missing.csv"):
        with pytest.raises(StateError, match="cannot read the test data"):
            judge(spec, candidate=model, champion=None, data=tmp_path / name, target="late")


def test_a_model_without_answers_is_a_verdict(flights):
    crashed = Predictions(False, "killed by signal 9")
    (verdict,) = ask(flights(100), "n > 0.5", candidate=crashed)
    assert verdict.outcome is Outcome.ERROR
    assert "killed by signal 9" in verdict.words


def test_what_cannot_be_measured_is_an_error_verdict_with_a_reason(flights):
    found = flights(200)
    plain = found.model()
    no_scores = Predictions(True, None, plain.labels, None, plain.classes, n=200)
    for condition, words in (
        ("candidate.roc_auc > 0.5", "no probabilities"),
        ("candidate.latency_p50 < 1s", "was not measured"),
        ("candidate.mae < 1 on slice origin=JFK", None),
    ):
        (verdict,) = ask(found, condition, candidate=no_scores)
        if words:
            assert verdict.outcome is Outcome.ERROR
            assert words in verdict.words
            assert verdict.stops


def test_too_few_answers_are_told(flights):
    found = flights(200)
    short = flights(100).model()
    (verdict,) = ask(found, "n > 0.5", candidate=short)
    assert "answered 100 of 200 rows" in verdict.words


def test_equal_input_gives_equal_verdicts(flights):
    found = flights(3000)
    conditions = ("candidate.roc_auc > 0.6", "candidate.mcc > 0", "n - o > -0.05 +/- 0.02")
    first = ask(found, *conditions, champion=found.model(0.5, 9))
    assert first == ask(found, *conditions, champion=found.model(0.5, 9))


def test_more_models_to_judge_widen_every_interval(flights):
    found = flights(5000)
    widths = []
    for adaptivity in ("none", "passes(3)", "full"):
        (verdict,) = ask(found, "candidate.accuracy > 0.5 +/- 0.1", adaptivity=adaptivity)
        widths.append(verdict.evidence[0].value - verdict.evidence[0].low)
    assert widths == sorted(widths)
    assert widths[0] < widths[1] < widths[2]


def test_regression_metrics():
    rng = np.random.default_rng(1)
    truth = rng.normal(10, 3, 4000)
    guess = truth + rng.normal(0, 1, 4000)
    model = Predictions(True, None, guess, guess, None, n=4000)
    frame = pd.DataFrame({"delay": truth})
    conditions = {
        "candidate.mae < 1": "passed",
        "candidate.mae(clip=20) < 1": "passed",
        "candidate.mse(clip=50) < 2": "passed",
        "candidate.rmse < 1.2": "passed",
        "candidate.rmse(clip=5) < 1.2": "passed",
        "candidate.rmse < 0.8": "failed",
        "candidate.r2 > 0.8": "passed",
        "candidate.median_absolute_error < 0.8": "passed",
        "candidate.max_error < 10": "passed",
        "candidate.within(3) > 0.95": "passed",
        "candidate.bias < 0.2": "passed",
        "candidate.mape < 0.5": "passed",
        "candidate.mae < mean.mae": "passed",
        "candidate.rmse < baseline.rmse": "passed",
        "candidate.mae < last.mae": "passed",
        "candidate.explained_variance > 0.7": "passed",
        "candidate.neg_mean_absolute_error > -1": "passed",
    }
    entries = tuple(ConditionSpec(one) for one in conditions)
    spec = GateSpec(entries, approximate="allow")
    verdicts = judge(spec, candidate=model, champion=None, data=frame, target="delay")
    wrong = {one.name: one.words for one in verdicts if conditions[one.name] != one.outcome}
    assert not wrong
    by_name = {one.name: one for one in verdicts}
    assert "approximate" in by_name["candidate.mae < 1"].words
    assert "valid for any sample size" in by_name["candidate.mae(clip=20) < 1"].words
    assert "cut off at 20" in by_name["candidate.mae(clip=20) < 1"].words


def test_nothing_passes_by_a_method_that_cannot_keep_the_promise():
    rng = np.random.default_rng(1)
    truth = rng.normal(10, 3, 4000)
    guess = truth + rng.normal(0, 1, 4000)
    model = Predictions(True, None, guess, guess, None, n=4000)
    frame = pd.DataFrame({"delay": truth})

    def verdict(text, **settings):
        spec = GateSpec((ConditionSpec(text),), **settings)
        (found,) = judge(spec, candidate=model, champion=None, data=frame, target="delay")
        return found

    refused = verdict("candidate.mae < 1")
    assert (refused.outcome, refused.stops) == (Outcome.INCONCLUSIVE, True)
    assert "below 1, but only by student t" in refused.words
    assert "cannot promise 99.9%" in refused.words
    assert "mae(clip=...)" in refused.hint
    assert "approximate: allow" in refused.hint
    assert verdict("candidate.mae < 1", clip={"mae": 30.0}).outcome is Outcome.PASSED
    assert verdict("candidate.mae < 0.5").outcome is Outcome.FAILED
    assert "mean.mse" in verdict("candidate.r2 > 0.8").hint
    assert verdict("candidate.mse(clip=50) < 0.2 * mean.mse(clip=50)").outcome is Outcome.PASSED
    # Where failing is what is guarded, failing is what it must not do.
    assert verdict("candidate.mae < 0.5", mode="fn-free").outcome is Outcome.INCONCLUSIVE
    assert verdict("candidate.mae < 1", mode="fn-free").outcome is Outcome.PASSED


def test_ranking_metrics_per_query():
    rng = np.random.default_rng(2)
    query = np.repeat(np.arange(800), 10)
    relevance = (rng.random(8000) < 0.2).astype(float)
    scores = relevance + rng.normal(0, 0.5, 8000)
    model = Predictions(True, None, scores, scores, None, n=8000)
    frame = pd.DataFrame({"relevance": relevance, "query": query})
    conditions = [
        "candidate.ndcg(query) > 0.6",
        "candidate.ndcg(query, k=5) > 0.6",
        "candidate.mrr(query) > 0.6",
        "candidate.map(query) > 0.6",
        "candidate.precision_at(query, 3) > 0.3",
        "candidate.recall_at(query, 5) > 0.6",
        "candidate.hit_rate(query, 5) > 0.6",
        "candidate.ndcg(query) - champion.ndcg(query) > 0.05",
    ]
    worse = rng.permutation(scores)
    champion = Predictions(True, None, worse, worse, None, n=8000)
    spec = GateSpec(tuple(ConditionSpec(one) for one in conditions))
    verdicts = judge(spec, candidate=model, champion=champion, data=frame, target="relevance")
    assert {one.outcome.value for one in verdicts} == {"passed"}, [v.words for v in verdicts]
    assert all(one.evidence[0].n == 800 for one in verdicts)
    assert "800 queries" in verdicts[0].words


def test_a_metric_of_the_users_own(tmp_path, flights):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "costs.py").write_text(
        "import numpy as np\n"
        "def per_row(target, predicted):\n    return np.where(target == predicted, 1.0, -2.0)\n"
        "def whole(target, predicted, factor=1.0):\n"
        "    return factor * float((target == predicted).mean())\n"
        "def scored(target, predicted, scores):\n    return float(scores[:, 1].mean())\n"
        "def broken(target, predicted):\n    raise ValueError('no luck')\n"
        "def hung(target, predicted):\n    import time; time.sleep(600)\n"
    )
    found = flights(2000)
    conditions = [
        "candidate.costs:per_row(low=-2, high=1) > 0",
        "candidate.costs:whole > 0.7",
        "candidate.costs:whole(factor=2) > 1.4",
        "candidate.costs:scored > 0.1",
        "candidate.costs:broken > 0",
        "candidate.costs:missing > 0",
        "candidate.costs:hung > 0",
    ]
    entries = tuple(ConditionSpec(one) for one in conditions)
    verdicts = judge(
        GateSpec(entries, approximate="allow"),
        candidate=found.model(),
        champion=None,
        data=found.frame,
        target="late",
        workshop=Workshop(tmp_path, timeout=5.0),
    )
    assert [one.outcome.value for one in verdicts] == ["passed"] * 4 + ["error"] * 3
    assert "ValueError: no luck (src/costs.py:9)" in verdicts[4].words
    assert (
        "has no function missing; it has per_row, whole, scored, broken, hung" in verdicts[5].words
    )
    assert "costs:hung took longer than 5 s" in verdicts[6].words


def test_more_than_two_classes():
    rng = np.random.default_rng(3)
    truth = rng.choice(["a", "b", "c"], 3000)
    scores = rng.dirichlet([1, 1, 1], 3000) / 2
    scores[np.arange(3000), np.searchsorted(["a", "b", "c"], truth)] += 0.5
    labels = np.array(["a", "b", "c"])[scores.argmax(axis=1)]
    model = Predictions(True, None, labels, scores, np.array(["a", "b", "c"]), n=3000)
    frame = pd.DataFrame({"kind": truth})
    passing = [
        "candidate.accuracy > 0.6",
        "candidate.log_loss < 1",
        "candidate.f1_macro > 0.6",
        "candidate.roc_auc_ovr > 0.7",
        "candidate.ece < 0.4",
        "candidate.balanced_accuracy > 0.6",
        "candidate.accuracy > majority.accuracy",
    ]
    spec = GateSpec(tuple(ConditionSpec(one) for one in [*passing, "candidate.recall > 0.1"]))
    *good, refused = judge(spec, candidate=model, champion=None, data=frame, target="kind")
    assert {one.outcome.value for one in good} == {"passed"}, [one.words for one in good]
    assert refused.outcome is Outcome.ERROR
    assert "none is named positive" in refused.words


def test_an_empty_test_set_decides_nothing():
    empty = np.array([], dtype=np.int64)
    model = Predictions(True, None, empty, np.zeros((0, 2)), np.array([0, 1]), n=0)
    frame = pd.DataFrame({"late": empty, "carrier": []})
    conditions = [
        "candidate.accuracy > 0.5",
        "candidate.roc_auc > 0.5",
        "candidate.log_loss < 0.5",
        "candidate.ece < 0.5",
        "candidate.mcc > 0.5",
        "n - o > 0",
    ]
    for mode in ("fp-free", "fn-free"):
        spec = GateSpec(tuple(ConditionSpec(one) for one in conditions), mode=mode)
        verdicts = judge(spec, candidate=model, champion=model, data=frame, target="late")
        assert all(one.stops for one in verdicts), [one.words for one in verdicts]


@pytest.mark.parametrize(
    ("condition", "column", "code"),
    [
        ("candidate.accuracy > 0.5 on slice carier=*", 40, "gates.unknown-column"),
        ("candidate.demographic_parity(orign) < 0.1", 35, "gates.unknown-column"),
        ("candidate.accuracy > 0.5 on slice carrier=ZZ", 48, "gates.unknown-slice"),
    ],
)
def test_what_the_data_does_not_have_is_told_at_its_column(flights, condition, column, code):
    entry = ConditionSpec(condition, span=Span("penstock.yaml", 7, 6))
    with pytest.raises(ConfigError) as caught:
        ask(flights(200), entry)
    assert caught.value.code == code
    assert (caught.value.span.line, caught.value.span.column) == (7, column)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (["yes", "no"] * 100, "the target holds yes, no, and the candidate answers with 0, 1"),
        ([0.0, None] * 100, "100 of 200 rows of the test data have no label"),
    ],
)
def test_labels_that_the_model_cannot_mean_are_told(target, words):
    labels = np.zeros(200, dtype=int)
    model = Predictions(True, None, labels, None, np.array([0, 1]), n=200)
    spec = GateSpec((ConditionSpec("candidate.accuracy > 0.5"),))
    frame = pd.DataFrame({"y": target})
    (verdict,) = judge(spec, candidate=model, champion=None, data=frame, target="y")
    assert (verdict.outcome, verdict.stops) == (Outcome.ERROR, True)
    assert words in verdict.words


def test_a_class_that_no_model_knows_is_never_found():
    truth = np.array(["a", "b", "c"] * 1000)
    labels = np.where(truth == "c", "a", truth)
    model = Predictions(True, None, labels, None, np.array(["a", "b"]), n=3000)
    spec = GateSpec((ConditionSpec("candidate.balanced_accuracy > 0.9"),))
    frame = pd.DataFrame({"y": truth})
    (verdict,) = judge(spec, candidate=model, champion=None, data=frame, target="y")
    assert verdict.outcome is Outcome.FAILED
    assert verdict.evidence[0].value == pytest.approx(2 / 3)


def test_no_rows_are_no_judgement():
    empty = pd.DataFrame({"y": np.array([], dtype=int)})
    none = np.array([], dtype=int)
    model = Predictions(True, None, none, None, np.array([0, 1]), n=0)
    spec = GateSpec((ConditionSpec("candidate.accuracy > 0.5"),))
    (verdict,) = judge(spec, candidate=model, champion=None, data=empty, target="y")
    assert (verdict.outcome, verdict.stops) == (Outcome.ERROR, True)
    assert "no rows" in verdict.words
