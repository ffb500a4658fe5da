"""Anytime-valid tests: evidence that may be looked at after every request.

An e-process starts at 1 and its expectation stays at most 1 while the null hypothesis holds,
whenever one stops. So an alarm at ``1 / alpha`` is false with probability at most ``alpha`` over
the whole of a rollout, however often one looks (Ville 1939). Averages of e-processes are
e-processes. Everything here works in natural logarithms and is pure arithmetic on counts.

>>> process = SplitProcess()
>>> for bad, good in ((9, 4), (12, 5), (8, 3)):
...     process.add(bad, 1000, good, 1000)
>>> round(process.log_e, 6)
2.305422
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

PHI_GRID: tuple[float, ...] = (1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0)
"""How many times worse than tolerated an arm may be: the alternatives of a split e-process."""

BETS: tuple[float, ...] = tuple(0.9 * 2.0 ** (-k / 2) for k in range(16))
"""Shares of the wealth that a betting e-process stakes, largest first."""

TILTS: tuple[float, ...] = tuple(2.0**k for k in range(12))
"""Tilts of the sub-Gaussian e-process, in units of one over the range of the metric."""

_CAP = 700.0


def log_mean_exp(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return ``log(sum_i weights_i * exp(values_i))``; equal weights that sum to 1 by default.

    >>> log_mean_exp([0.0, 0.0])
    0.0
    """
    top = max(values)
    if top == -math.inf:
        return -math.inf
    if weights is None:
        return top + math.log(sum(math.exp(v - top) for v in values) / len(values))
    pairs = zip(weights, values, strict=True)
    return top + math.log(sum(w * math.exp(v - top) for w, v in pairs))


def e_value(log_e: float) -> float:
    """Return ``exp(log_e)``, capped where it would overflow."""
    return math.exp(min(log_e, _CAP))


@dataclass(slots=True)
class SplitProcess:
    """E-process for ``rate of arm T <= ratio * rate of arm C``, from counts of a split.

    Per tick the arms had `n_t` and `n_c` requests, `x_t` and `x_c` of which were events. The
    share ``w = n_t / (n_t + n_c)`` says how events would fall if the rates were in the tolerated
    ratio; each alternative says how they would fall if T were `phi` times worse than that. Valid
    for any rates, also when they drift or an incident hits both arms, and when the split changes
    from tick to tick (its size must not depend on the outcomes of the same tick). With positively
    associated outcomes, such as two models answering one request, it is conservative.

    Attributes:
        ratio: tolerated ratio of the rates, above 0.
        logs: log wealth per alternative of `PHI_GRID`.
    """

    ratio: float = 1.0
    logs: list[float] = field(default_factory=lambda: [0.0] * len(PHI_GRID))

    def add(self, x_t: float, n_t: float, x_c: float, n_c: float) -> None:
        """Add the counts of one tick; nothing is learnt when an arm had no request."""
        for index, gain in enumerate(split_gains(x_t, n_t, x_c, n_c, ratio=self.ratio)):
            self.logs[index] += gain

    @property
    def log_e(self) -> float:
        """Log of the e-value: the average over the alternatives."""
        return log_mean_exp(self.logs)


def split_gains(
    x_t: float, n_t: float, x_c: float, n_c: float, *, ratio: float = 1.0
) -> tuple[float, ...]:
    """Return what one tick adds to the log wealth of each alternative of `PHI_GRID`.

    Args:
        x_t: events of arm T in the tick.
        n_t: requests of arm T in the tick.
        x_c: events of arm C in the tick.
        n_c: requests of arm C in the tick.
        ratio: tolerated ratio of T's to C's rate.
    """
    if n_t <= 0 or n_c <= 0 or (x_t == 0 and x_c == 0):
        return (0.0,) * len(PHI_GRID)
    w = n_t / (n_t + n_c)
    p0 = ratio * w / (ratio * w + 1.0 - w)
    gains = []
    for phi in PHI_GRID:
        scaled = ratio * phi * w
        q = scaled / (scaled + 1.0 - w)
        gains.append(x_t * math.log(q / p0) + x_c * math.log((1.0 - q) / (1.0 - p0)))
    return tuple(gains)


