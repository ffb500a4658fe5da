"""A million predictions and labels a day for a month: disk, time of a query, and memory.

Real files, written by the store that the gateway's writer uses: one per flush, merged hour by hour,
deleted after the retention. A flush stands for ten minutes here, not for a second, so there are
fewer files before they are merged than in production; after merging there are as many.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from penstock.inference.frames import INVOCATIONS_JSON
from penstock.observations import Observations
from penstock.observations.records import Feedback, Record

START = 1_700_000_000.0 // 86_400 * 86_400
HOUR, DAY = 3600.0, 86_400.0
FEATURES, PER_REQUEST, FLUSHES = 20, 100, 6


def resident():
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / 2**20


def batch(rng, moment, seconds, rows, labels_of):
    """Requests of a span, and the labels of those of a day before."""
    names = [f"f{k}" for k in range(FEATURES)]
    requests = rows // PER_REQUEST
    records = []
    for k, values in enumerate(rng.normal(size=(requests, PER_REQUEST, FEATURES)).round(3)):
        body = {"dataframe_split": {"columns": names, "data": values.tolist()}}
        answer = {"predictions": (values[:, 0] > 0).astype(float).tolist()}
        at = moment + seconds * k / requests
        records.append(Record(f"{at:.3f}", at, "1", "champion", 200, 0.01, INVOCATIONS_JSON,
                              json.dumps(body).encode(), json.dumps(answer).encode()))  # fmt: skip
    labels = [
        Feedback(f"{at - DAY:.3f}", at, row, 1.0, {})
        for at in (one.time for one in records)
        for row in range(PER_REQUEST)
    ] if labels_of else []  # fmt: skip
    return records, labels


def query(store, now):
    """What a look asks for: a window, new labels, and the answers that they are about."""
    began = time.perf_counter()
    table = store.read(now - 600.0, now, version="1", role="champion", labels=False)
    labels = store.labels(now - 600.0, now)
    if labels is not None:
        wanted = ("request_id", "row", "time", "prediction")
        store.read(now - DAY - HOUR, now - DAY, labels=False, columns=wanted)
    return time.perf_counter() - began, table.num_rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="predictions, and labels, a day"
    )
    parser.add_argument("--keep", type=int, default=7, help="days of retention")
    parser.add_argument("--every", type=int, default=3, help="days between two lines")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="penstock-month-"))
    store, rng = Observations(folder), np.random.default_rng(1)
    span = HOUR / FLUSHES
    rows = int(given.rows / 24 / FLUSHES) // PER_REQUEST * PER_REQUEST
    print("| day | rows written | files | disk, MiB | query, s | memory, MiB |")
    print("|---:|---:|---:|---:|---:|---:|")
    written, busy = 0, 0.0
    try:
        for day in range(given.days):
            for flush in range(24 * FLUSHES):
                moment = START + day * DAY + flush * span
                records, labels = batch(rng, moment, span, rows, day > 0)
                began = time.perf_counter()
                written += store.append_batch(records, model="m")
                store.append_feedback(labels)
                if flush % FLUSHES == FLUSHES - 1:
                    end = moment + span
                    store.compact(end - end % HOUR)
                    store.expire(end - given.keep * DAY)
                busy += time.perf_counter() - began
            if day % given.every == given.every - 1 or day == given.days - 1:
                now = START + (day + 1) * DAY
                seconds, _ = min(query(store, now) for _ in range(3))
                files = [one for one in folder.rglob("*") if one.is_file()]
                disk = sum(one.stat().st_size for one in files) / 2**20
                print(f"| {day + 1} | {written:,} | {len(files):,} | {disk:,.0f} | "
                      f"{seconds:.2f} | {resident():,.0f} |", flush=True)  # fmt: skip
    finally:
        shutil.rmtree(folder)
    print(f"\n{written / busy:,.0f} predictions with their labels a second were written and merged")


if __name__ == "__main__":
    main()
