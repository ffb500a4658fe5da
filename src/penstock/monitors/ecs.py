"""Logs in the Elastic Common Schema: one JSON object per line, names as ECS defines them.

What ECS has no field for stands under ``penstock.*``, which the generated index template maps;
features and evidence are kept in one flattened field, so that a thousand features do not become a
thousand fields of an index.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Sequence
from typing import Any

from penstock.domain.event import Event, EventType
from penstock.logs import DEBUG, ERROR, INFO, WARN, timestamp
from penstock.logs import ECS as VERSION
from penstock.monitors.alerts import SEVERITIES, Alert

DATASET = "penstock.events"
LEVELS = dict(zip(SEVERITIES, (INFO, WARN, ERROR), strict=True))
"""Severity of an alert -> `log.level` of its line."""
_PYTHON = ((logging.ERROR, ERROR), (logging.WARNING, WARN), (logging.INFO, INFO))
_UNWRITABLE = (float("inf"), float("-inf"))
"""Numbers that JSON does not know."""
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class EcsFormatter(logging.Formatter):
    """Formats log records as ECS.

    Fields that a caller gives as ``extra`` by their dotted ECS names are kept as they are; others
    become ``labels``.

    Args:
        service: of the field `service.name`.
        version: of `service.version`; "" leaves it out.
        environment: of `service.environment`; "" leaves it out.
        dataset: of `event.dataset`.
    """

    def __init__(
        self,
        *,
        service: str = "penstock",
        version: str = "",
        environment: str = "",
        dataset: str = "penstock.log",
    ) -> None:
        super().__init__()
        self._fixed = {"ecs.version": VERSION, "service.name": service, "event.dataset": dataset}
        if version:
            self._fixed["service.version"] = version
        if environment:
            self._fixed["service.environment"] = environment

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        fields: dict[str, Any] = {
            "@timestamp": timestamp(record.created),
            "log.level": _level(record.levelno),
            "message": record.getMessage(),
            **self._fixed,
            "log.logger": record.name,
            "log.origin.file.name": record.filename,
            "log.origin.file.line": record.lineno,
            "log.origin.function": record.funcName,
            "process.pid": record.process,
            "process.thread.name": record.threadName,
        }
        for name, value in vars(record).items():
            if name not in _KNOWN:
                fields[name if "." in name else f"labels.{name}"] = (
                    value if "." in name else str(value)
                )
        if record.exc_info and record.exc_info[1] is not None:
            kind, error, trace = record.exc_info
            fields["error.type"] = getattr(kind, "__name__", str(kind))
            fields["error.message"] = str(error)
            fields["error.stack_trace"] = "".join(traceback.format_exception(kind, error, trace))
        return json.dumps(fields, ensure_ascii=False, default=str)


def _level(number: int) -> str:
    """Return a level of Python's in the words of `penstock.logs`, so that one filter finds all."""
    return next((word for least, word in _PYTHON if number >= least), DEBUG)


def alert_line(alert: Alert, status: str) -> dict[str, Any]:
    """Return an alert as the fields of an ECS event."""
    return {
        "@timestamp": timestamp(alert.resolved or alert.raised or time.time()),
        "log.level": LEVELS[alert.severity] if status == "firing" else INFO,
        "message": alert.what if status == "firing" else f"over: {alert.what}",
        "ecs.version": VERSION,
        "event.kind": "alert",
        "event.dataset": DATASET,
        "event.action": f"alert-{'raised' if status == 'firing' else 'resolved'}",
        "event.id": f"{alert.id}/{status}",
        "event.start": timestamp(alert.since),
        "event.reason": alert.cause,
        "event.severity": 100 * SEVERITIES.index(alert.severity),
        "service.name": "penstock",
        "service.version": alert.version,
        "rule.name": alert.key,
        "penstock.model": alert.model,
        "penstock.version": alert.version,
        "penstock.alert.severity": alert.severity,
        "penstock.alert.value": alert.value,
        "penstock.alert.threshold": alert.threshold,
        "penstock.alert.command": alert.command,
    }


_ENDS = {
    "passed": "success", "succeeded": "success", "promoted": "success", "unchanged": "success",
    "ran": "success", "restored": "success", "failed": "failure", "refused": "failure",
    "error": "failure", "rolledback": "failure",
}  # fmt: skip
"""What an outcome of the loop is in the words of ECS; of others nothing is said."""
_OF_RUNS = ("run.", "stage.", "candidate.", "gate.", "trigger.")


