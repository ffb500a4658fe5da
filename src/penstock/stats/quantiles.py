"""Two quantiles, by counts in buckets: is that of one arm above a function of the other's?

The two-arm quantile e-process of Howard and Ramdas (2022, "Sequential estimation of quantiles with
applications to A/B testing and best-arm identification"), one-sided. Were x the control's
p-quantile, then at most a share p of its values is below x, and, by the null hypothesis, at most
1 - p of the challenger's above the limit for x. Each of the two is tested by a Beta mixture; the
evidence is the least of their sums over all x.

>>> bounds = (1.0, 2.0, 4.0, 8.0)
>>> same = [500, 300, 150, 40, 10]
>>> twice = lambda x: 2.0 * x
>>> quantile_log_e(same, same, bounds, quantile=0.9, limit=twice) < 0
True
>>> quantile_log_e([0, 0, 500, 300, 200], same, bounds, quantile=0.9, limit=lambda x: x) > 20
True
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from penstock.stats.sequential import mixture_rho

_TIGHTEST = 2_000.0
"""Number of values at which the mixtures are tightest, at a level of 5 %."""


def quantile_log_e(
    t: Sequence[float],
    c: Sequence[float],
    bounds: Sequence[float],
    *,
    quantile: float,
    limit: Callable[[float], float],
) -> float:
    """Return the log e-value against ``quantile of T <= limit(quantile of C)``.

    Buckets are coarse. Within one, the least that the values in it may say is taken; so the test
    is as strict as with the values themselves, and finds a little less.

    Args:
        t, c: values per bucket of each arm, since the beginning; one bucket more than bounds.
        bounds: upper bounds of the buckets, rising.
        quantile: which, between 0 and 1.
        limit: highest tolerated quantile of T for one of C; must rise.
    """
    import numpy as np

    n_t, n_c = float(sum(t)), float(sum(c))
    if n_t <= 0 or n_c <= 0:
        return 0.0
    below = np.concatenate([[0.0], np.cumsum(c)])[: len(c)]
    above = np.concatenate([np.cumsum(t[::-1])[::-1], [0.0]])
    last = len(bounds)
    over = [
        above[bisect_left(bounds, limit(bounds[index])) + 1] if index < last else 0.0
        for index in range(len(c))
    ]
    evidence = _mixture(np.asarray(over), n_t, 1.0 - quantile) + _mixture(below, n_c, quantile)
    return float(evidence.min())


def _mixture(k: Any, n: float, p0: float) -> Any:
    """Return `log_beta_mixture`, one-sided, for many counts at once."""
    import numpy as np
    from scipy.special import betaincc, betaln

    g = p0 * (1.0 - p0)
    r = max(mixture_rho(_TIGHTEST * g, 0.1) - g, g / 1000.0)
    a, b = r / (1.0 - p0), r / p0
    floor = 1e-300
    after = np.log(np.maximum(betaincc(a + k, b + n - k, p0), floor))
    before = np.log(max(float(betaincc(a, b, p0)), floor))
    value = betaln(a + k, b + n - k) - betaln(a, b) + after - before
    return value - k * np.log(p0) - (n - k) * np.log1p(-p0)
