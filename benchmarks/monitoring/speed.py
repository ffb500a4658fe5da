"""Seconds and memory for a verdict on drift: a million rows, 60 features."""

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
NUMBERS, TEXTS = 50, 10
REFERENCE, LIVE = 100_000, 1_000_000
PEERS = {
    "evidently": ["evidently==0.7.23", "pandas<3"],
    "nannyml": ["nannyml==0.13.1", "statsmodels", "pandas<3"],
}


def frame(rows, seed):
    rng = np.random.default_rng(seed)
    table = {f"n{k}": rng.normal(size=rows) for k in range(NUMBERS)}
    for k in range(TEXTS):
        table[f"c{k}"] = pd.Categorical.from_codes(
            rng.integers(0, 5 + 5 * k, rows), [f"v{j}" for j in range(5 + 5 * k)]
        )
    return pd.DataFrame(table)


def resident():
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize()


class Peak:
    """The most memory that was resident while the block ran, above what was before."""

    def __enter__(self):
        self.before, self.most, self._stop = resident(), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.005):
            self.most = max(self.most, resident())

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.extra = max(self.most - self.before, 0) / 2**20


def penstock():
    from penstock.monitors import DriftMonitor, build_reference
    from penstock.monitors.window import count_rows

    past, live = frame(REFERENCE, 1), frame(LIVE, 2)
    began = time.perf_counter()
    reference = build_reference(past)
    built = time.perf_counter() - began
    monitor = DriftMonitor(reference)
    monitor.judge(live.head(5000))
    seconds, spent = [], []
    with Peak() as peak:
        for _ in range(3):
            began, busy = time.perf_counter(), time.process_time()
            verdicts = monitor.judge(live)
            seconds.append(time.perf_counter() - began)
            spent.append(time.process_time() - busy)
    fifty = build_reference({name: past[name] for name in past if name.startswith("n")})
    batch = {name: live[name].to_numpy()[:4096] for name in live if name.startswith("n")}
    rounds = 20
    began = time.process_time()
    for _ in range(rounds):
        count_rows(fifty, batch)
    request = (time.process_time() - began) / rounds / 4096 * 1e6
    assert verdicts[0].outcome == "passed", verdicts[0].words
    return {"seconds": min(seconds), "cpu": min(spent), "extra_mib": peak.extra,
            "reference_seconds": built,
            "request_us": request}  # fmt: skip


def evidently():
    from evidently import Report
    from evidently.presets import DataDriftPreset

    past, live = frame(REFERENCE, 1), frame(LIVE, 2)
    with Peak() as peak:
        began, busy = time.perf_counter(), time.process_time()
        Report([DataDriftPreset()]).run(live, past)
        seconds, spent = time.perf_counter() - began, time.process_time() - busy
    return {"seconds": seconds, "cpu": spent, "extra_mib": peak.extra}


def nannyml():
    import nannyml as nml

    past, live = frame(REFERENCE, 1), frame(LIVE, 2)
    with Peak() as peak:
        began, busy = time.perf_counter(), time.process_time()
        calculator = nml.UnivariateDriftCalculator(column_names=list(past), chunk_number=10)
        calculator.fit(past).calculate(live)
        seconds, spent = time.perf_counter() - began, time.process_time() - busy
    return {"seconds": seconds, "cpu": spent, "extra_mib": peak.extra}


def beside(name, folder):
    """Run a peer in a virtual environment of its own."""
    place = folder / name
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[name]], check=True)
    done = subprocess.run(
        [python, __file__, "--only", name], capture_output=True, text=True, check=False,
        env={"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="directory for virtual environments of peers")
    parser.add_argument("--only", choices=["penstock", *PEERS], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(globals()[given.only]()))
        return
    found = {"penstock": penstock()}
    for name in PEERS if given.peers else ():
        found[name] = beside(name, given.peers)
    print("| | seconds | CPU seconds | times penstock's CPU | extra MiB |")
    print("|---|---:|---:|---:|---:|")
    for name, one in found.items():
        times = one["cpu"] / found["penstock"]["cpu"]
        shown = f"{one['seconds']:.2f} | {one['cpu']:.2f} | {times:.0f} | {one['extra_mib']:.0f}"
        print(f"| {name} | {shown} |")
    ours = found["penstock"]
    print(f"\nreference made in {ours['reference_seconds']:.1f} s; "
          f"{ours['request_us']:.1f} us per request of {NUMBERS} features")  # fmt: skip


if __name__ == "__main__":
    main()
