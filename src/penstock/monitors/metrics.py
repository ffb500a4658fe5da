"""What the monitors found, as Prometheus reads it; with it, what others know of the model.

The gateway's `/metrics` has what is counted per request. What a monitor finds once per window is
here: written from the journal, so that any process can answer, whoever looked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from penstock.errors import StateError
from penstock.journal import Journal
from penstock.monitors.alerts import SEVERITIES
from penstock.monitors.state import KIND, WatchState

MOST_FEATURES = 100
"""Features that get a series each; of more, those with the greatest exceedance."""
PORT = 9464
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[dict[str, str], float]


class Family(NamedTuple):
    """Series of one name.

    Attributes:
        name: with ``_total`` when it is a counter.
        words: what it is.
        samples: labels besides the model, and a value.
        kind: ``gauge`` or ``counter``.
    """

    name: str
    words: str
    samples: Sequence[Sample]
    kind: str = "gauge"


More = Callable[[Journal], Iterable[Family]]
"""Reads further families from the journal: what rooms above this one know."""


def text(
    state: WatchState, model: str, more: Iterable[Family] = (), *, open_metrics: bool = False
) -> str:
    """Return the metrics of one look as text.

    >>> print(text(WatchState(version="3", began=5.0), "mini").splitlines()[2])
    penstock_champion_since_timestamp_seconds{model="mini",version="3"} 5
    """
    lines: list[str] = []
    for name, words, samples in _families(state):
        named = [({"version": state.version, **labels}, value) for labels, value in samples]
        lines += _lines(Family(name, words, named), model, open_metrics)
    for one in more:
        lines += _lines(one, model, open_metrics)
    return "\n".join([*lines, *["# EOF"] * open_metrics, ""])


def _lines(family: Family, model: str, open_metrics: bool) -> Iterator[str]:
    name, words, samples, kind = family
    # In OpenMetrics a counter is named without the `_total` that its samples have.
    title = name.removesuffix("_total") if open_metrics and kind == "counter" else name
    yield f"# HELP {title} {words}"
    yield f"# TYPE {title} {kind}"
    for labels, value in samples:
        inner = ",".join(f'{k}="{_escaped(v)}"' for k, v in {"model": model, **labels}.items())
        yield f"{name}{{{inner}}} {value:.9g}" if value % 1 else f"{name}{{{inner}}} {int(value)}"


def _families(state: WatchState) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    if not state.version:
        return
    yield (
        "penstock_champion_since_timestamp_seconds",
        "When the version became champion.",
        [({}, state.began)],
    )
    yield ("penstock_monitor_windows", "Windows of traffic judged.", [({}, float(state.judged))])
    if state.windows:
        yield from _of_window(state)
    yield from _of_quality(state)
    failed = [
        ({"check": one.name.replace(" ", "_")}, float(one.outcome.value == "failed"))
        for one in state.said("data")
    ]
    if failed:
        words = "Whether the last window failed a check of its data."
        yield ("penstock_validation_failed", words, failed)
    counts = dict.fromkeys(SEVERITIES, 0)
    for alert in state.alerts.values():
        counts[alert["severity"]] += 1
    yield (
        "penstock_alerts_open",
        "Alerts that are open.",
        [({"severity": one}, float(count)) for one, count in counts.items()],
    )


def _of_window(state: WatchState) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    last = state.windows[-1]
    known = {
        one.evidence[0].name: float(one.evidence[0].details["exceedance"])
        for one in state.said("drift")
        if one.evidence and "exceedance" in one.evidence[0].details
    }
    top = sorted(known.items(), key=lambda pair: -pair[1])[:MOST_FEATURES]
    yield (
        "penstock_drift_exceedance_ratio",
        "Effect of drift over what is tolerated; 0 when it is not significant.",
        [({"feature": name}, value) for name, value in top],
    )
    drifted = float(sum(value > 1.0 for value in last["exceedance"].values()))
    yield ("penstock_drift_features_drifted", "Features in alarm.", [({}, drifted)])
    streak = float(max(state.streaks.values(), default=0))
    words = "Windows in a row in which some feature was in alarm."
    yield ("penstock_drift_windows_in_a_row", words, [({}, streak)])
    words = "When the last judged window ended."
    yield ("penstock_drift_last_run_timestamp_seconds", words, [({}, last["until"])])


def _of_quality(state: WatchState) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    for kind, name, words in (
        ("quality", "penstock_realized_loss", "Loss on rows whose labels have arrived."),
        ("estimate", "penstock_estimated_loss", "Loss estimated without labels."),
    ):
        values = [
            ({"metric": one.evidence[0].name.removeprefix("estimated ")}, one.evidence[0].value)
            for one in state.said(kind)
            if one.evidence and one.evidence[0].value is not None
        ]
        if values:
            yield (name, words, [(labels, float(value or 0.0)) for labels, value in values])
    if state.quality.get("rows"):
        declined = float(bool(state.quality.get("declined")))
        words = "Whether the loss has become worse than tolerated."
        yield ("penstock_quality_declined", words, [({}, declined)])
        rows = float(state.quality["rows"])
        yield ("penstock_labelled_rows", "Rows whose labels have arrived.", [({}, rows)])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class MetricsServer:
    """Answers ``GET /metrics`` from the journal, in a thread of its own.

    Args:
        journal: path of the project's journal.
        model: name of the model.
        host, port: where to listen; port 0 takes a free one.
        more: reads what else is shown.

    Raises:
        StateError: ``monitor.port-busy``.
    """

    def __init__(
        self,
        journal: Path,
        model: str,
        *,
        host: str = "127.0.0.1",
        port: int = PORT,
        more: More = lambda _journal: (),
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(404)
                    return
                wanted = "application/openmetrics-text" in self.headers.get("Accept", "")
                body = read(journal, model, more, open_metrics=wanted).encode()
                self.send_response(200)
                self.send_header("Content-Type", OPEN if wanted else PLAIN)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: a scrape every few seconds is no news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise StateError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                code="monitor.port-busy",
                hint="choose another: `penstock monitor metrics --port 0` takes a free one",
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/metrics"

    def start(self) -> MetricsServer:
        """Answer from now on."""
        self._thread.start()
        return self

    def wait(self) -> None:
        """Wait until it is stopped."""
        self._thread.join()

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def read(journal: Path, model: str, more: More, *, open_metrics: bool) -> str:
    """Return the metrics of a project as the journal has them."""
    with Journal(journal) as opened:
        record = opened.get(KIND, model)
        state = WatchState.from_dict(record.value) if record else WatchState()
        return text(state, model, more(opened), open_metrics=open_metrics)
