"""The month of benchmarks/monitoring in small: disk, files and memory are bounded by retention."""

import json
import resource
from pathlib import Path

from penstock.inference.frames import INVOCATIONS_JSON
from penstock.observations import Observations
from penstock.observations.records import Feedback, Record

HOUR, DAY = 3600.0, 86_400.0
START = 1_700_006_400.0  # midnight
DAYS, KEPT, HOURS = 12, 3, 6


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def flush(store, moment):
    body = json.dumps({"instances": [[k, -k] for k in range(200)]}).encode()
    answer = json.dumps({"predictions": [k % 2 for k in range(200)]}).encode()
    names = [f"{moment}-{k}" for k in range(5)]
    store.append_batch(
        [Record(one, moment + k, "1", "champion", 200, 0.1, INVOCATIONS_JSON, body, answer)
         for k, one in enumerate(names)]
    )  # fmt: skip
    store.append_feedback(
        [Feedback(one, moment + 60, row, 1.0, {}) for one in names for row in range(200)]
    )


def test_a_month_stays_in_bounds(tmp_path):
    store = Observations(tmp_path)
    sizes, counts, memory = [], [], []
    for day in range(DAYS):
        for hour in range(HOURS):
            moment = START + day * DAY + hour * HOUR
            flush(store, moment)
            flush(store, moment + 1800)
            store.compact(moment)
            store.expire(moment - KEPT * DAY)
        files = list(tmp_path.rglob("*.parquet"))
        sizes.append(sum(one.stat().st_size for one in files))
        counts.append(len(files))
        memory.append(resident())
    # From the end of the retention on, nothing grows any more.
    assert max(sizes[KEPT + 1 :]) < 1.1 * sizes[KEPT + 1]
    assert max(counts) <= 2 * ((KEPT + 1) * HOURS + 4)
    assert max(memory[KEPT + 1 :]) < memory[KEPT + 1] + 30
    last = START + (DAYS - 1) * DAY
    table = store.read(last, last + HOUR)
    assert table.num_rows == 2000
    assert table["label"].null_count == 0
    assert store.count() == 2000 * (HOURS * KEPT + 1)
