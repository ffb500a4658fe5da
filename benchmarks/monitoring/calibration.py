"""False alarms in 200 windows without drift, and power, for three kinds of windows."""

import argparse
import importlib.util
import time
from pathlib import Path

from penstock.monitors import DriftMonitor, build_reference

ROOT = Path(__file__).resolve().parents[2]
KINDS = (("independent", 1000, 1, 20), ("in tens", 5000, 10, 20), ("independent", 50_000, 1, 10))


def simulation():
    """Return the module with the generator, the same that the tests use."""
    path = ROOT / "tests" / "statistics" / "test_drift_calibration.py"
    spec = importlib.util.spec_from_file_location("drift_calibration", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=200)
    given = parser.parse_args()
    drawn = simulation()
    print(
        "| rows | | windows with a false alarm | .05 sd | .1 sd | .2 sd | .1 sd, fifth window | s |"
    )
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for kind, rows, repeat, tries in KINDS:
        began = time.perf_counter()
        source = drawn.Generator(11, repeat=repeat)
        reference = build_reference(source.rows(drawn.REFERENCE), window=rows)
        monitor = DriftMonitor(reference)
        false = drawn.alarms(monitor, source, rows, given.windows)
        found = [drawn.power(monitor, source, rows, tries, shift) for shift in (0.05, 0.1, 0.2)]
        found.append(drawn.lasting(monitor, source, rows, tries, 0.1))
        shown = " | ".join(f"{one:.2f}" for one in found)
        share = false / given.windows
        spent = time.perf_counter() - began
        print(f"| {rows:,} | {kind} | {share:.1%} | {shown} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()
