"""Whatever is typed as a condition is understood, or refused at a column: never a traceback."""

from __future__ import annotations

import string

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, Span
from penstock.gates import parse
from penstock.gates.decision import Answer, decide, passes
from penstock.stats import bounded, compare, proportions

WORDS = [
    *("candidate", "champion", "baseline", "new", "old", "n", "o", "d", "changed", "prior"),
    *("accuracy", "roc_auc", "ece", "latency_p99", "size", "ndcg", "f1_macro", "acuracy"),
    *(".", "+", "-", "*", "/", "/\\", "<", ">", ">=", "(", ")", ",", ":", "=", "+/-", "±"),
    *("and", "or", "on", "slice", "carrier", "*", '"x y"', "0.1", "1e-3", "5%", "20ms", "50MB"),
    *("1e400", ".5", "5.", "--", "\N{GREEK SMALL LETTER ALPHA}", "'", "\n", "\t", "k"),
]
SOUP = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)
GLUED = st.lists(st.sampled_from(WORDS), max_size=25).map("".join)
ANY = st.text(max_size=200) | st.text(string.printable, max_size=200)


@settings(max_examples=1500, deadline=None)
@given(text=SOUP | GLUED | ANY)
def test_any_text_is_understood_or_refused_at_a_column(text):
    refused = None
    try:
        condition = parse(text, span=Span("penstock.yaml", 3, 5))
    except ConfigError as error:
        refused = error
    if refused is None:
        assert condition.clauses
        assert all(np.isfinite(one.threshold) for one in condition.clauses)
        return
    assert refused.code.startswith("gates.")
    assert refused.span is not None
    assert refused.span.line == 3
    assert 5 <= refused.span.column <= 5 + len(text)
    assert refused.span.end_column > refused.span.column
    assert refused.hint


TERM = st.tuples(
    st.sampled_from([1.0, 2.0, 0.5]),
    st.sampled_from(["candidate", "champion"]),
    st.sampled_from(["accuracy", "roc_auc", "f1", "log_loss"]),
)


@settings(max_examples=200, deadline=None)
@given(
    terms=st.lists(TERM, min_size=1, max_size=4),
    threshold=st.floats(-1, 1),
    tolerance=st.none() | st.floats(1e-6, 0.5),
    comparison=st.sampled_from("<>"),
)
def test_what_was_understood_can_be_written_and_understood_again(
    terms, threshold, tolerance, comparison
):
    left = " + ".join(f"{weight} * {model}.{metric}" for weight, model, metric in terms)
    text = f"{left} {comparison} {threshold!r}" + (f" +/- {tolerance!r}" if tolerance else "")
    (clause,) = parse(text).clauses
    tail = f" {clause.comparison} {clause.threshold!r}"
    tail += f" +/- {clause.tolerance!r}" if clause.tolerance else ""
    (again,) = parse(clause.words + tail).clauses
    assert (again.words, again.comparison) == (clause.words, clause.comparison)
    assert (again.threshold, again.tolerance) == (clause.threshold, clause.tolerance)
    assert again.threshold == threshold


@settings(max_examples=200, deadline=None)
@given(
    low=st.floats(-1, 1),
    width=st.floats(0, 1),
    threshold=st.floats(-1, 1),
    tolerance=st.none() | st.floats(1e-6, 1),
)
def test_modes_differ_only_near_the_threshold(low, width, threshold, tolerance):
    high = low + width
    for comparison in "<>":
        strict = decide(low, high, comparison, threshold, tolerance, "fp-free")
        free = decide(low, high, comparison, threshold, tolerance, "fn-free")
        if strict in {Answer.HOLDS, Answer.BROKEN}:
            assert strict is free
        if passes(strict, "fp-free"):
            assert (low > threshold) if comparison == ">" else (high < threshold)
        if passes(free, "fn-free") is False:
            assert not (low < threshold < high)


@settings(max_examples=60, deadline=None)
@given(
    k=st.integers(0, 400),
    rest=st.integers(0, 400),
    alpha=st.floats(1e-12, 0.4),
)
def test_bounds_hold_what_was_seen_and_widen_with_certainty(k, rest, alpha):
    n = k + rest
    low, high = proportions.lower(k, n, alpha), proportions.upper(k, n, alpha)
    assert 0 <= low <= high <= 1
    if n:
        assert low <= k / n <= high
    assert proportions.lower(k, n, alpha / 10) <= low
    values = np.repeat([1.0, 0.0], [k, rest])
    betting = bounded.lower_mean(values, 0.0, 1.0, alpha)
    # Exact bounds are never worse than betting, but for the last digits.
    assert betting <= low + 1e-9


@settings(max_examples=40, deadline=None)
@given(
    b=st.integers(0, 60),
    c=st.integers(0, 60),
    ties=st.integers(0, 500),
    margin=st.floats(-0.9, 0.9),
)
@example(b=0, c=0, ties=1, margin=-3.7e-218)
def test_paired_p_values_are_probabilities_and_fall_with_wins(b, c, ties, margin):
    n = b + c + ties
    p = compare.paired_p_value(b, c, n, margin)
    assert 0 <= p <= 1
    more = compare.paired_p_value(b + 1, c, n + 1, margin)
    assert more <= p + 0.02