def event_line(event: Event, chain: Sequence[Event] = (), *, model: str = "") -> dict[str, Any]:
    """Return an event of the journal as the fields of an ECS event.

    Args:
        event: of the journal.
        chain: what caused it, the nearest first: run, version and rollout are taken from there
            where the event itself does not name them.
        model: of the project, for events that name none.
    """
    if event.type in {EventType.ALERT_RAISED, EventType.ALERT_RESOLVED}:
        firing = event.type is EventType.ALERT_RAISED
        line = alert_line(Alert.from_dict(event.data), "firing" if firing else "resolved")
    else:
        line = _plain_line(event)
    line |= {
        "@timestamp": timestamp(event.time),
        "event.id": str(event.id),
        "user.name": event.actor or "penstock",
        "penstock.subject": event.subject,
    }
    if event.cause is not None:
        line["penstock.cause"] = str(event.cause)
    for name, value in _correlation([event, *chain]).items():
        line.setdefault(f"penstock.{name}", value)
    line.setdefault("penstock.model", model or None)
    return {name: value for name, value in line.items() if value is not None}


def _plain_line(event: Event) -> dict[str, Any]:
    data = event.data
    said = str(data.get("words") or data.get("reason") or "")
    outcome = _ENDS.get(str(data.get("outcome", event.type.value.partition(".")[2])))
    title = f"{event.type.value.replace('.', ' ')}: {event.subject}"
    line: dict[str, Any] = {
        "@timestamp": "",
        "log.level": WARN if outcome == "failure" else INFO,
        "message": f"{title}: {said}" if said else title,
        "ecs.version": VERSION,
        "event.kind": "event",
        "event.dataset": DATASET,
        "event.action": event.type.value.replace(".", "-"),
        "event.outcome": outcome,
        "event.reason": str(data["reason"]) if data.get("reason") else None,
        "service.name": "penstock",
        "penstock.data": data,
    }
    if isinstance(data.get("seconds"), int | float):
        line["event.duration"] = int(data["seconds"] * 1e9)
    return line


def _correlation(chain: Sequence[Event]) -> dict[str, str]:
    """Return what an event belongs to: the first that it or one of its causes names."""
    found: dict[str, str] = {}
    for one in chain:
        kind, subject, data = one.type.value, one.subject, one.data
        names: dict[str, Any] = {"run": data.get("run_id"), "rollout": data.get("rollout")}
        if kind.startswith(_OF_RUNS):
            names["run"] = subject
        if kind.startswith("rollout."):
            names["rollout"] = subject
            names["version"] = data.get("to") or data.get("version")
        elif kind.startswith("retraining."):
            names["retraining"] = subject
        model, slash, version = subject.rpartition("/")
        if slash and version.isdecimal():
            names |= {"model": model, "version": version}
        for name, value in names.items():
            if value:
                found.setdefault(name, str(value))
    return found


def prediction_line(row: dict[str, Any], *, model: str, run: str = "") -> dict[str, Any]:
    """Return one row of the prediction log as the fields of an ECS event.

    Args:
        row: as `penstock.observations.Observations.read` gives it.
        model: name of the model.
        run: that made the version, "" when unknown.
    """
    features = {
        name.removeprefix("features."): value
        for name, value in row.items()
        if name.startswith("features.") and value is not None and value not in _UNWRITABLE
    }
    good = int(row["code"]) < 400
    ended = f"answered {row['prediction']}" if good else f"failed with status {row['code']}"
    fields = {
        "@timestamp": timestamp(row["time"]),
        "log.level": INFO if good else ERROR,
        "message": f"{model} version {row['version']} {ended}",
        "ecs.version": VERSION,
        "event.kind": "event",
        "event.category": ["web"],
        "event.type": ["access"],
        "event.dataset": "penstock.predictions",
        "event.outcome": "success" if good else "failure",
        "event.duration": int(row["latency"] * 1e9),
        "http.request.id": row["request_id"],
        "http.response.status_code": int(row["code"]),
        "service.name": model,
        "service.version": str(row["version"]),
        "penstock.model": model,
        "penstock.version": str(row["version"]),
        "penstock.role": row["role"],
        "penstock.row": int(row["row"]),
        "penstock.features": features,
    }
    if run:
        fields["penstock.run"] = run
    prediction, label = row.get("prediction"), row.get("label")
    if prediction is not None:
        number = isinstance(prediction, int | float)
        fields["penstock.prediction.value" if number else "penstock.prediction.text"] = prediction
    if label is not None:
        number = isinstance(label, int | float)
        fields["penstock.label.value" if number else "penstock.label.text"] = label
    return fields
