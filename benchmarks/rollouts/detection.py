"""Rules side by side: the same ticks to penstock, a Flagger-like and a Kayenta-like rule.

python benchmarks/rollouts/detection.py --runs 200
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from peers import Flagger, Kayenta

from penstock.domain.rollout import Rule, RuleKind, Step, StepKind, Strategy
from penstock.domain.traffic import LATENCY_BOUNDS, Counters
from penstock.domain.verdict import Outcome
from penstock.rollouts import Analysis
from penstock.stats.twosample import Sums, Told

TICKS = 120
EDGES = np.array([0.0, *LATENCY_BOUNDS, np.inf])
ERRORS = Rule("errors", RuleKind.RATE)
LATENCY = Rule("latency", RuleKind.TAIL, tolerance=0.0, slack=0.0)
SCORES = Rule("scores", RuleKind.DISTRIBUTION)
REVENUE = Rule("revenue", RuleKind.MEAN)


@dataclass
class Tick:
    n_t: int
    x_t: int
    n_c: int
    x_c: int
    latency_t: np.ndarray | None = None
    latency_c: np.ndarray | None = None
    mean_t: float | None = None
    mean_c: float | None = None
    values_t: np.ndarray | None = None
    values_c: np.ndarray | None = None
    classes_t: np.ndarray | None = None
    classes_c: np.ndarray | None = None
    shares: dict | None = None


@dataclass(frozen=True)
class Scenario:
    name: str
    n_t: int = 600
    n_c: int = 600
    error_t: float = 0.005
    error_c: float = 0.005
    begins: int = 0
    incident: bool = False
    latency: bool = False
    drift: float = 0.0
    slow_share: float = 0.0
    slow_factor: float = 1.0
    scale: float = 1.0
    mean_t: float | None = None
    mean_c: float = 0.40
    coins: bool = False
    classes_t: tuple | None = None
    classes_c: tuple = (0.5, 0.3, 0.15, 0.05)

    @property
    def null(self):
        same = self.error_t == self.error_c and self.scale == 1.0 and not self.slow_share
        same = same and self.mean_t in (None, self.mean_c)
        return same and self.classes_t in (None, self.classes_c)

    def ticks(self, rng):
        for index in range(TICKS):
            worse = index >= self.begins
            factor = 6.0 if self.incident and 40 <= index < 60 else 1.0
            error_t = (self.error_t if worse else self.error_c) * factor
            tick = Tick(
                self.n_t,
                rng.binomial(self.n_t, error_t),
                self.n_c,
                rng.binomial(self.n_c, self.error_c * factor),
            )
            if self.latency:
                wave = 1.0 + self.drift * np.sin(index / 6.0)
                tick.latency_c = self._latency(rng, self.n_c, wave)
                tick.latency_t = self._latency(rng, self.n_t, wave * self.scale)
                slow = rng.random(self.n_t) < self.slow_share
                tick.latency_t[slow] *= self.slow_factor
            if self.mean_t is not None:
                tick.values_t = self._values(rng, self.n_t, self.mean_t)
                tick.values_c = self._values(rng, self.n_c, self.mean_c)
                tick.mean_t, tick.mean_c = tick.values_t.mean(), tick.values_c.mean()
            if self.classes_t is not None:
                tick.classes_t = rng.multinomial(self.n_t, self.classes_t)
                tick.classes_c = rng.multinomial(self.n_c, self.classes_c)
                tick.shares = {
                    f"class {i}": (tick.classes_t[i] / self.n_t, tick.classes_c[i] / self.n_c)
                    for i in range(len(self.classes_t))
                }
            yield tick

    def _values(self, rng, n, mean):
        """Tosses of a coin, or amounts with a standard deviation of 0.2."""
        if self.coins:
            return (rng.random(n) < mean).astype(float)
        return rng.beta(5 * mean, 5 * (1 - mean), n)

    @staticmethod
    def _latency(rng, n, scale):
        return 0.02 * scale * np.exp(rng.normal(0.0, 0.5, n))


SCENARIOS = (
    Scenario("null: errors 0.5 %, 60 requests per tick and arm", 60, 60),
    Scenario("null: the same, 600"),
    Scenario("null: weight 5 % (60 against 1,140)", 60, 1140),
    Scenario("null: incident to 3 % on both arms", 60, 60, incident=True),
    Scenario("errors 0.5 % -> 1 %, 600", error_t=0.01),
    Scenario("errors 0.5 % -> 5 %, 60", 60, 60, error_t=0.05),
    Scenario("errors 0.5 % -> 1.5 %, weight 5 %", 60, 1140, error_t=0.015),
    Scenario("errors x 3 from tick 41, 600", error_t=0.015, begins=40),
    Scenario("null: errors 30 %, 100", 100, 100, error_t=0.30, error_c=0.30),
    Scenario("errors 30 % -> 36 %, 100", 100, 100, error_t=0.36, error_c=0.30),
    Scenario("null: latency", latency=True),
    Scenario("null: latency, shared drift of 30 %", latency=True, drift=0.3),
    Scenario("3 % of requests 3 times slower", latency=True, slow_share=0.03, slow_factor=3.0),
    Scenario("all 10 % slower", latency=True, scale=1.1),
    Scenario("all 50 % slower", latency=True, scale=1.5),
    Scenario("null: mean 0.40, 100", 100, 100, mean_t=0.40),
    Scenario("mean 0.40 -> 0.38, 100", 100, 100, mean_t=0.38),
    Scenario("null: mean 0.40, coins", 100, 100, mean_t=0.40, coins=True),
    Scenario("mean 0.40 -> 0.38, coins", 100, 100, mean_t=0.38, coins=True),
    Scenario("mean 0.40 -> 0.30, coins", 100, 100, mean_t=0.30, coins=True),
    Scenario("null: class mix", classes_t=(0.5, 0.3, 0.15, 0.05)),
    Scenario("class 4: 5 % -> 10 %", classes_t=(0.45, 0.3, 0.15, 0.10)),
)


class Penstock:
    """The real analysis, with one rule: the one for the metric that the row is about."""

    def __init__(self, scenario):
        rules = [LATENCY] if scenario.latency else []
        rules += [SCORES] if scenario.classes_t is not None else []
        rules += [REVENUE] if scenario.mean_t is not None else []
        rules = rules or [ERRORS]
        steps = (Step(StepKind.WEIGHT, 50.0), Step(StepKind.WEIGHT, 100.0))
        strategy = Strategy(steps=steps, rules=tuple(rules), alpha=0.05, probation=0.0)
        self.analysis = Analysis(strategy, "1", "2")
        self.counters = {
            "1": Counters("1", "champion", "e"),
            "2": Counters("2", "challenger", "e"),
        }
        self.analysis.look(self.counters.values(), stage=0, real=True)

    def look(self, tick):
        self._count("2", tick.n_t, tick.x_t, tick.latency_t, tick.classes_t)
        self._count("1", tick.n_c, tick.x_c, tick.latency_c, tick.classes_c)
        told = {}
        if tick.values_t is not None:
            told["revenue"] = Told(sums(tick.values_t), sums(tick.values_c))
        verdicts = self.analysis.look(self.counters.values(), stage=0, real=True, told=told)
        return any(one.outcome is Outcome.FAILED for one in verdicts)

    def _count(self, version, n, x, latency, classes):
        old = self.counters[version]
        buckets = old.latency
        if latency is not None:
            new = np.histogram(latency, EDGES)[0]
            buckets = tuple(int(a + b) for a, b in zip(buckets, new, strict=True))
        predictions = dict(old.predictions)
        for index, seen in enumerate(classes if classes is not None else ()):
            predictions[str(index)] = predictions.get(str(index), 0) + int(seen)
        self.counters[version] = replace(
            old,
            requests=old.requests + n,
            errors=old.errors + x,
            latency=buckets,
            predictions=predictions,
        )


def sums(values):
    return Sums(len(values), float(values.sum()), float((values**2).sum()))


def first_alarm(make, ticks):
    rule = make()
    for index, tick in enumerate(ticks, 1):
        if rule.look(tick):
            return index
    return None


def measure(scenario, runs):
    found = {}
    for name, make in (
        ("penstock", partial(Penstock, scenario)),
        ("Flagger-like", Flagger),
        ("Kayenta-like", Kayenta),
    ):
        alarms = [
            first_alarm(make, scenario.ticks(np.random.default_rng(seed))) for seed in range(runs)
        ]
        early = [one for one in alarms if one is not None and one <= scenario.begins]
        delays = [one - scenario.begins for one in alarms if one is not None]
        delays = [one for one in delays if one > 0]
        found[name] = {
            "share": len(delays) / runs,
            "early": len(early) / runs,
            "delay": median(delays) if delays else None,
        }
    return found


def cell(scenario, one):
    if scenario.null:
        return f"{one['share']:.3f}"
    delay = "never" if one["delay"] is None else f"{one['delay']:g}"
    early = f" ({one['early']:.0%} before)" if one["early"] else ""
    return f"{one['share']:.2f} / {delay}{early}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--only", default="", help="scenarios whose name has this")
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    rows, begun = [], time.time()
    print("| scenario | penstock | Flagger-like | Kayenta-like |\n|---|---|---|---|")
    for scenario in SCENARIOS:
        if options.only and options.only not in scenario.name:
            continue
        found = measure(scenario, options.runs)
        rows.append({"scenario": scenario.name, "null": scenario.null, **found})
        cells = " | ".join(cell(scenario, one) for one in found.values())
        print(f"| {scenario.name} | {cells} |", flush=True)
    print(f"\n{options.runs} runs of {TICKS} ticks each, {time.time() - begun:.0f} s")
    if options.out:
        item = {"runs": options.runs, "ticks": TICKS, "rows": rows}
        Path(options.out).write_text(json.dumps(item, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
