"""A year of flights: never retrain, retrain monthly without gates, penstock.

    python benchmarks/year/run.py [DIRECTORY] [--days 306] [--share 1.0]

Replays the year as `penstock demo --year` does, and writes results.md, results.json and
results.svg beside this file. About ten minutes on two cores that are otherwise idle.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from penstock.demo.year.outcome import holds, outcome
from penstock.demo.year.picture import picture
from penstock.demo.year.replay import Options, Replay, Today
from penstock.demo.year.report import markdown

HERE = Path(__file__).parent
_HEAD = """\
# A year of flights

Made by `python benchmarks/year/run.py` on {cores} cores in {seconds:.0f} seconds: {days} days from
the first of March 2013, {requests:,} requests through the real gateway, every flight a row of one,
labels five days later. How it is done, and what it does not show, is in [README.md](README.md).

"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("directory", nargs="?", type=Path)
    arguments.add_argument("--days", type=int, default=Options().days)
    arguments.add_argument("--share", type=float, default=1.0)
    wanted = arguments.parse_args()
    folder = wanted.directory or Path(tempfile.mkdtemp(prefix="penstock-year-")) / "year"
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()

    def tell(today: Today) -> None:
        news = "; ".join(one for one in today.news if "asked for: new data" not in one)
        rollout = today.standing["rollout"] or {}
        said = [
            f"{time.monotonic() - began:6.1f} s",
            str(today.date),
            f"version {today.standing['champion']}",
            f"{rollout.get('version', '')} {rollout.get('weight', '')}".strip(),
            "" if today.loss is None else f"{today.loss:.3f}",
            news,
        ]
        print("  ".join(one for one in said if one), flush=True)

    replay = Replay(folder, Options(days=wanted.days, share=wanted.share), tell)
    replay.run()
    found = outcome(replay)
    numbers = {
        "cores": os.cpu_count(),
        "seconds": found["seconds"]["all"],
        "days": found["days"],
        "requests": found["traffic"]["requests"],
    }
    told = {**found, "holds": holds(found)}
    (HERE / "results.json").write_text(json.dumps(told, indent=1) + "\n")
    (HERE / "results.svg").write_text(picture(found))
    (HERE / "results.md").write_text(_HEAD.format(**numbers) + markdown(found, "results.svg"))
    print(markdown(found))


if __name__ == "__main__":
    main()
