"""How often a gate promotes what it must not, and what it should: by simulation.

    python benchmarks/gates/run.py                      10,000 experiments per case (minutes)
    python benchmarks/gates/run.py --experiments 200    a quick look

Writes results.json, results.md and results.svg beside this file (or to --out). Seeded: the same
numbers come out every time.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import picture
import rules
from rules import RULES

from penstock.gates import GateSpec, budget
from penstock.gates.metrics import LOG_LOSS_CLIP
from penstock.stats.ranks import AreaSample

ALPHA = 0.05
CASES = {
    "accuracy > 0.75": {"n": 2000, "null": 0.75, "good": 0.78},
    "new - old > -0.01": {"n": 4000, "null": -0.01, "good": 0.005},
    "changed < 0.1": {"n": 2000, "null": 0.1, "good": 0.08},
    "roc_auc > 0.65": {"n": 2000, "null": 0.65, "good": 0.71},
    "log_loss(new) - log_loss(old) < 0.005": {"n": 4000, "null": 0.005, "good": -0.02},
}


def simulate(name, value, n, experiments, alpha, seed):
    """Return, for each rule, how often it promotes when the truth is `value`."""
    rng = np.random.default_rng(seed)
    if name.startswith("accuracy"):
        hits = rng.binomial(n, value, experiments)
        said = {one: rules.share_promotes(one, hits, n, 0.75, alpha) for one in RULES}
    elif name.startswith("changed"):
        # "changed is below 0.1" is "unchanged is above 0.9".
        same = rng.binomial(n, 1 - value, experiments)
        said = {one: rules.share_promotes(one, same, n, 0.9, alpha) for one in RULES}
    elif name.startswith("new"):
        differ = 0.1
        chances = [(differ + value) / 2, (differ - value) / 2, 1 - differ]
        wins, losses, _ = rng.multinomial(n, chances, experiments).T
        said = {one: rules.pair_promotes(one, wins, losses, n, -0.01, alpha) for one in RULES}
    elif name.startswith("roc_auc"):
        said = _areas(rng, value, n, experiments, alpha)
    else:
        said = _losses(rng, value, n, experiments, alpha)
    return {one: float(np.mean(said[one])) for one in RULES}


def _areas(rng, value, n, experiments, alpha):
    from scipy.special import ndtri

    shift = math.sqrt(2) * float(ndtri(value))  # normal scores with this area
    said = {one: np.zeros(experiments, dtype=bool) for one in RULES}
    for index in range(experiments):
        labels = rng.random(n) < 0.25
        scores = rng.normal(size=n) + shift * labels
        sample = AreaSample.of(labels, [(1.0, scores)])
        for one in RULES:
            said[one][index] = rules.area_promotes(one, sample, 0.65, alpha)
    return said


def _losses(rng, value, n, experiments, alpha):
    said = {one: np.zeros(experiments, dtype=bool) for one in RULES}
    low, high = -LOG_LOSS_CLIP, LOG_LOSS_CLIP
    for index in range(experiments):
        # Differences of losses: mostly small, sometimes large, skewed towards harm.
        values = value + 0.2 * rng.normal(size=n) + 0.5 * (rng.exponential(1, n) - 1)
        values = np.clip(values, low, high)
        for one in RULES:
            said[one][index] = rules.mean_promotes(one, values, low, high, 0.005, alpha)
    return said


def adaptive(experiments, commits, n, reliability, adaptivity, seed):
    """Let a developer climb on the verdicts of one test set; return who is ever fooled.

    No candidate is truly better than the threshold. Each commit changes some answers of the best
    candidate so far at random (truly neither better nor worse), and is kept whenever the rule
    promotes it, or the number it shows is higher where the rule shows numbers.
    """
    rng = np.random.default_rng(seed)
    threshold = 0.75
    spec = GateSpec((), reliability, adaptivity=adaptivity, steps=commits)
    alphas = {rules.OURS: budget.level(spec), rules.HOEFFDING: budget.level(spec)}
    fooled = {one: np.zeros(experiments, dtype=bool) for one in RULES}
    for one in RULES:
        hits = rng.binomial(n, threshold, experiments)
        for _ in range(commits):
            # A tenth of the rows is answered anew: some lost, as many won on average.
            lost = rng.binomial(hits, 0.1)
            won = rng.binomial(n - hits, 0.1 * threshold / (1 - threshold))
            new = hits - lost + won
            alpha = alphas.get(one, 0.5)
            promoted = rules.share_promotes(one, new, n, threshold, alpha)
            if one == rules.NAIVE:
                promoted = new > hits
            fooled[one] |= promoted
            kept = new > hits  # numbers are shown in reports: the developer climbs on them
            hits = np.where(kept, new, hits)
    return {one: float(fooled[one].mean()) for one in RULES}


def needed(name, good, power, experiments, alpha, seed):
    """Return the fewest rows, on a grid, at which each rule promotes a good candidate."""
    found = {}
    n = 250
    while n < 200_000 and len(found) < 2:
        seen = simulate(name, good, n, experiments, alpha, seed)
        for one in (rules.OURS, rules.HOEFFDING):
            if one not in found and seen[one] >= power:
                found[one] = n
        n = math.ceil(n * 1.25)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    chosen = parser.parse_args()
    started = time.perf_counter()
    found = {"experiments": chosen.experiments, "alpha": ALPHA, "cases": [], "adaptive": []}
    for number, (name, case) in enumerate(CASES.items()):
        null = simulate(name, case["null"], case["n"], chosen.experiments, ALPHA, 100 + number)
        good = simulate(name, case["good"], case["n"], chosen.experiments, ALPHA, 200 + number)
        row = {"case": name, **case, "false_promotions": null, "power": good}
        if name.startswith(("accuracy", "new", "changed")):
            few = min(chosen.experiments, 2000)
            row["rows_for_90_percent"] = needed(name, case["good"], 0.9, few, ALPHA, 300 + number)
        found["cases"].append(row)
        print(f"{name}: {null} / {good}", file=sys.stderr)
    for reliability in (0.95, 0.999):
        row = {"commits": 100, "rows": 5000, "reliability": reliability, "adaptivity": "full"}
        few = chosen.experiments
        row["fooled"] = adaptive(few, 100, 5000, reliability, "full", 7)
        found["adaptive"].append(row)
    found["curves"] = curves(min(chosen.experiments, 2000))
    found["seconds"] = round(time.perf_counter() - started, 1)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (chosen.out / "results.md").write_text(picture.table(found))
    (chosen.out / "results.svg").write_text(picture.svg(found))
    print((chosen.out / "results.md").read_text())


def curves(experiments):
    """Return the power of each rule for growing test sets."""
    told = {}
    for name in ("accuracy > 0.75", "new - old > -0.01"):
        sizes = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000]
        good = CASES[name]["good"]
        seen = [simulate(name, good, n, experiments, ALPHA, 400 + n) for n in sizes]
        told[name] = {"rows": sizes, **{one: [row[one] for row in seen] for one in RULES}}
    return told


if __name__ == "__main__":
    main()
