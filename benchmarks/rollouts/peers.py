"""The rules of other tools, as far as their decision goes; from their public source.

Flagger (pkg/controller/scheduler.go): each interval one value against a fixed threshold; after a
number of failed checks, which are never forgotten within the analysis, it rolls back.

Kayenta (MannWhitneyClassifier.scala): the series of interval values of canary and control, outliers
beyond three interquartile ranges removed, are compared by a Mann-Whitney confidence interval of
98 % for the Hodges-Lehmann shift; it fails when the whole interval lies beyond a quarter of the
estimate.
"""

import math

import numpy as np

Z_98 = 2.3263478740408408
FEWEST_POINTS = 10


class Flagger:
    """Success rate at least 99 %, p99 at most 500 ms, mean at least its floor; five strikes."""

    def __init__(self, floor=0.38, threshold=5):
        self.floor = floor
        self.threshold = threshold
        self.failed = 0

    def look(self, tick):
        bad = tick.x_t / tick.n_t > 0.01
        if tick.latency_t is not None:
            bad = bad or np.quantile(tick.latency_t, 0.99) > 0.5
        if tick.mean_t is not None:
            bad = bad or tick.mean_t < self.floor
        self.failed += bool(bad)
        return self.failed >= self.threshold


class Kayenta:
    """One series per metric; asked at every tick from the tenth on."""

    def __init__(self):
        self.series = {}

    def look(self, tick):
        values = {"errors": (tick.x_t / tick.n_t, tick.x_c / tick.n_c, 1)}
        if tick.latency_t is not None:
            pair = (np.quantile(tick.latency_t, 0.99), np.quantile(tick.latency_c, 0.99))
            values["latency"] = (*pair, 1)
        if tick.mean_t is not None:
            values["mean"] = (tick.mean_t, tick.mean_c, -1)
        for name, share in (tick.shares or {}).items():
            values[name] = (*share, 0)
        bad = False
        for name, (canary, control, direction) in values.items():
            one = self.series.setdefault(name, ([], []))
            one[0].append(canary)
            one[1].append(control)
            bad = bad or self._fails(*map(np.array, one), direction)
        return bad

    @staticmethod
    def _fails(canary, control, direction):
        canary, control = _without_outliers(canary), _without_outliers(control)
        n, m = len(canary), len(control)
        if min(n, m) < FEWEST_POINTS:
            return False
        shifts = np.sort(np.subtract.outer(canary, control), axis=None)
        rank = int(n * m / 2 - Z_98 * math.sqrt(n * m * (n + m + 1) / 12))
        rank = max(rank, 0)
        low, high, middle = shifts[rank], shifts[n * m - 1 - rank], np.median(shifts)
        limit = 0.25 * abs(middle)
        return (direction >= 0 and low > limit) or (direction <= 0 and high < -limit)


def _without_outliers(values):
    if len(values) < 4:
        return values
    q1, q3 = np.quantile(values, [0.25, 0.75])
    reach = 3.0 * (q3 - q1)
    return values[(values >= q1 - reach) & (values <= q3 + reach)]
