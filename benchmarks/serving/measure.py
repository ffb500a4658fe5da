"""Measure penstock's serving beside its peers: same model, same requests, one machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import publish
from peers import Peer, install, peers

LUA = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


def make_model(folder: Path) -> Path:
    """Train the model and save it as MLflow does, and by joblib for MLServer."""
    import joblib
    import mlflow.sklearn
    import numpy as np
    from mlflow.models import infer_signature
    from sklearn.ensemble import GradientBoostingClassifier

    path = folder / "model"
    if not path.exists():
        rng = np.random.default_rng(0)
        X = rng.normal(size=(2000, 30))
        y = (X[:, 0] + rng.normal(size=2000) > 0).astype(int)
        model = GradientBoostingClassifier().fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.sklearn.save_model(
                model,
                str(path),
                signature=infer_signature(X, model.predict(X)),
                input_example=X[:1],
                serialization_format="cloudpickle",
                pip_requirements=[],
            )
        joblib.dump(model, path / "model.joblib")
    return path


def family(pid: int) -> list[int]:
    """Return the processes of the server, also those that left its process group."""
    children: dict[int, list[int]] = {}
    sessions: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.name))
        sessions[int(entry.name)] = int(fields[3])
    found, todo = [], [pid, *(p for p, s in sessions.items() if s == pid)]
    while todo:
        one = todo.pop()
        if one not in found:
            found.append(one)
            todo += children.get(one, [])
    return found


def gateway_of(peer: Peer, pid: int) -> list[int]:
    """Return the server's processes; penstock's gateway is a daemon with a record of its pid."""
    record = peer.folder / "state" / "gateway.json"
    roots = [pid]
    if record.exists():
        roots.append(json.loads(record.read_text())["pid"])
    return sorted({one for root in roots for one in family(root)})


def cpu_and_memory(pids: list[int]) -> tuple[float, float]:
    """Return seconds of CPU and MiB of proportional memory of processes."""
    seconds = memory = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            pages = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        match = re.search(r"Pss:\s+(\d+) kB", pages)
        memory += int(match[1]) / 1024 if match else 0.0
    return seconds, memory


def machine_busy() -> float:
    """Return the seconds that all processors have been busy since the machine started."""
    fields = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def of_children() -> float:
    """Return the seconds of CPU of the load generators that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_for_answer(peer: Peer, deadline: float) -> None:
    """Wait until the server answers a request."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{peer.port}{peer.path}",
        peer.payload(1),
        {"content-type": "application/json"},
    )
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                answer.read()
            return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def quiet_down(peer: Peer, pid: int) -> None:
    """Wait until the server has finished what it does in the background after its start."""
    before = -1.0
    for _ in range(60):
        now, _memory = cpu_and_memory(gateway_of(peer, pid))
        if 0.0 <= now - before < 0.05 and before >= 0.0:
            return
        before = now
        time.sleep(1.0)


def load(peer: Peer, work: Path, rows: int, connections: int, seconds: int) -> dict[str, float]:
    """Put one server under load."""
    body, script = work / "body.json", work / "post.lua"
    body.write_bytes(peer.payload(rows))
    script.write_text(LUA.format(body=body))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    url = f"http://127.0.0.1:{peer.port}{peer.path}"
    out = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    values = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", out)
    assert values is not None, out
    count, micros, p50, p99, errors = map(int, values.groups())
    return {
        "requests_per_second": count / micros * 1e6,
        "p50_ms": p50 / 1000,
        "p99_ms": p99 / 1000,
        "errors": errors,
        "requests": count,
    }


def measure(peer: Peer, work: Path, cases: list[tuple[int, int]], seconds: int) -> list[dict]:
    """Start a server, measure all cases, stop it."""
    began = time.monotonic()
    process = peer.start()
    results = []
    try:
        wait_for_answer(peer, began + 180)
        start = time.monotonic() - began
        quiet_down(peer, process.pid)
        load(peer, work, 1, 8, 2)
        quiet_down(peer, process.pid)  # what the first requests have started, such as imports
        for rows, connections in cases:
            pids = gateway_of(peer, process.pid)
            before, _ = cpu_and_memory(pids)
            busy, own = machine_busy(), of_children()
            found = load(peer, work, rows, connections, seconds)
            busy, own = machine_busy() - busy, of_children() - own
            after, memory = cpu_and_memory(pids)
            cpu = (after - before) / max(found["requests"], 1) * 1e6
            others = max(0.0, busy - own - (after - before)) / seconds
            case = {"server": peer.name, "rows": rows, "connections": connections}
            case |= {**found, "cpu_us": cpu, "start_s": start, "memory_mib": memory}
            results.append({**case, "other_cores": others})
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # some servers leave children behind
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/tmp/penstock-serving"))
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", help="comma-separated first words of servers' names")
    parser.add_argument("--connections", default="1,8,32,64")
    parser.add_argument("--rows", default="1,32")
    parser.add_argument("--json", type=Path, help="keeps what other servers had in it before")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    cases = [
        (int(rows), int(connections))
        for rows in given.rows.split(",")
        for connections in given.connections.split(",")
    ]
    wanted = given.only.split(",") if given.only else None
    results: list[dict] = []
    for peer in peers(given.work, make_model(given.work), install(given.work)):
        if wanted is None or peer.name.split()[0] in wanted:
            results += measure(peer, given.work, cases, given.seconds)
    print(publish.table(results))
    if given.json is not None:
        measured = {one["server"] for one in results}
        kept = json.loads(given.json.read_text())["results"] if given.json.exists() else []
        results = [one for one in kept if one["server"] not in measured] + results
        found = {"machine": publish.machine(), "results": results}
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
