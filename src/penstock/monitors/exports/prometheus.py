"""What Prometheus scrapes, records and alerts of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.config.settings import Settings
from penstock.monitors.metrics import PORT

GROUP_SECONDS = 15
ERRORS = 0.01
"""Share of answers that are errors above which people are woken."""
SLOW = 1.0
"""Seconds that 1 of 100 answers may take."""
VIOLATING = 0.05
"""Share of requests that may have values outside the training data's limits."""
SILENT = 86_400
"""Seconds without a judged window, with traffic enough for two, that are worth an alert."""
VAIN = 3
"""Retrainings in a row that brought nothing, which are worth an alert."""


def prometheus(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return prometheus.yml, the rules and their tests."""
    from penstock.monitors.exports.rule_tests import tests

    del root, url
    return {
        "prometheus.yml": dump(scraping(settings)),
        "penstock_rules.yml": dump(rules(settings)),
        "penstock_rules_test.yml": dump(tests(settings)),
    }


def scraping(settings: Settings) -> dict[str, Any]:
    """Return the configuration of Prometheus itself."""
    serve = settings.serve
    targets = [f"{serve.host}:{serve.port or 8080}"]
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": f"{GROUP_SECONDS}s"},
        "rule_files": ["penstock_rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]},
        "scrape_configs": [
            {"job_name": "penstock-gateway", "static_configs": [{"targets": targets}]},
            {
                "job_name": "penstock-monitor",
                "static_configs": [{"targets": [f"127.0.0.1:{PORT}"]}],
            },
        ],
    }


def rules(settings: Settings) -> dict[str, Any]:
    """Return recording and alert rules."""
    return {
        "groups": [
            {"name": "penstock-recording", "rules": _recording()},
            {"name": "penstock-serving", "rules": [*_serving(), *_inputs()]},
            {"name": "penstock-model", "rules": _model(settings)},
            {"name": "penstock-retraining", "rules": _retraining()},
        ]
    }


def _recording() -> list[dict[str, str]]:
    kept = "model, version, role"
    return [
        {
            "record": "penstock:requests:rate5m",
            "expr": f"sum by ({kept}) (rate(penstock_requests_total[5m]))",
        },
        {
            "record": "penstock:errors:ratio5m",
            # Without `or`, a version that never answered with an error would have no share at all.
            "expr": f'(sum by ({kept}) (rate(penstock_requests_total{{code=~"5.."}}[5m])) '
            f"or sum by ({kept}) (rate(penstock_requests_total[5m])) * 0) "
            f"/ sum by ({kept}) (rate(penstock_requests_total[5m]))",
        },
        {
            "record": "penstock:latency_seconds:p99_5m",
            "expr": f"histogram_quantile(0.99, sum by ({kept}, le) "
            "(rate(penstock_request_seconds_bucket[5m])))",
        },
    ]


def _serving() -> list[dict[str, Any]]:
    return [
        _alert(
            "PenstockErrors",
            f'penstock:errors:ratio5m{{role="champion"}} > {ERRORS}',
            "5m",
            "severe",
            "page",
            "{{ $value | humanizePercentage }} of the answers of {{ $labels.model }} version "
            "{{ $labels.version }} are errors",
            "penstock rollback",
        ),
        _alert(
            "PenstockSlow",
            f'penstock:latency_seconds:p99_5m{{role="champion"}} > {SLOW:g}',
            "10m",
            "warning",
            "page",
            "1 of 100 answers of {{ $labels.model }} takes longer than "
            "{{ $value | humanizeDuration }}",
            "penstock status",
        ),
        _alert(
            "PenstockNoWorkers",
            "max by (model) (penstock_workers_ready) == 0",
            "1m",
            "severe",
            "page",
            "no worker of {{ $labels.model }} takes requests",
            "penstock doctor; then penstock serve",
        ),
        _alert(
            "PenstockLogLosing",
            "rate(penstock_log_dropped_total[10m]) > 0",
            "10m",
            "warning",
            "page",
            "the prediction log loses {{ $value | humanize }} requests a second: drift is judged "
            "on the rest",
            "penstock status",
        ),
        _alert(
            "PenstockGatewayDown",
            'up{job="penstock-gateway"} == 0',
            "1m",
            "severe",
            "page",
            "the gateway at {{ $labels.instance }} does not answer",
            "penstock serve",
        ),
    ]


def _inputs() -> list[dict[str, Any]]:
    return [
        _alert(
            "PenstockBreakerOpen",
            "max by (model) (penstock_breaker_state) > 0",
            "0s",
            "severe",
            "page",
            "requests to {{ $labels.model }} get 503: too many had values that it was not trained "
            "on",
            "penstock monitor status",
        ),
        _alert(
            "PenstockInputViolations",
            "sum by (model) (rate(penstock_data_violating_requests_total[10m])) / "
            f'sum by (model) (rate(penstock_requests_total{{role!="shadow"}}[10m])) > {VIOLATING}',
            "10m",
            "warning",
            "page",
            "{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} have values "
            "that it was not trained on",
            "penstock monitor status",
        ),
    ]


def _model(settings: Settings) -> list[dict[str, Any]]:
    windows = max(settings.monitor.drift.windows, 1)
    rows = [
        _alert(
            "PenstockDrift",
            f"(penstock_drift_windows_in_a_row >= {windows}) and on (model, version) "
            "(penstock_drift_features_drifted > 0)",
            "0m",
            "warning",
            "retrain",
            "live data of {{ $labels.model }} version {{ $labels.version }} drifted, for "
            "{{ $value }} windows",
            "penstock monitor drift; then penstock retrain",
        ),
        _alert(
            "PenstockQualityDeclined",
            "penstock_quality_declined == 1",
            "0m",
            "severe",
            "retrain",
            "the loss of {{ $labels.model }} version {{ $labels.version }} is worse than tolerated",
            "penstock retrain; or penstock rollback",
        ),
        _alert(
            "PenstockBadData",
            "penstock_validation_failed == 1",
            "0m",
            "warning",
            "page",
            "requests to {{ $labels.model }} fail the check {{ $labels.check }}",
            "penstock monitor status",
        ),
    ]
    return rows + _watching(settings)


def _retraining() -> list[dict[str, Any]]:
    return [
        _alert(
            "PenstockRetrainingFailed",
            "penstock_retraining_last_failed == 1",
            "0m",
            "warning",
            "page",
            "the last retraining of {{ $labels.model }} could not be done",
            "penstock retrain --history",
        ),
        _alert(
            "PenstockRetrainingInVain",
            f"penstock_retraining_vain_in_a_row >= {VAIN}",
            "0m",
            "warning",
            "page",
            "{{ $value }} retrainings of {{ $labels.model }} in a row brought nothing",
            "penstock retrain --history",
        ),
        _alert(
            "PenstockRetrainingWaits",
            'penstock_retraining_running{phase="started"} == 1',
            "1h",
            "warning",
            "page",
            "a retraining of {{ $labels.model }} has had no data for an hour: is its source "
            "reached?",
            "penstock retrain --plan",
        ),
    ]


def _watching(settings: Settings) -> list[dict[str, Any]]:
    """Return the alerts about the watch itself: nobody looks, or the champion is old."""
    rows = [
        _alert(
            "PenstockMonitorSilent",
            f"(time() - penstock_drift_last_run_timestamp_seconds > {SILENT}) and on "
            "(model, version) sum by (model, version) "
            '(increase(penstock_requests_total{role="champion"}[1d])) > '
            f"{2 * settings.monitor.window}",
            "10m",
            "warning",
            "page",
            "{{ $labels.model }} has traffic for a window, but none was judged for "
            "{{ $value | humanizeDuration }}",
            "penstock watch",
        ),
        _alert(
            "PenstockUnwatched",
            'sum by (model, version) (penstock:requests:rate5m{role="champion"}) > 0 unless on '
            "(model, version) penstock_champion_since_timestamp_seconds",
            "30m",
            "warning",
            "page",
            "nobody watches {{ $labels.model }} version {{ $labels.version }}: drift and decline "
            "would stay unnoticed",
            "penstock watch; and penstock monitor metrics, which Prometheus scrapes",
        ),
    ]
    limit = settings.monitor.stale_after
    if limit > 0:
        stale = _alert(
            "PenstockStale",
            f"time() - penstock_champion_since_timestamp_seconds > {limit:.0f}",
            "0m",
            "warning",
            "retrain",
            "{{ $labels.model }} version {{ $labels.version }} has been champion for "
            "{{ $value | humanizeDuration }}",
            "penstock retrain",
        )
        rows.append(stale)
    return rows


def _alert(
    name: str, expr: str, held: str, severity: str, action: str, summary: str, command: str
) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expr,
        "for": held,
        "labels": {"severity": severity, "penstock_action": action},
        "annotations": {"summary": summary, "command": command},
    }


def dump(value: Any) -> str:
    """Return plain values as YAML, in their order."""
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))
