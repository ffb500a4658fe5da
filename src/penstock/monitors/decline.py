"""Decline of quality, as an alarm that may be looked at after every batch of labels, for ever.

Wealth is bet against "the expected loss, given the past, is at most what is tolerated" (Waudby-
Smith and Ramdas 2024). A single bet from the start would have lost its wealth in the good months
before a decline, so a part of it is set aside: at every batch a share ``1 / (k (k + 1))`` of the
starting wealth is put in. All shares sum to one, so the whole is still an e-process: the chance
that it *ever* reaches ``1 / alpha`` without a decline is at most alpha (Ville 1939), and after a
decline fresh money finds it quickly.

>>> import numpy as np
>>> rng = np.random.default_rng(1)
>>> process = DeclineProcess(tolerated=0.22, most=1.0)
>>> for _ in range(50):
...     process.add((rng.random(200) < 0.18).astype(float))
>>> process.log_e < 0
True
>>> for _ in range(10):
...     process.add((rng.random(200) < 0.32).astype(float))
>>> process.log_e > 4.6
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.stats.sequential import BETS


@dataclass
class DeclineProcess:
    """An e-process against "the loss has not become worse than tolerated".

    Attributes:
        tolerated: expected loss that is still good.
        most: greatest loss that a row can have; greater ones are cut off.
        batches: of labels so far.
        logs: log wealth per stake of `BETS`.
        peak: the greatest log e-value so far.
    """

    tolerated: float
    most: float
    batches: int = 0
    logs: list[float] = field(default_factory=lambda: [-math.inf] * len(BETS))
    peak: float = -math.inf

    def add(self, losses: NDArray[np.float64]) -> None:
        """Add the losses of one batch of labelled rows, shape (rows,)."""
        if not len(losses):
            return
        self.batches += 1
        fresh = -math.log(self.batches * (self.batches + 1.0))
        difference = np.clip(losses, 0.0, self.most) - self.tolerated
        # The most that a row can be below what is tolerated: then a stake of 1 loses all.
        unit = max(self.tolerated, 1e-12)
        for index, bet in enumerate(BETS):
            gain = float(np.log1p(bet / unit * difference).sum())
            self.logs[index] = float(np.logaddexp(self.logs[index], fresh)) + gain
        self.peak = max(self.peak, self.log_e)

    @property
    def log_e(self) -> float:
        """Log of the e-value: the average over the stakes."""
        top = max(self.logs)
        if top == -math.inf:
            return top
        return top + math.log(sum(math.exp(one - top) for one in self.logs) / len(self.logs))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        logs = [None if one == -math.inf else one for one in self.logs]
        peak = None if self.peak == -math.inf else self.peak
        return {
            "tolerated": self.tolerated, "most": self.most, "batches": self.batches,
            "logs": logs, "peak": peak,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> DeclineProcess:
        """Read what `to_dict` wrote."""
        logs = [-math.inf if one is None else one for one in item["logs"]]
        peak = -math.inf if item["peak"] is None else item["peak"]
        return cls(item["tolerated"], item["most"], item["batches"], logs, peak)
