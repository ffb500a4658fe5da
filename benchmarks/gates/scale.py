"""One million test rows in 200 slices: seconds and memory for all verdicts.

python benchmarks/gates/scale.py
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from penstock.gates import ConditionSpec, GateSpec, Ledger, judge
from penstock.gates.predictions import Predictions
from penstock.journal import Journal

CONDITIONS = (
    "candidate.roc_auc > 0.65 +/- 0.02 on slice part=*",
    "candidate.roc_auc - champion.roc_auc > -0.005 +/- 0.005",
    "candidate.accuracy > 0.75 +/- 0.02 on slice part=*",
    "candidate.accuracy - champion.accuracy > -0.02 +/- 0.01 on slice part=*",
    "candidate.log_loss - champion.log_loss < 0.005 +/- 0.005 on slice part=*",
    "candidate.accuracy - champion.accuracy > -0.002 +/- 0.002",
    "candidate.ece < 0.05",
    "changed < 0.1 +/- 0.02",
    "candidate.demographic_parity(part) < 0.2",
)


def models(rng, n):
    signal = rng.normal(size=n)
    truth = (rng.random(n) < 1 / (1 + np.exp(1.4 - signal))).astype(np.int64)
    found = []
    for noise in (0.2, 0.3):
        chance = 1 / (1 + np.exp(1.4 - signal - noise * rng.normal(size=n)))
        scores, labels = np.stack([1 - chance, chance], axis=1), (chance > 0.5).astype(np.int64)
        found.append(Predictions(True, None, labels, scores, np.array([0, 1]), n=n))
    return truth, found


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rng = np.random.default_rng(1)
    truth, (candidate, champion) = models(rng, n)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "test.parquet"
        pd.DataFrame({"y": truth, "part": rng.integers(0, 200, n)}).to_parquet(data)
        spec = GateSpec(tuple(ConditionSpec(one) for one in CONDITIONS))
        wall, cpu = time.perf_counter(), time.process_time()
        with Journal(Path(folder) / "journal.db") as journal:
            verdicts = judge(
                spec,
                candidate=candidate,
                champion=champion,
                data=data,
                target="y",
                ledger=Ledger(journal),
            )
        told = {
            "rows": n,
            "verdicts": len(verdicts),
            "seconds": round(time.perf_counter() - wall, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    (Path(__file__).parent / "scale.json").write_text(json.dumps(told) + "\n")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
