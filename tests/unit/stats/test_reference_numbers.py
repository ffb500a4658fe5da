"""Numbers of the papers, and of independent computations, to the last digit that is given."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from penstock.stats import compare, multiple, proportions, samplesize


def test_mcnemar_and_tango_agree_with_the_references():
    assert compare.mcnemar(25, 10) == pytest.approx(0.016673847800120715, abs=1e-10)
    assert compare.tango_z(30, 30, 1000, -0.02) == pytest.approx(2.474589185226057, abs=1e-8)


def test_holm_agrees_with_the_reference():
    given = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    wanted = [0.01, 0.072, 0.312, 0.312, 0.312, 0.312, 0.312, 0.615, 0.615, 0.615]
    assert multiple.holm(given) == pytest.approx(wanted, abs=1e-12)


def test_benjamini_hochberg_agrees_with_scipy():
    given = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    wanted = stats.false_discovery_control(given)
    assert multiple.benjamini_hochberg(given) == pytest.approx(list(wanted), abs=1e-12)


def test_labels_per_commit_of_active_labelling():
    assert samplesize.active_labels(0.01, 1e-4, 0.1) == pytest.approx(2188.845654, abs=1e-3)


@pytest.mark.parametrize(
    ("epsilon", "delta", "rows"),
    [
        (0.10, 0.01, 145),
        (0.05, 0.01, 561),
        (0.05, 1e-3, 975),
        (0.05, 1e-4, 1403),
        (0.05, 1e-4 / 32, 2060),
        (0.05, 1e-4 / 2**32, 5704),
    ],
)
def test_tight_binomial_sizes(epsilon, delta, rows):
    assert samplesize.exact_proportion(epsilon, delta) == rows


@pytest.mark.parametrize(
    ("bad", "good", "alpha", "beta", "rows"),
    [
        (0.80, 0.90, 0.05, 0.05, 147),
        (0.90, 0.92, 0.05, 0.10, 1845),
        (0.90, 0.94, 0.01, 0.05, 762),
        (0.95, 0.97, 0.01, 0.10, 1349),
    ],
)
def test_exact_power_sizes(bad, good, alpha, beta, rows):
    assert samplesize.power_proportion(bad, good, alpha, beta) == rows


def test_clopper_pearson_agrees_with_scipy():
    for k, n in ((0, 10), (3, 10), (10, 10), (840, 1000)):
        interval = stats.binomtest(k, n).proportion_ci(0.95, "exact")
        assert proportions.lower(k, n, 0.025) == pytest.approx(interval.low, abs=1e-12)
        assert proportions.upper(k, n, 0.025) == pytest.approx(interval.high, abs=1e-12)


def _size(n: int, margin: float, disagree: float, alpha: float) -> float:
    """Return the chance of a false rejection, by adding up every outcome that is rejected."""
    win, lose = (disagree + margin) / 2, (disagree - margin) / 2
    total = 0.0
    most = math.ceil(n * disagree + 7 * math.sqrt(n * disagree))
    for b in range(most):
        k = np.arange(0, most)
        logs = stats.multinomial.logpmf(
            np.stack([np.full_like(k, b), k, n - b - k], axis=1), n, [win, lose, 1 - disagree]
        )
        # The p-value rises with c: find the last c that is rejected.
        low, high = -1, most
        while high - low > 1:
            middle = (low + high) // 2
            p = compare.paired_p_value(b, middle, n, margin, nuisance=1e-4)
            low, high = (middle, high) if p <= alpha else (low, middle)
        total += float(np.exp(logs[: low + 1]).sum())
    return total


@pytest.mark.parametrize(("margin", "disagree"), [(-0.02, 0.08), (0.0, 0.1)])
def test_paired_test_keeps_its_level_by_full_enumeration(margin, disagree):
    size = _size(200, margin, disagree, 0.05)
    assert 0.035 <= size <= 0.05  # valid, and nearly not conservative


def test_paired_p_value_orders_by_the_score():
    assert compare.paired_p_value(25, 10, 1000, 0.0, nuisance=1e-4) == pytest.approx(
        0.0056, abs=1e-4
    )


def test_paired_bounds_turn_round_with_the_models():
    for b, c, n in ((30, 30, 1000), (50, 20, 400), (0, 0, 50), (3, 0, 10), (0, 7, 20)):
        low, high = compare.paired_lower(b, c, n, 0.01), compare.paired_upper(b, c, n, 0.01)
        assert -1 <= low <= (b - c) / n <= high <= 1
        assert low == pytest.approx(-compare.paired_upper(c, b, n, 0.01))


def test_paired_lower_bound_is_refuted_and_a_little_more_is_not():
    low = compare.paired_lower(60, 30, 1000, 0.01)
    assert compare.paired_p_value(60, 30, 1000, low, nuisance=0.01 / 20) <= 0.01
    beyond = low + 0.02 * (0.03 - low)
    assert compare.paired_p_value(60, 30, 1000, beyond, nuisance=0.01 / 20) > 0.01


def test_step_down_is_holms_procedure():
    for values in itertools.product([0.001, 0.012, 0.02, 0.04, 0.2], repeat=3):
        tests = [lambda level, p=p: p <= level for p in values]
        wanted = [p <= 0.05 for p in multiple.holm(values)]
        assert multiple.step_down(tests, 0.05) == wanted
