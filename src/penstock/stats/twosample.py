"""Two samples, tick by tick: is the rate, or the mean, of one arm above the other's?

What one tick adds to the log wealth of each alternative; the sums are e-processes, as in
`penstock.stats.sequential`, for which see what that means. Nothing but counts and sums is needed:
events and requests for a rate, and for a mean the number, the sum and the sum of squares of what
was seen.

>>> log_e = [0.0] * len(ODDS)
>>> for _ in range(12):
...     gains = pooled_gains(240, 1000, 200, 1000, base=0.2)
...     log_e = [a + b for a, b in zip(log_e, gains, strict=True)]
>>> round(max(log_e), 1)
26.6
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

ODDS: tuple[float, ...] = (1.05, 1.1, 1.2, 1.35, 1.6, 2.0, 3.0, 6.0)
"""How many times better the odds of an event may be in arm T: alternatives of `pooled_gains`."""

STAKES: tuple[float, ...] = tuple(0.9 * 2.0 ** (-k / 2) for k in range(14))
"""Bets per value of `bernstein_gains` and `paired_gains`, largest first."""

_EDGE = 1e-6


def pooled_gains(
    x_t: float, n_t: float, x_c: float, n_c: float, *, base: float, ratio: float = 1.0
) -> tuple[float, ...]:
    """Return what one tick adds to the evidence against ``rate_T <= ratio * rate_C``.

    Likelihood of each alternative over that of the point of the null hypothesis that is nearest to
    it (in the sense of Kullback and Leibler, for a request drawn from both arms). That quotient is
    an e-value for a convex null hypothesis (Turner, Ly and Gruenwald 2024; Gruenwald, de Heide and
    Koolen 2024), and with ``a^w b^(1-w) <= w a + (1-w) b`` so is the product over a tick, whatever
    the rates are. Unlike the split e-process it loses nothing when events are frequent, and unlike
    it, it needs a guess of their rate.

    Args:
        x_t, n_t: events and requests of arm T in this tick.
        x_c, n_c: the same of arm C.
        base: guess of arm C's rate, from *earlier* ticks only; a bad one costs power.
        ratio: tolerated ratio of the rates, above 0.
    """
    if n_t <= 0 or n_c <= 0 or not 0.0 < base < 1.0:
        return (0.0,) * len(ODDS)
    w = n_t / (n_t + n_c)
    base = min(max(base, _EDGE), 1.0 - _EDGE)
    start_t = min(max(ratio * base, _EDGE), 1.0 - _EDGE)
    gains = []
    for odds in ODDS:
        q_t, q_c = _odds(start_t, odds ** (1.0 - w)), _odds(base, odds**-w)
        if q_t <= ratio * q_c:
            gains.append(0.0)
            continue
        p_c = w * q_t + (1.0 - w) * q_c if ratio == 1.0 else _nearest(q_t, q_c, w, ratio)
        p_t = p_c if ratio == 1.0 else ratio * p_c
        gains.append(
            x_t * math.log(q_t / p_t)
            + (n_t - x_t) * math.log((1.0 - q_t) / (1.0 - p_t))
            + x_c * math.log(q_c / p_c)
            + (n_c - x_c) * math.log((1.0 - q_c) / (1.0 - p_c))
        )
    return tuple(gains)


def _odds(rate: float, factor: float) -> float:
    scaled = factor * rate / (1.0 - rate)
    return min(max(scaled / (1.0 + scaled), _EDGE), 1.0 - _EDGE)


def _nearest(q_t: float, q_c: float, w: float, ratio: float) -> float:
    """Return the rate of C at the boundary ``rate_T = ratio * rate_C`` nearest to (q_t, q_c)."""
    low, high = 0.0, min(1.0, 1.0 / ratio)
    for _ in range(50):
        p = (low + high) / 2.0
        if p <= 0.0 or p >= 1.0 or ratio * p >= 1.0:
            break
        slope = w * ratio * (ratio * p - q_t) / (ratio * p * (1.0 - ratio * p))
        slope += (1.0 - w) * (p - q_c) / (p * (1.0 - p))
        if slope > 0.0:
            high = p
        else:
            low = p
    return (low + high) / 2.0


class Sums(NamedTuple):
    """What was seen of a metric: how many values, their sum, the sum of their squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def plus(self, other: Sums) -> Sums:
        """Return both together."""
        return Sums(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def scaled(self, low: float, high: float) -> Sums:
        """Return the sums of ``(value - low) / (high - low)``.

        >>> Sums(2, 30.0, 500.0).scaled(0.0, 20.0)
        Sums(n=2, total=1.5, squares=1.25)
        """
        width = high - low
        squares = self.squares - 2.0 * low * self.total + self.n * low * low
        return Sums(self.n, (self.total - self.n * low) / width, squares / (width * width))

    def turned(self) -> Sums:
        """Return the sums of ``1 - value``.

        >>> Sums(2, 1.5, 1.25).turned()
        Sums(n=2, total=0.5, squares=0.25)
        """
        return Sums(self.n, self.n - self.total, self.n - 2.0 * self.total + self.squares)

    def negated(self) -> Sums:
        """Return the sums of ``-value``."""
        return Sums(self.n, -self.total, self.squares)

    def about(self, centre: float) -> float:
        """Return the sum of squared distances from a centre."""
        return max(self.squares - 2.0 * centre * self.total + self.n * centre * centre, 0.0)


_NONE = Sums()


@dataclass(frozen=True, slots=True)
class Told:
    """What became known of a metric since the last look.

    Attributes:
        challenger, champion: of requests that one of the two answered.
        pairs: of requests that both answered: the champion's value less the challenger's.
        both: requests that both answered: the challenger's sums, the champion's sums.
    """

    challenger: Sums = _NONE
    champion: Sums = _NONE
    pairs: Sums = _NONE
    both: tuple[Sums, Sums] = (_NONE, _NONE)


def sums_within(count: int, total: float, low: float, high: float) -> Sums:
    """Return sums of values of which only number and sum are known, and the range.

    The squares are the largest possible: all values at the two ends of the range. So nothing is
    assumed, and for values that are 0 or 1 nothing is lost.

    >>> sums_within(10, 4.0, 0.0, 1.0)
    Sums(n=10, total=4.0, squares=4.0)
    """
    total = min(max(total, count * low), count * high)
    squares = (high - low) * (total - count * low) + 2.0 * low * total - count * low * low
    return Sums(count, total, squares)


def bernstein_gains(
    t: Sums, c: Sums, *, centre_t: float, centre_c: float, margin: float = 0.0
) -> tuple[float, ...]:
    """Return what one tick adds to the evidence against ``mean_C - mean_T <= margin``.

    Values are within [0, 1] and the arms independent given the past. The empirical-Bernstein form
    of a bet (Fan, Grama and Liu 2015; Howard et al. 2021; Waudby-Smith and Ramdas 2024), which
    needs sums only: ``exp(s y - psi(s) y^2) <= 1 + s y`` with ``psi(s) = -log(1 - s) - s``, where
    y is a value less its centre. It knows how much the values really vary.

    Args:
        t, c: of this tick.
        centre_t, centre_c: guesses of the means, from earlier ticks only, within [0, 1].
        margin: tolerated difference of the means.

    >>> sure = bernstein_gains(Sums(100, 30.0, 9.5), Sums(100, 40.0, 16.5),
    ...                        centre_t=0.3, centre_c=0.4)
    >>> round(max(sure), 2)
    4.35
    """
    if t.n <= 0 or c.n <= 0:
        return (0.0,) * len(STAKES)
    w = t.n / (t.n + c.n)
    harmonic = t.n * c.n / (t.n + c.n)
    difference = c.total / c.n - t.total / t.n - margin
    spread_t, spread_c = t.about(centre_t), c.about(centre_c)
    return tuple(
        stake * harmonic * difference
        - _psi(stake * (1.0 - w)) * spread_t
        - _psi(stake * w) * spread_c
        for stake in STAKES
    )


def paired_gains(pairs: Sums, *, centre: float, margin: float = 0.0) -> tuple[float, ...]:
    """Return what a tick's pairs add to the evidence against ``E[C - T] <= margin``.

    As `bernstein_gains`, for both values of the same request: how they hang together is in the
    differences, so nothing is assumed of it.

    Args:
        pairs: sums of the differences, each within [-1, 1].
        centre: guess of their mean, from earlier ticks only, within [-1, 1].
        margin: tolerated difference.
    """
    if pairs.n <= 0:
        return (0.0,) * len(STAKES)
    halves = pairs.scaled(-1.0, 1.0)
    excess = halves.total - pairs.n * (1.0 + margin) / 2.0
    spread = halves.about((1.0 + centre) / 2.0)
    return tuple(stake * excess - _psi(stake) * spread for stake in STAKES)


def _psi(stake: float) -> float:
    return -math.log1p(-stake) - stake
