"""Sequential tests: reference numbers, and that they keep their promises by simulation."""

import math

import numpy as np
import pytest

from penstock.stats.sequential import (
    BettingProcess,
    SplitProcess,
    bernoulli_cs,
    categorical_gain,
    ceiling_gains,
    log_beta_mixture,
    log_mean_exp,
    split_gains,
    tilt_gains,
)

ALPHA = 0.05


def test_split_reference():
    process = SplitProcess()
    for x_t, x_c in ((9, 4), (12, 5), (8, 3)):
        process.add(x_t, 1000, x_c, 1000)
    assert process.log_e == pytest.approx(2.305421554047113, abs=1e-8)


def test_one_sided_beta_mixture_reference():
    value = log_beta_mixture(135, 625, 0.2, n_opt=625, alpha_opt=0.05)
    assert value == pytest.approx(-0.07134019, abs=1e-6)


def test_bernoulli_confidence_sequence_reference():
    low, high = bernoulli_cs(700, 1000, alpha=0.05, n_opt=100)
    assert (low, high) == pytest.approx((0.651629, 0.745949), abs=1e-5)


def test_bernoulli_confidence_sequence_at_the_ends():
    assert bernoulli_cs(0, 0, alpha=0.05, n_opt=100) == (0.0, 1.0)
    low, high = bernoulli_cs(0, 500, alpha=0.05, n_opt=100)
    assert low == 0.0
    assert 0.0 < high < 0.05
    low, high = bernoulli_cs(500, 500, alpha=0.05, n_opt=100)
    assert 0.95 < low < 1.0
    assert high == 1.0


def test_bernoulli_confidence_sequence_covers_at_every_look():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(120):
        k = np.cumsum(rng.random(400) < 0.3)
        looks = (10, 40, 100, 200, 400)
        bounds = [bernoulli_cs(int(k[n - 1]), n, alpha=0.1, n_opt=100) for n in looks]
        missed += any(not low <= 0.3 <= high for low, high in bounds)
    assert missed / 120 <= 0.1 + 2.5 * math.sqrt(0.1 * 0.9 / 120)


def split_path(rng, rates, sizes, ticks, *, ratio=1.0, drift=None):
    process, top = SplitProcess(ratio=ratio), 0.0
    for tick in range(ticks):
        factor = drift(tick) if drift else 1.0
        n_t, n_c = sizes(tick)
        process.add(
            rng.binomial(n_t, rates[0] * factor), n_t, rng.binomial(n_c, rates[1] * factor), n_c
        )
        top = max(top, process.log_e)
    return top


@pytest.mark.parametrize(
    ("rates", "sizes", "ratio", "drift"),
    [
        ((0.005, 0.005), lambda _t: (60, 60), 1.0, None),
        ((0.005, 0.005), lambda t: (6, 114) if t < 40 else (60, 60), 1.0, None),
        ((0.005, 0.005), lambda _t: (60, 1140), 1.0, lambda t: 6.0 if 40 <= t < 60 else 1.0),
        ((0.3, 0.3), lambda _t: (50, 50), 1.0, None),
        ((0.02, 0.01), lambda _t: (60, 60), 2.0, None),
    ],
)
def test_split_false_alarms_stay_below_alpha(rates, sizes, ratio, drift):
    rng = np.random.default_rng(7)
    runs = 400
    bound = math.log(1 / ALPHA)
    alarms = sum(
        split_path(rng, rates, sizes, 120, ratio=ratio, drift=drift) >= bound for _ in range(runs)
    )
    assert alarms / runs <= ALPHA


def test_split_finds_what_is_there():
    rng = np.random.default_rng(3)
    process, ticks = SplitProcess(), 0
    while process.log_e < math.log(1 / ALPHA):
        process.add(rng.binomial(600, 0.01), 600, rng.binomial(600, 0.005), 600)
        ticks += 1
    assert ticks < 40


def test_split_learns_nothing_from_one_arm():
    process = SplitProcess()
    process.add(5, 100, 0, 0)
    process.add(0, 0, 5, 100)
    assert process.log_e == 0.0


def test_betting_false_alarms_and_order():
    rng = np.random.default_rng(5)
    bound, alarms = math.log(1 / ALPHA), 0
    for _ in range(300):
        process, top = BettingProcess(), 0.0
        for d in rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=150):
            process.add(float(d))
            top = max(top, process.log_e)
        alarms += top >= bound
    assert alarms / 300 <= ALPHA
    one, other = BettingProcess(), BettingProcess()
    one.extend([1.0, -1.0, 0.5])
    other.extend([0.5, 1.0, -1.0])
    assert one.log_e == pytest.approx(other.log_e)


def test_tilts_are_an_e_value():
    # E[exp(log e)] of one tick under the null, for the least favourable coin.
    rng = np.random.default_rng(11)
    means = rng.binomial(40, 0.5, size=(20_000, 2)) / 40
    difference = means[:, 0] - means[:, 1]
    gains = np.array([tilt_gains(float(d), 40, 40, width=1.0)[:4] for d in difference])
    assert (np.mean(np.exp(gains), axis=0) <= 1.02).all()


def test_ceiling_is_an_e_value_at_the_limit():
    n, limit = 50, 0.02
    weights = [math.comb(n, k) * limit**k * (1 - limit) ** (n - k) for k in range(n + 1)]
    gains = [ceiling_gains(k, n, limit) for k in range(n + 1)]
    for index in range(4):
        expected = math.fsum(w * math.exp(g[index]) for w, g in zip(weights, gains, strict=True))
        assert expected == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("sizes", [(30, 30), (5, 95)])
def test_categorical_false_alarms_and_power(sizes):
    rng = np.random.default_rng(2)
    bound = math.log(1 / ALPHA)

    def alarm(p_t, p_c, ticks=120):
        past_t, past_c, log_e = np.zeros(4), np.zeros(4), 0.0
        for _ in range(ticks):
            k_t, k_c = rng.multinomial(sizes[0], p_t), rng.multinomial(sizes[1], p_c)
            log_e += categorical_gain(k_t, k_c, past_t, past_c)
            past_t, past_c = past_t + k_t, past_c + k_c
            if log_e >= bound:
                return True
        return False

    same = [0.5, 0.3, 0.15, 0.05]
    moved = [0.3, 0.3, 0.15, 0.25]
    assert sum(alarm(same, same) for _ in range(200)) / 200 <= ALPHA
    assert sum(alarm(moved, same) for _ in range(40)) >= 38


def test_log_mean_exp():
    assert log_mean_exp([800.0, 800.0]) == pytest.approx(800.0)
    assert log_mean_exp([-math.inf, -math.inf]) == -math.inf
    assert log_mean_exp([0.0, math.log(3.0)], [0.5, 0.5]) == pytest.approx(math.log(2.0))


def test_split_gains_without_events_are_zero():
    assert set(split_gains(0, 100, 0, 100)) == {0.0}
