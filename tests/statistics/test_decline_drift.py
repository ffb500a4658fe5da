"""The alarm of decline: hardly ever false, however long one looks, and quick when it is true."""

import math

import numpy as np

from penstock.monitors.decline import DeclineProcess

ALPHA = 0.05


def alarm(rng, rates, rows=200):
    """Return after how many batches it alarms, None if it never does."""
    process = DeclineProcess(tolerated=0.22, most=1.0)
    for number, rate in enumerate(rates):
        process.add((rng.random(rows) < rate).astype(float))
        if process.peak >= math.log(1 / ALPHA):
            return number
    return None


def test_false_alarms_over_two_hundred_looks():
    rng = np.random.default_rng(7)
    worst = [alarm(rng, [0.22] * 200, rows=50) for _ in range(60)]
    assert sum(one is not None for one in worst) <= 60 * ALPHA + 3


def test_good_months_do_not_delay_the_discovery_of_a_decline():
    rng = np.random.default_rng(8)
    delays = [alarm(rng, [0.15] * 100 + [0.30] * 20) - 100 for _ in range(10)]
    assert min(delays) >= 0
    assert max(delays) <= 8
