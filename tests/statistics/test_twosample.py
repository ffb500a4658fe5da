"""Two-sample bets: that they are fair, by adding up all that can happen, and that they find."""

import math

import numpy as np
import pytest

from penstock.domain.traffic import LATENCY_BOUNDS
from penstock.stats.quantiles import quantile_log_e
from penstock.stats.sequential import log_beta_mixture
from penstock.stats.twosample import (
    ODDS,
    STAKES,
    Sums,
    bernstein_gains,
    paired_gains,
    pooled_gains,
    sums_within,
)


def chances(n, p):
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


@pytest.mark.parametrize(
    ("n_t", "n_c", "rate_t", "rate_c", "base", "ratio"),
    [
        (6, 6, 0.3, 0.3, 0.3, 1.0),
        (6, 6, 0.3, 0.3, 0.02, 1.0),  # the guess may be as wrong as it likes
        (6, 6, 0.02, 0.02, 0.6, 1.0),
        (2, 9, 0.5, 0.5, 0.4, 1.0),
        (9, 2, 0.1, 0.4, 0.3, 1.0),  # better than tolerated
        (6, 6, 0.4, 0.2, 0.2, 2.0),
        (3, 8, 0.3, 0.2, 0.1, 1.5),
        (5, 5, 0.1, 0.2, 0.2, 0.5),
    ],
)
def test_pooled_bets_are_fair(n_t, n_c, rate_t, rate_c, base, ratio):
    expected = np.zeros(len(ODDS))
    for x_t, p_t in enumerate(chances(n_t, rate_t)):
        for x_c, p_c in enumerate(chances(n_c, rate_c)):
            gains = pooled_gains(x_t, n_t, x_c, n_c, base=base, ratio=ratio)
            expected += p_t * p_c * np.exp(gains)
    assert (expected <= 1.0 + 1e-9).all()


def test_pooled_bets_without_a_guess_or_an_arm_say_nothing():
    nothing = (0.0,) * len(ODDS)
    assert pooled_gains(3, 10, 1, 10, base=0.0) == nothing
    assert pooled_gains(3, 10, 0, 0, base=0.1) == nothing
    assert pooled_gains(0, 0, 3, 10, base=0.1) == nothing


def values(n, low, high, p):
    """Sums of n values that are `high` with chance p, else `low`, each with its chance."""
    for k, chance in enumerate(chances(n, p)):
        total = k * high + (n - k) * low
        yield Sums(n, total, k * high**2 + (n - k) * low**2), chance


@pytest.mark.parametrize(
    ("n_t", "n_c", "p", "centres"),
    [
        (5, 5, 0.5, (0.5, 0.5)),
        (2, 9, 0.2, (0.3, 0.3)),
        (9, 2, 0.9, (0.1, 0.9)),
        (4, 4, 0.03, (0, 1)),
    ],
)
def test_bernstein_bets_are_fair(n_t, n_c, p, centres):
    expected = np.zeros(len(STAKES))
    for t, p_t in values(n_t, 0.0, 1.0, p):
        for c, p_c in values(n_c, 0.0, 1.0, p):
            gains = bernstein_gains(t, c, centre_t=centres[0], centre_c=centres[1])
            expected += p_t * p_c * np.exp(gains)
    assert (expected <= 1.0 + 1e-9).all()


@pytest.mark.parametrize("centre", [-1.0, 0.0, 0.4])
def test_paired_bets_are_fair(centre):
    expected = np.zeros(len(STAKES))
    for pairs, chance in values(6, -1.0, 1.0, 0.5):
        expected += chance * np.exp(paired_gains(pairs, centre=centre))
    assert (expected <= 1.0 + 1e-9).all()
    assert paired_gains(Sums(), centre=0.0) == (0.0,) * len(STAKES)


def test_bernstein_bets_know_how_much_values_vary():
    steady_t = Sums(500, 190.0, 190.0 * 0.38 + 500 * 0.001)
    steady_c = Sums(500, 200.0, 200.0 * 0.40 + 500 * 0.001)
    coins_t, coins_c = Sums(500, 190.0, 190.0), Sums(500, 200.0, 200.0)
    steady = max(bernstein_gains(steady_t, steady_c, centre_t=0.38, centre_c=0.4))
    assert steady > 4.0
    assert max(bernstein_gains(coins_t, coins_c, centre_t=0.38, centre_c=0.4)) < 0.3


def test_sums_can_be_turned_and_scaled():
    rng = np.random.default_rng(1)
    drawn = rng.uniform(10.0, 30.0, 50)
    sums = Sums(50, drawn.sum(), (drawn**2).sum())
    scaled = (drawn - 10.0) / 20.0
    assert sums.scaled(10.0, 30.0) == pytest.approx((50, scaled.sum(), (scaled**2).sum()))
    turned = sums.scaled(10.0, 30.0).turned()
    assert turned == pytest.approx((50, (1 - scaled).sum(), ((1 - scaled) ** 2).sum()))
    # Of number and sum alone, the squares are as large as they can be.
    worst = sums_within(50, drawn.sum(), 10.0, 30.0)
    assert worst.squares >= sums.squares
    assert worst.scaled(10.0, 30.0).squares == pytest.approx(scaled.sum())


EDGES = np.array([0.0, *LATENCY_BOUNDS, np.inf])


def quantile_path(rng, scale, tolerance, *, looks=40, quantile=0.9):
    """The highest evidence of a strict comparison, over all looks."""
    t = c = np.zeros(len(LATENCY_BOUNDS) + 1)
    top = -math.inf
    for _ in range(looks):
        t = t + np.histogram(0.05 * scale * np.exp(rng.normal(0, 0.5, 100)), EDGES)[0]
        c = c + np.histogram(0.05 * np.exp(rng.normal(0, 0.5, 100)), EDGES)[0]
        log_e = quantile_log_e(
            t, c, LATENCY_BOUNDS, quantile=quantile, limit=lambda x: (1 + tolerance) * x
        )
        top = max(top, log_e)
    return top


def test_the_strict_quantile_test_accuses_nobody_who_keeps_to_the_limit():
    rng = np.random.default_rng(4)
    for scale, tolerance in ((1.0, 0.0), (1.2, 0.2), (1.5, 0.5)):
        tops = [quantile_path(rng, scale, tolerance) for _ in range(40)]
        assert sum(top >= math.log(20) for top in tops) / 40 <= 0.05


def test_the_strict_quantile_test_finds_what_is_beyond_its_buckets():
    rng = np.random.default_rng(5)
    assert all(quantile_path(rng, 2.0, 0.0) >= math.log(20) for _ in range(10))


def test_the_strict_quantile_test_needs_both_arms():
    nothing = [0] * (len(LATENCY_BOUNDS) + 1)
    some = [10] * (len(LATENCY_BOUNDS) + 1)
    for t, c in ((nothing, some), (some, nothing)):
        assert quantile_log_e(t, c, LATENCY_BOUNDS, quantile=0.9, limit=float) == 0.0


def test_a_mixture_of_many_counts_is_that_of_each():
    bounds = (1.0,)
    # One bucket below: x within it says nothing of C, and T's share above the bound is tested.
    found = quantile_log_e([500, 125], [625, 0], bounds, quantile=0.8, limit=lambda _: 1.0)
    parts = (
        log_beta_mixture(125, 625, 0.2, n_opt=2_000, alpha_opt=0.05),
        log_beta_mixture(0, 625, 0.8, n_opt=2_000, alpha_opt=0.05),
    )
    assert found <= sum(parts) + 1e-9
