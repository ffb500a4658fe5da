"""`/metrics`: the counts as Prometheus and OpenMetrics read them."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.domain.traffic import LATENCY_BOUNDS
from penstock.gateway.breaker import State
from penstock.gateway.plane import Plane
from penstock.gateway.split import CHALLENGER

OPEN = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = b"text/plain; version=0.0.4; charset=utf-8"


class Page:
    """Lines of one page of metrics.

    Args:
        open_metrics: whether to write OpenMetrics instead of Prometheus' own format.
    """

    def __init__(self, *, open_metrics: bool) -> None:
        self._open = open_metrics
        self._lines: list[str] = []

    def family(
        self, name: str, kind: str, text: str, samples: Iterable[tuple[str, dict[str, str], float]]
    ) -> None:
        """Add a family; a sample is (suffix of the name, labels, value)."""
        # In OpenMetrics a counter is named without the `_total` that its samples have.
        title = name.removesuffix("_total") if self._open and kind == "counter" else name
        if self._open and kind == "gauge" and name.endswith("_info"):
            title, kind = name.removesuffix("_info"), "info"
        self._lines.append(f"# HELP {title} {text}")
        self._lines.append(f"# TYPE {title} {kind}")
        for suffix, labels, value in samples:
            inner = ",".join(f'{key}="{_escaped(one)}"' for key, one in labels.items())
            number = f"{value:.9g}" if value != int(value) else str(int(value))
            self._lines.append(f"{name}{suffix}{{{inner}}} {number}" if inner else
                               f"{name}{suffix} {number}")  # fmt: skip

    def text(self) -> bytes:
        """Return the page."""
        end = ["# EOF", ""] if self._open else [""]
        return "\n".join([*self._lines, *end]).encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def page(plane: Plane, *, open_metrics: bool) -> bytes:
    """Return the metrics of a gateway."""
    out = Page(open_metrics=open_metrics)
    _requests(out, plane)
    _shadow(out, plane)
    _fleet(out, plane)
    _checks(out, plane)
    _gateway(out, plane)
    return out.text()


def _requests(out: Page, plane: Plane) -> None:
    tallies = plane.book.tallies()
    named = [(_labels(plane, one.version, one.role), one) for one in tallies]
    out.family(
        "penstock_requests_total",
        "counter",
        "Requests answered, by HTTP status.",
        [
            ("", {**labels, "code": str(code)}, count)
            for labels, one in named
            for code, count in sorted(one.codes.items())
        ],
    )
    samples: list[tuple[str, dict[str, str], float]] = []
    for labels, one in named:
        below = 0
        for bound, count in zip(LATENCY_BOUNDS, one.latency, strict=False):
            below += count
            samples.append(("_bucket", {**labels, "le": f"{bound:.6g}"}, below))
        samples.append(("_bucket", {**labels, "le": "+Inf"}, one.requests))
        samples.append(("_count", labels, one.requests))
        samples.append(("_sum", labels, one.seconds))
    out.family("penstock_request_seconds", "histogram", "Latency of requests.", samples)
    out.family(
        "penstock_predictions_total",
        "counter",
        "Requests by class or bin of their first prediction.",
        [
            ("", {**labels, "prediction": label.decode("utf-8", "replace")}, count)
            for labels, one in named
            for label, count in one.labels.items()
        ],
    )


def _shadow(out: Page, plane: Plane) -> None:
    shadows = [one for one in plane.book.tallies() if one.role == "shadow"]
    for name, text in (
        ("compared", "Answers of the shadow compared with the champion's."),
        ("differed", "Answers of the shadow unequal to the champion's."),
    ):
        out.family(
            f"penstock_shadow_{name}_total",
            "counter",
            text,
            [("", _labels(plane, one.version), getattr(one, name)) for one in shadows],
        )
    out.family(
        "penstock_shadow_dropped_total",
        "counter",
        "Requests not copied because too many copies were in flight.",
        [("", {}, plane.mirror.dropped)],
    )


def _fleet(out: Page, plane: Plane) -> None:
    fleet = plane.fleet
    groups = fleet.groups.items()
    out.family(
        "penstock_model_info",
        "gauge",
        "Model versions that are deployed.",
        [
            (
                "",
                {
                    **_labels(plane, version),
                    "environment": group.bundle.environment,
                    "runtime": group.description.runtime if group.description else "",
                },
                1,
            )
            for version, group in groups
        ],
    )
    out.family(
        "penstock_workers_ready",
        "gauge",
        "Workers that take requests.",
        [("", _labels(plane, v), g.ready_count) for v, g in groups],
    )
    out.family(
        "penstock_worker_restarts_total",
        "counter",
        "Workers replaced because they died.",
        [("", _labels(plane, v), g.restarts) for v, g in groups],
    )
    out.family(
        "penstock_requests_waiting",
        "gauge",
        "Requests in flight.",
        [("", _labels(plane, v), g.waiting) for v, g in groups],
    )
    wanted, observed = plane.shares()
    for name, share in (("wanted", wanted), ("observed", observed)):
        out.family(
            f"penstock_split_{name}_percent",
            "gauge",
            f"Share of requests that the challenger should get ({name})."
            if name == "wanted"
            else "Share of requests that the challenger got since the table is in force.",
            [] if share is None else [("", {"role": CHALLENGER}, share)],
        )


def _checks(out: Page, plane: Plane) -> None:
    groups = [
        (v, g) for v, g in plane.fleet.groups.items() if g.description and g.description.limits
    ]
    out.family(
        "penstock_data_violations_total",
        "counter",
        "Values of requests outside the limits of the training data.",
        [
            ("", {**_labels(plane, version), "field": field, "kind": kind}, count)
            for version, group in groups
            for (field, kind), count in group.violations.counts.items()
        ],
    )
    out.family(
        "penstock_data_violating_requests_total",
        "counter",
        "Requests with at least one such value.",
        [("", _labels(plane, v), g.violations.requests) for v, g in groups],
    )
    circuit = plane.breaker
    if circuit is None:
        return
    model = {"model": plane.model()}
    states = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
    out.family(
        "penstock_breaker_state",
        "gauge",
        "Circuit breaker on bad input: 0 closed, 1 half-open, 2 open.",
        [("", model, states[circuit.breaker.state])],
    )
    for name, text, value in (
        ("opened", "Times that the circuit breaker opened.", circuit.breaker.opened),
        ("refused", "Requests that the open circuit breaker answered.", circuit.refused),
    ):
        out.family(f"penstock_breaker_{name}_total", "counter", text, [("", model, value)])


def _gateway(out: Page, plane: Plane) -> None:
    out.family(
        "penstock_traffic_generation",
        "gauge",
        "Generation of the traffic table in force.",
        [("", {}, plane.fleet.table.generation)],
    )
    out.family(
        "penstock_connections", "gauge", "Open connections.", [("", {}, len(plane.connections))]
    )
    if plane.tap is not None:
        for name, text in (
            ("written", "Requests that are in the prediction log."),
            ("dropped", "Requests that the prediction log lost."),
        ):
            out.family(
                f"penstock_log_{name}_total",
                "counter",
                text,
                [("", {}, getattr(plane.tap, name))],
            )


def _labels(plane: Plane, version: str, role: str = "") -> dict[str, str]:
    group = plane.fleet.groups.get(version)
    model = group.bundle.model if group is not None else plane.model()
    labels = {"model": model, "version": version}
    return {**labels, "role": role} if role else labels
