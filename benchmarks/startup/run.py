"""How long `penstock` takes to say anything: side by side with DVC's and MLflow's commands.

    python benchmarks/startup/run.py [--rounds 15] [--json]

Prints medians in milliseconds. The aims: `--help` under 150 ms, a run with nothing to do under 300.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MINI = Path(__file__).parents[2] / "tests" / "projects" / "mini"
BIN = Path(sys.executable).parent


def timed(words: list[str], cwd: Path, rounds: int) -> float:
    """Return the median wall time of a command, in milliseconds."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(words, cwd=cwd, capture_output=True, check=True)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


def project(folder: Path) -> Path:
    """Make a small project whose pipeline has run and whose candidate is registered."""
    root = folder / "mini"
    shutil.copytree(MINI, root)
    (root / ".gitignore").write_text(".penstock/\nmlflow.db\nmlartifacts/\n__pycache__/\n")
    for words in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "config", "user.name", "A Person"],
        ["git", "config", "user.email", "person@example.org"],
        [str(BIN / "dvc"), "init", "-q"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "First"],
        [str(BIN / "penstock"), "run"],
    ):
        subprocess.run(words, cwd=root, check=True, capture_output=True)
    return root


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    os.environ |= {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder))
        rows = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "penstock --help": [str(BIN / "penstock"), "--help"],
            "penstock run, nothing to do": [str(BIN / "penstock"), "run"],
            "penstock plan": [str(BIN / "penstock"), "plan"],
            "penstock status": [str(BIN / "penstock"), "status"],
            "dvc --help": [str(BIN / "dvc"), "--help"],
            "dvc repro, nothing to do": [str(BIN / "dvc"), "repro"],
            "mlflow --help": [str(BIN / "mlflow"), "--help"],
        }
        found = {name: timed(words, root, chosen.rounds) for name, words in rows.items()}
    if chosen.json:
        print(json.dumps(found, indent=2))
        return
    for name, taken in found.items():
        print(f"{name:<32}{taken:8.0f} ms")


if __name__ == "__main__":
    main()
