"""2,000 A/A rollouts with the real decision and analysis, a look at every tick.

python benchmarks/rollouts/calibration.py --runs 2000
"""

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from scipy.stats import beta

from penstock.domain.rollout import DEFAULT_RULES, Rule, RuleKind, Step, StepKind, Strategy
from penstock.testing.fakes import Behaviour, FakeTarget
from penstock.testing.simulation import simulate

ALL_BLOCK = (
    *(replace(rule, on_alarm="rollback", margin=0.0) for rule in DEFAULT_RULES),
    Rule("revenue", RuleKind.MEAN),
)
KNOWN = {"quality": 0.9, "revenue": 0.2}
STEPS = (
    Step(StepKind.SHADOW, 0.0, 10.0, 50),
    Step(StepKind.WEIGHT, 5.0, 10.0, 10),
    Step(StepKind.WEIGHT, 25.0, 10.0, 50),
    Step(StepKind.WEIGHT, 100.0),
)
STRATEGY = Strategy(steps=STEPS, rules=ALL_BLOCK, interval=0.5, probation=20.0, early=False)
WORLDS = {
    "errors 0.5 %": (STRATEGY, Behaviour(error_rate=0.005, means=KNOWN), None),
    "errors 0.5 %, incident on both": (
        STRATEGY,
        Behaviour(error_rate=0.005, means=KNOWN),
        lambda seconds: 6.0 if 20 <= seconds < 30 else 1.0,
    ),
    "errors 20 %, noisy latency": (
        STRATEGY,
        Behaviour(error_rate=0.2, latency=0.05, spread=0.8, classes=(0.25,) * 4, means=KNOWN),
        None,
    ),
    "no copies": (
        replace(STRATEGY, steps=STEPS[1:], mirror=False),
        Behaviour(error_rate=0.01, means=KNOWN),
        None,
    ),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--only", default="", help="the world of this name")
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    rows = []
    print("| both versions | runs | rolled back | at most (95 %) | looks per run | blamed |")
    print("|---|---|---|---|---|---|")
    for name, (strategy, behaviour, drift) in WORLDS.items():
        if options.only and options.only != name:
            continue
        begun, back, looks, blamed = time.time(), 0, 0, Counter()
        for seed in range(options.runs):
            both = {"1": behaviour, "2": behaviour}
            target = FakeTarget(both, rate=120.0, seed=seed, drift=drift)
            end = simulate(strategy, behaviour, behaviour, target=target)
            back += end.went_back
            looks += end.looks
            blamed[end.blamed] += end.went_back
        share = back / options.runs
        most = beta.ppf(0.95, back + 1, options.runs - back) if back < options.runs else 1.0
        said = ", ".join(f"{rule} {count}" for rule, count in blamed.items() if count)
        print(
            f"| {name} | {options.runs:,} | {share:.4f} | {most:.4f} "
            f"| {looks / options.runs:.0f} | {said} |",
            flush=True,
        )
        seconds = round(time.time() - begun, 1)
        rows.append({"world": name, "runs": options.runs, "share": share, "seconds": seconds})
    if options.out:
        item = {"alpha": STRATEGY.alpha, "rows": rows}
        Path(options.out).write_text(json.dumps(item, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
