"""Predictions and test sets as a gate sees them, small and seeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from penstock.gates.predictions import Predictions


@dataclass(frozen=True)
class Flights:
    """A test set with a column of carriers, and models of chosen quality on it."""

    frame: pd.DataFrame
    signal: np.ndarray

    def model(self, noise: float = 0.2, seed: int = 1, **facts: object) -> Predictions:
        draw = np.random.default_rng(seed).normal(size=self.signal.size)
        chance = 1 / (1 + np.exp(-(self.signal + noise * draw - 1.4)))
        scores = np.stack([1 - chance, chance], axis=1)
        labels = (chance > 0.5).astype(np.int64)
        classes = np.array([0, 1])
        facts = {"latency_p99": 0.012, "latency_n": 100, "size": 4.2e7, **facts}
        return Predictions(True, None, labels, scores, classes, n=labels.size, **facts)


@pytest.fixture(scope="session")
def flights() -> Callable[[int], Flights]:
    def make(n: int = 15_000, seed: int = 3) -> Flights:
        rng = np.random.default_rng(seed)
        signal = rng.normal(size=n)
        late = (rng.random(n) < 1 / (1 + np.exp(-(signal - 1.4)))).astype(np.int64)
        frame = pd.DataFrame(
            {
                "late": late,
                "carrier": rng.choice(["AA", "B6", "UA"], n, p=[0.2, 0.3, 0.5]),
                "origin": rng.choice(["EWR", "JFK"], n),
                "row": np.arange(n),
            }
        )
        return Flights(frame, signal)

    return make