def ceiling_gains(x: float, n: float, limit: float) -> tuple[float, ...]:
    """Return what a tick adds to the evidence *against* ``rate >= limit``, per alternative.

    Likelihood ratio of lower rates (0.001, 0.1, 0.25 and 0.5 of the limit) to the limit itself,
    for `x` events among `n` requests. An e-process while each request fails with probability at
    least `limit` given the past.

    >>> [round(gain, 3) for gain in ceiling_gains(0, 300, 0.01)]
    [3.012, 2.715, 2.264, 1.511]
    """
    gains = []
    for share in CEILING_GRID:
        q = share * limit
        gains.append(x * math.log(share) + (n - x) * math.log((1.0 - q) / (1.0 - limit)))
    return tuple(gains)


def floor_gains(x: float, n: float, limit: float) -> tuple[float, ...]:
    """Return what a tick adds to the evidence *against* ``rate <= limit``, per `PHI_GRID`.

    Likelihood ratio of rates `phi` times the limit (at most 0.99) to the limit itself. An e-process
    while each request fails with probability at most `limit` given the past.

    >>> round(log_mean_exp(floor_gains(20, 100, 0.01)), 1)
    40.6
    """
    gains = []
    for phi in PHI_GRID:
        q = max(min(phi * limit, 0.99), limit)
        gains.append(x * math.log(q / limit) + (n - x) * math.log((1.0 - q) / (1.0 - limit)))
    return tuple(gains)


CEILING_GRID: tuple[float, ...] = (0.001, 0.1, 0.25, 0.5)
"""Alternatives of `ceiling_gains`, as shares of the limit."""


def betting_gains(difference: float, *, width: float, margin: float = 0.0) -> tuple[float, ...]:
    """Return what one observed difference adds to the log wealth of each stake of `BETS`.

    Tests ``E[difference | past] <= margin`` for a difference within ``[-width, width]``; needs
    neither independence nor equal distributions (Waudby-Smith and Ramdas, 2024).
    """
    unit = width + margin
    return tuple(math.log1p(bet / unit * (difference - margin)) for bet in BETS)


def tilt_gains(
    difference: float, n_t: float, n_c: float, *, width: float, margin: float = 0.0
) -> tuple[float, ...]:
    """Return what a difference of two tick means adds to the log wealth of each of `TILTS`.

    The sub-Gaussian companion of `betting_gains`, which knows that a mean of many is precise:
    ``exp(t (d - margin) - t^2 (1/n_t + 1/n_c) / 8)`` by Hoeffding's lemma, for metrics within a
    range of `width`.
    """
    scaled = (difference - margin) / width
    spread = (1.0 / n_t + 1.0 / n_c) / 8.0
    return tuple(tilt * scaled - tilt * tilt * spread for tilt in TILTS)


@dataclass(slots=True)
class BettingProcess:
    """E-process for ``E[D | past] <= margin``, D within ``[-width, width]``, one D at a time.

    >>> process = BettingProcess(width=1.0)
    >>> process.extend([1.0] * 8)
    >>> round(process.log_e, 3)
    2.833
    """

    width: float = 1.0
    margin: float = 0.0
    logs: list[float] = field(default_factory=lambda: [0.0] * len(BETS))

    def add(self, difference: float) -> None:
        """Add one difference."""
        gains = betting_gains(difference, width=self.width, margin=self.margin)
        for index, gain in enumerate(gains):
            self.logs[index] += gain

    def extend(self, differences: Iterable[float]) -> None:
        """Add many differences; their order does not matter."""
        for difference in differences:
            self.add(difference)

    @property
    def log_e(self) -> float:
        """Log of the e-value: the average over the stakes."""
        return log_mean_exp(self.logs)


