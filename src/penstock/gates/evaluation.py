"""Evaluation: a model answers for a test set, in its own interpreter and under limits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from penstock.errors import ConfigError, PenstockError, StateError
from penstock.gates.predictions import Predictions

TIMEOUT = 600.0
"""Seconds that an evaluation may take by default."""
MEMORY = 4 * 2**30
"""Bytes that an evaluation may hold by default."""
_POLL_SECONDS = 0.05
_TAIL_LINES = 20
_SECRET = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY)", re.IGNORECASE
)

# The model's interpreter does not have penstock: the two modules are imported from where they
# stand here, without letting it see the packages that penstock is installed among.
_BOOTSTRAP = """
import sys, types
for name, path in (("penstock", sys.argv[1]), ("penstock.gates", sys.argv[1] + "/gates")):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
from penstock.gates.predictor import main
sys.exit(main(sys.argv[2:]))
"""

Serving = Callable[[Path], tuple[float, float, float]]
"""Measures a model on the real serving path: (p50 in seconds, p99 in seconds, bytes of memory)."""


def evaluate(
    model_path: Path,
    python: str,
    data: Path,
    target: str,
    *,
    timeout: float = TIMEOUT,
    memory: int = MEMORY,
    task: str | None = None,
    batch_rows: int = 65_536,
    latency_requests: int = 300,
    latency_seconds: float = 3.0,
    serving: Serving | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    scratch: Path | None = None,
) -> Predictions:
    """Let a model predict a test set in a process of its own.

    Args:
        model_path: an MLflow model directory, or a pickle, joblib or ONNX file. Scan it first.
        python: the interpreter of the model's environment.
        data: parquet or csv, with the column `target`.
        target: what is predicted; the model does not see it.
        timeout: seconds for loading, measuring and predicting together.
        memory: bytes for the process and its children together (resident).
        task: ``classification``, ``regression`` or ``ranking``; by default found from the model
            and the target.
        batch_rows: rows predicted at once.
        latency_requests: single rows timed, at most; 0 for none.
        latency_seconds: how long single rows are timed, at most.
        serving: measures latency and memory on the real serving path instead.
        environment: variables added to the process's own; names that look like secrets are
            never passed on from penstock's.
        cwd: where the process stands; by default the directory of `data`.
        scratch: where temporary files are made.

    Returns:
        Answers in the order of the rows. A crash, a time-out, too much memory or a wrong number
        of answers is `Predictions` with `ok` False and the reason in words.

    Raises:
        ConfigError: ``gates.no-test-data`` or ``gates.no-model`` when a path does not exist.
        StateError: ``gates.no-interpreter`` when `python` cannot be started.
    """
    _check_paths(model_path, data)
    with tempfile.TemporaryDirectory(prefix="penstock-evaluate-", dir=scratch) as folder:
        request = Path(folder) / "request.json"
        out = Path(folder) / "predictions.npz"
        request.write_text(
            json.dumps(
                {
                    "model": str(model_path.absolute()),
                    "data": str(data.absolute()),
                    "target": target,
                    "out": str(out),
                    "task": task,
                    "batch_rows": batch_rows,
                    "latency_requests": 0 if serving else latency_requests,
                    "latency_seconds": latency_seconds,
                }
            ),
            encoding="utf-8",
        )
        log = Path(folder) / "log"
        package = str(Path(__file__).parent.parent)
        command = [python, "-c", _BOOTSTRAP, package, str(request)]
        trouble = _watch(
            command, log, cwd or data.absolute().parent, _environment(environment), timeout, memory
        )
        found = _collect(trouble, out, request, log)
    found = replace(found, size=float(_size(model_path)))
    return _on_serving_path(found, model_path, serving) if serving and found.ok else found


def _check_paths(model_path: Path, data: Path) -> None:
    if not data.is_file():
        raise ConfigError(
            f"the test data {data} does not exist",
            code="gates.no-test-data",
            hint="run the stage that makes it, or correct model.test_data in penstock.yaml",
        )
    if not model_path.exists():
        raise ConfigError(
            f"the model {model_path} does not exist",
            code="gates.no-model",
            hint="run the stage that makes it, or correct model.path in penstock.yaml",
        )


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Return penstock's variables without its secrets: a model's code has no use for them."""
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    kept |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    kept |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return kept | dict(extra or {})


def _watch(
    command: Sequence[str],
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float,
    memory: int,
) -> str | None:
    """Run a command to its end or to a limit; return what went wrong, in words.

    Resident memory is looked at twenty times a second. A limit on address space would be exact,
    but threads and memory maps reserve far more of that than they use.
    """
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as error:
            raise StateError(
                f"cannot start the model's interpreter {command[0]}: {error.strerror}",
                code="gates.no-interpreter",
                hint="its environment was deleted or never made; run `penstock run` again",
            ) from error
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                return _ending(process.wait(_POLL_SECONDS))
            except subprocess.TimeoutExpired:
                held = _resident(process.pid)
                if held > memory:
                    return f"took more memory than allowed ({_mb(held)} of {_mb(memory)})"
                if time.monotonic() > deadline:
                    return f"took longer than {timeout:g} s and was stopped"
    finally:
        _kill(process)


def _ending(status: int) -> str | None:
    if status == 0:
        return None
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"crashed with {name}"
    return f"ended with status {status}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    family = [] if process.poll() is not None else _family(process.pid)
    for pid in (-process.pid, *family):
        try:
            os.killpg(-pid, signal.SIGKILL) if pid < 0 else os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    process.wait()


def _family(pid: int) -> list[int]:
    """Return a process and all that descend from it (Linux; elsewhere only itself)."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        try:
            text = Path(f"/proc/{one}/task/{one}/children").read_text(encoding="ascii")
        except OSError:
            continue
        queue.extend(int(child) for child in text.split())
    return found


def _resident(pid: int) -> int:
    total = 0
    for one in _family(pid):
        try:
            pages = int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def _collect(trouble: str | None, out: Path, request: Path, log: Path) -> Predictions:
    tail = _tail(log)
    if trouble is None and out.exists():
        try:
            return replace(Predictions.load(out), log_tail=tail)
        except PenstockError as error:
            trouble = error.message
    note = Path(f"{request}.error")
    if note.exists():
        try:
            item = json.loads(note.read_text(encoding="utf-8"))
            trouble = f"{item['type']}: {item['message']}".strip().rstrip(":")
        except (ValueError, KeyError):
            pass  # the process died while it wrote the note: its ending is known all the same
    elif tail and trouble:
        trouble = f"{trouble}; its last line was: {tail[-1]}"
    return Predictions(ok=False, error=f"the model {_verb(trouble)}", log_tail=tail)


def _verb(trouble: str | None) -> str:
    if trouble is None:
        return "ended without an answer"
    plain = trouble.startswith(("took", "crashed", "ended"))
    return trouble if plain else f"could not answer: {trouble}"


def _tail(log: Path) -> tuple[str, ...]:
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 16_384))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return tuple(line.rstrip()[:500] for line in lines if line.strip())[-_TAIL_LINES:]


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def _on_serving_path(found: Predictions, model_path: Path, serving: Serving) -> Predictions:
    try:
        p50, p99, memory = serving(model_path)
    except (PenstockError, OSError, ValueError) as error:
        return replace(found, ok=False, error=f"the model could not be served: {error}")
    return replace(found, latency_p50=p50, latency_p99=p99, memory=memory, served=True)


def _mb(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


DEFAULT_PYTHON = sys.executable
"""The interpreter for models that have no environment of their own."""
