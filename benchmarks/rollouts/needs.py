"""Is "about 1,400 more requests" honest? What was foretold beside what it took.

python benchmarks/rollouts/needs.py --runs 60

Two equal versions, half the traffic each, 100 requests a second. When a quarter, half and three
quarters of the requests that an acquittal took have been seen, what was said is compared with what
it still took: 1 is right, 2 is twice too many.
"""

import argparse
import json
from pathlib import Path
from statistics import median, quantiles

from penstock.domain.rollout import RolloutPhase, Rule, RuleKind, Step, StepKind, Strategy
from penstock.rollouts.advance import advance
from penstock.rollouts.state import ApplyTable, RolloutState, StartTarget
from penstock.testing.fakes import Behaviour, FakeTarget
from penstock.testing.simulation import bundle

STEPS = (Step(StepKind.WEIGHT, 50.0, 1e9, 10), Step(StepKind.WEIGHT, 100.0))
CASES = {
    "errors, none": (Rule("errors", RuleKind.RATE), Behaviour()),
    "errors, 0.3 %": (Rule("errors", RuleKind.RATE), Behaviour(error_rate=0.003)),
    "errors, 5 %": (Rule("errors", RuleKind.RATE), Behaviour(error_rate=0.05)),
    "latency": (Rule("latency", RuleKind.TAIL), Behaviour()),
    "a mean of 0.1, margin 0.02": (
        Rule("sold", RuleKind.MEAN, margin=0.02),
        Behaviour(means={"sold": 0.1}),
    ),
    "labels, 90 % right, margin 0.02": (
        Rule("quality", RuleKind.QUALITY, margin=0.02),
        Behaviour(means={"quality": 0.9}),
    ),
}
PARTS = (0.25, 0.5, 0.75)


def foretold(rule, behaviour, seed):
    """Return pairs (requests seen, more requests said to be needed) and what it took, or None."""
    strategy = Strategy(steps=STEPS, rules=(rule,), early=False, max_seconds=1e12)
    target = FakeTarget({"1": behaviour, "2": behaviour}, rate=100, seed=seed)
    state = RolloutState("rollout-1", "model", strategy, bundle("1"), bundle("2"))
    said, now = [], 0.0
    while not state.phase.ended and state.phase is not RolloutPhase.ROLLING_BACK and now < 3_600:
        state, effects = advance(state, target.observe(), now=now)
        for effect in effects:
            if isinstance(effect, StartTarget):
                target.start()
            elif isinstance(effect, ApplyTable):
                target.apply(effect.table)
        if state.verdicts:
            if state.verdicts[0].outcome == "passed":
                return said, state.requests
            said.append((state.requests, state.verdicts[0].needs))
        target.pass_time(0.5)
        now += 0.5
    return None


def ratios(rule, behaviour, runs):
    """Return the median of what it took, and per part of it foretold over actual, as a list."""
    found, took = {part: [] for part in PARTS}, []
    for seed in range(runs):
        ended = foretold(rule, behaviour, seed)
        if ended is None:
            continue
        said, total = ended
        took.append(total)
        for part in PARTS:
            seen, needs = [one for one in said if one[0] <= part * total][-1]
            if needs is not None:
                found[part].append(needs / (total - seen))
    return median(took), found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    rows = []
    print("| rule | it took | at a quarter | at half | at three quarters |\n|---|---|---|---|---|")
    for name, (rule, behaviour) in CASES.items():
        took, found = ratios(rule, behaviour, options.runs)
        cells, row = [], {"rule": name, "took": took}
        for part, values in found.items():
            low, middle, high = (round(one, 3) for one in quantiles(values, n=4))
            given = len(values) / options.runs
            cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f}; said in {given:.0%})")
            row[str(part)] = {"quartiles": [low, middle, high], "said": given}
        rows.append(row)
        print(f"| {name} | {took:,.0f} | {' | '.join(cells)} |", flush=True)
    if options.out:
        Path(options.out).write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
