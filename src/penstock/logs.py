"""Logs of penstock's own processes: one JSON object per line, in the Elastic Common Schema.

Each process appends whole lines to a file of its component, so several may share one; a file that
is full is set aside once as ``NAME.1``. A log must never stop the work: what the disk refuses is
lost, as text on a closed terminal would be. Only the standard library is needed, because this is
imported by everything that starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ECS = "9.4.0"
"""Version of the schema, as written in `ecs.version`."""
DATASET = "penstock.log"
"""Of these lines, as written in `event.dataset`."""
FULL = 16 << 20
"""Bytes after which a file is set aside."""
VARIABLE = "PENSTOCK_LOG_FILE"
"""Names the file to a process that is started."""
DEBUG, INFO, WARN, ERROR = "debug", "info", "warn", "error"


class Log:
    """Appends lines of one component.

    Args:
        path: of the file; None writes nothing.
        component: ``gateway``, ``worker``, ``writer``, ``watch`` or ``cli``.
        fields: that all of its lines have, by their dotted ECS names.
    """

    def __init__(self, path: Path | None, component: str, **fields: Any) -> None:
        self._path = path
        self._fixed = {
            "ecs.version": ECS,
            "event.dataset": DATASET,
            "service.name": "penstock",
            "service.type": "penstock",
            "log.logger": f"penstock.{component}",
            "process.pid": os.getpid(),
            **fields,
        }

    def write(
        self, message: str, fields: Mapping[str, Any] | None = None, *, level: str = INFO
    ) -> None:
        """Append one line; a field that is None is left out.

        Args:
            message: in words.
            fields: by their dotted names, such as ``{"penstock.version": "3"}``.
            level: one of `DEBUG`, `INFO`, `WARN`, `ERROR`.
        """
        if self._path is None:
            return
        line = {
            "@timestamp": timestamp(time.time()),
            "log.level": level,
            "message": message,
            **self._fixed,
            **{name: value for name, value in (fields or {}).items() if value is not None},
        }
        with contextlib.suppress(OSError):
            append(self._path, [line], full=FULL)


def from_environment(component: str, **fields: Any) -> Log:
    """Return the log that the process which started this one has named, or one of nothing."""
    named = os.environ.get(VARIABLE)
    return Log(Path(named) if named else None, component, **fields)


def timestamp(moment: float) -> str:
    """Return a time as ECS wants it: UTC, with milliseconds.

    >>> timestamp(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{whole}.{int(moment * 1000) % 1000:03d}Z"


def append(path: Path, lines: list[dict[str, Any]], *, full: int, sync: bool = False) -> None:
    """Append lines to a file in one piece, after setting it aside when it is full.

    Args:
        path: of the file.
        lines: as plain values; what JSON does not know is written as text.
        full: bytes after which the file becomes ``NAME.1``.
        sync: whether to wait until they are on disk.

    Raises:
        OSError: the disk refused.
    """
    text = "".join(_text(one) + "\n" for one in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8", "backslashreplace")
    with path.open("ab", buffering=0) as file:
        if file.tell() >= full:
            _set_aside(path, file.fileno())
    with path.open("ab", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) or 0 :]
        if sync:
            os.fsync(file.fileno())


def _text(line: dict[str, Any]) -> str:
    try:
        return json.dumps(line, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # infinities and NaN, which JSON does not know
        return json.dumps(_finite(line), ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _set_aside(path: Path, descriptor: int) -> None:
    """Rename a full file, unless another process has just done that."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            path.replace(path.with_name(f"{path.name}.1"))


def quiet_mlflow() -> None:
    """Keep MLflow's client from saying things by itself, and from waiting for minutes.

    Kept out of sight: database migrations of its first start; where a server shows a run, on
    standard output among our answers; bars of progress where nobody looks. By default, a server
    that is down is asked again for more than four minutes.
    """
    import logging

    wanted = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "true" if sys.stderr.isatty() else "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    }
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.tracking", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