def categorical_gain(
    k_t: Sequence[float], k_c: Sequence[float], past_t: Sequence[float], past_c: Sequence[float]
) -> float:
    """Return what one tick adds to the log evidence that two distributions differ.

    Turner, Ly and Gruenwald's two-sample e-value in tick form: with ``w`` the share of T in the
    tick and plug-in distributions (Dirichlet 1/2) from *earlier* ticks only, the factor of an
    outcome is its plug-in probability over that of the mixture ``w p_t + (1 - w) p_c``. Valid for
    any split: ``a^w b^(1-w) <= w a + (1-w) b = 1``.

    Args:
        k_t: T's outcomes in this tick, per bin.
        k_c: C's outcomes in this tick, per bin.
        past_t: T's outcomes in earlier ticks, per bin.
        past_c: C's outcomes in earlier ticks, per bin.
    """
    n_t, n_c = sum(k_t), sum(k_c)
    if n_t <= 0 or n_c <= 0:
        return 0.0
    w = n_t / (n_t + n_c)
    half = 0.5 * len(k_t)
    total_t, total_c = sum(past_t) + half, sum(past_c) + half
    gain = 0.0
    for seen_t, seen_c, old_t, old_c in zip(k_t, k_c, past_t, past_c, strict=True):
        p_t, p_c = (old_t + 0.5) / total_t, (old_c + 0.5) / total_c
        mixed = w * p_t + (1.0 - w) * p_c
        gain += seen_t * math.log(p_t / mixed) + seen_c * math.log(p_c / mixed)
    return gain


def mixture_rho(v_opt: float, alpha: float) -> float:
    """Return the scale that makes a two-sided mixture tightest at variance `v_opt`."""
    doubled = 2.0 * math.log(1.0 / alpha)
    return v_opt / (doubled + math.log(1.0 + doubled))


def log_beta_mixture(
    k: float, n: float, p0: float, *, n_opt: float, alpha_opt: float, one_sided: bool = True
) -> float:
    """Return the log e-value of `k` events in `n` trials against a known rate.

    The (truncated) Beta mixture of Howard, Ramdas, McAuliffe and Sekhon (2021); one-sided it
    tests ``rate <= p0``, two-sided ``rate == p0``.

    Args:
        k: events.
        n: trials.
        p0: the rate of the null hypothesis, within (0, 1).
        n_opt: number of trials where the bound shall be tightest.
        alpha_opt: level where it shall be tightest.
        one_sided: whether only a rate above `p0` is evidence.

    >>> round(log_beta_mixture(135, 625, 0.2, n_opt=625, alpha_opt=0.05), 8)
    -0.07134019
    """
    from scipy.special import betaln
    from scipy.stats import beta

    g = p0 * (1.0 - p0)
    rho = mixture_rho(n_opt * g, 2.0 * alpha_opt if one_sided else alpha_opt)
    r = max(rho - g, g / 1000.0)
    a, b = r / (1.0 - p0), r / p0
    value = betaln(a + k, b + n - k) - betaln(a, b)
    value -= k * math.log(p0) + (n - k) * math.log1p(-p0)
    if one_sided:
        value += beta.logsf(p0, a + k, b + n - k) - beta.logsf(p0, a, b)
    return float(value)


def bernoulli_cs(k: int, n: int, *, alpha: float, n_opt: float) -> tuple[float, float]:
    """Return a confidence sequence for a rate: bounds that hold at every look at once.

    All rates that the two-sided mixture of `log_beta_mixture` does not reject at `alpha`.

    Args:
        k: events so far.
        n: trials so far.
        alpha: chance that the bounds ever miss the true rate.
        n_opt: number of trials where the bounds shall be tightest.

    >>> [round(bound, 5) for bound in bernoulli_cs(700, 1000, alpha=0.05, n_opt=100)]
    [0.65163, 0.74595]
    """
    if n == 0:
        return 0.0, 1.0
    limit = math.log(1.0 / alpha)

    def rejected(p: float) -> bool:
        return log_beta_mixture(k, n, p, n_opt=n_opt, alpha_opt=alpha, one_sided=False) >= limit

    centre = min(max(k / n, 1e-12), 1.0 - 1e-12)
    return _edge(rejected, centre, 1e-12), _edge(rejected, centre, 1.0 - 1e-12)


def _edge(rejected: Callable[[float], bool], inside: float, outside: float) -> float:
    if not rejected(outside):
        return round(outside)
    for _ in range(60):
        middle = (inside + outside) / 2.0
        if rejected(middle):
            outside = middle
        else:
            inside = middle
    return inside
