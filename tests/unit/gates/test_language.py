from __future__ import annotations

import pytest

from penstock.errors import ConfigError, Span
from penstock.gates import parse


@pytest.mark.parametrize(
    ("text", "words", "comparison", "threshold", "tolerance"),
    [
        ("candidate.roc_auc > 0.65 +/- 0.02", "candidate.roc_auc", ">", 0.65, 0.02),
        (
            "candidate.roc_auc - champion.roc_auc > -0.005 +/- 0.005",
            "candidate.roc_auc - champion.roc_auc",
            ">",
            -0.005,
            0.005,
        ),
        ("changed < 0.1 +/- 0.02", "changed", "<", 0.1, 0.02),
        ("candidate.latency_p99 < 20ms", "candidate.latency_p99", "<", 0.02, None),
        ("candidate.size < 50MB", "candidate.size", "<", 50e6, None),
        ("candidate.memory < 2GiB", "candidate.memory", "<", 2.0**31, None),
        ("candidate.ece < 5%", "candidate.ece", "<", 0.05, None),
        (
            "candidate.accuracy > baseline.accuracy",
            "candidate.accuracy - baseline.accuracy",
            ">",
            0.0,
            None,
        ),
        (
            "candidate.accuracy > champion.accuracy - 0.01 ± 0.01",
            "candidate.accuracy - champion.accuracy",
            ">",
            -0.01,
            0.01,
        ),
        (
            "candidate.demographic_parity(sex) < 0.1",
            "candidate.demographic_parity(sex)",
            "<",
            0.1,
            None,
        ),
        (
            "n - 1.1 * o > 0.02 +/- 0.01",
            "candidate.accuracy - 1.1 * champion.accuracy",
            ">",
            0.02,
            0.01,
        ),
        ("accuracy(new) >= 0.5", "candidate.accuracy", ">", 0.5, None),
        (
            "candidate.my.costs:profit(high=9, low=0) > 3",
            "candidate.my.costs:profit(high=9.0, low=0.0)",
            ">",
            3.0,
            None,
        ),
        ("my.costs:profit(old) > 3", "champion.my.costs:profit", ">", 3.0, None),
        ("candidate.ndcg(query, k=10) > 0.4", "candidate.ndcg(query, k=10.0)", ">", 0.4, None),
        ("prior.log_loss - 0.1 > candidate.log_loss", None, ">", 0.1, None),
    ],
)
def test_sentences(text, words, comparison, threshold, tolerance):
    (clause,) = parse(text).clauses
    assert words is None or clause.words == words
    assert (clause.comparison, clause.tolerance) == (comparison, tolerance)
    assert clause.threshold == pytest.approx(threshold)


def test_old_conditions_mean_the_same():
    old = parse("n - o > 0.02 +/- 0.01 /\\ d < 0.1 +/- 0.01").clauses
    new = parse(
        "candidate.accuracy - champion.accuracy > 0.02 +/- 0.01 and changed < 0.1 +/- 0.01"
    ).clauses
    assert [(c.words, c.threshold, c.tolerance) for c in old] == [
        (c.words, c.threshold, c.tolerance) for c in new
    ]


def test_slices():
    (clause,) = parse('candidate.accuracy > 0.75 on slice carrier=*, "air port"="J F"').clauses
    assert clause.slice is not None
    assert clause.slice.parts == (("carrier", None), ("air port", "J F"))
    assert parse("n > 0 on slice year=2013").clauses[0].slice.parts == (("year", "2013"),)


@pytest.mark.parametrize(
    ("text", "column", "code", "words"),
    [
        ("", 1, "gates.syntax", "the condition ends"),
        ("candidate.rocauc > 1", 11, "gates.unknown-metric", "unknown metric 'rocauc'"),
        ("candidat.accuracy > 1", 1, "gates.unknown-model", "no model 'candidat'"),
        ("candidate.accuracy 0.3", 20, "gates.syntax", "expected a comparison"),
        ("candidate.accuracy > 20ms", 22, "gates.wrong-unit", "'20ms' does not fit"),
        ("candidate.size < 5%", 18, "gates.wrong-unit", "'5%' does not fit"),
        ("candidate.size < 5XB", 18, "gates.wrong-unit", "unknown unit 'XB'"),
        ("n > 0.5 or o > 0.5", 9, "gates.syntax", "'or' is not part of the language"),
        ("n * o > 0.5", 5, "gates.not-linear", "only a number"),
        ("n / 2 > 0.5", 3, "gates.not-linear", "'/' cannot stand here"),
        ("(n) > 0.5", 1, "gates.syntax", "brackets"),
        ("n > 0.5 +/- 0", 13, "gates.bad-number", "above 0"),
        ("n > 0.5 +/-", 12, "gates.syntax", "tolerance"),
        ("1 > 0", 1, "gates.syntax", "nothing is measured"),
        ("n - n > 0", 1, "gates.syntax", "nothing is measured"),
        ("n > @", 5, "gates.syntax", "cannot read '@'"),
        ("n > 0 on slic x=1", 10, "gates.syntax", "expected 'slice'"),
        ("n > 0 on slice x", 17, "gates.syntax", "expected '='"),
        ("accuracy > 0.5", 1, "gates.syntax", "not a metric of a model"),
        ("accuracy(mine) > 0.5", 10, "gates.unknown-model", "expected a model"),
        ("candidate.equal_opportunity < 0.1", 11, "gates.syntax", "takes one argument"),
        ("candidate.mae(clip=-1) < 2", 11, "gates.bad-number", "above 0"),
        ("candidate.mae(clop=1) < 2", 11, "gates.syntax", "no argument 'clop'"),
        ("candidate.size + candidate.latency_p99 < 3", 28, "gates.wrong-unit", "cannot be added"),
        ("baseline.latency_p99 < 3", 10, "gates.unknown-metric", "trivial model"),
        ("candidate.latency_p99 < 20", 25, "gates.wrong-unit", "is in seconds"),
        ("candidate.size < 50", 18, "gates.wrong-unit", "is in bytes"),
        ("candidate.accuracy > 80", 22, "gates.bad-number", "between 0 and 1"),
        ("n - o > -2", 10, "gates.bad-number", "out of reach"),
        ("n > 1e999", 5, "gates.bad-number", "too large"),
        ("n > 0 n", 7, "gates.syntax", "expected 'and'"),
        ("n > " + "1" * 3000, 1, "gates.syntax", "at most 2000"),
    ],
)
def test_errors_point_at_the_column(text, column, code, words):
    with pytest.raises(ConfigError) as raised:
        parse(text, span=Span("penstock.yaml", 7, 5))
    error = raised.value
    assert (error.code, error.span.line, error.span.column) == (code, 7, 4 + column)
    assert words in error.message
    assert error.hint


def test_near_names_are_suggested():
    for text, near in (
        ("candidate.acuracy > 1", "'accuracy'"),
        ("champoin.accuracy > 1", "'champion'"),
        ("accuracy > 1", "'candidate.accuracy'"),
        ("candidate.size < 5Mb", "'MB'"),
    ):
        with pytest.raises(ConfigError, match=r".") as raised:
            parse(text)
        assert near in raised.value.hint
