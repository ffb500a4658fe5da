"""What Prometheus scrapes, records and alerts of; with unit tests for `promtool test rules`."""

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


def prometheus(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return prometheus.yml, the rules and their tests."""
    del root, url
    model = settings.model.name
    return {
        "prometheus.yml": dump(scraping(settings)),
        "penstock_rules.yml": dump(rules(settings)),
        "penstock_rules_test.yml": dump(tests(model)),
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
        _alert(
            "PenstockMonitorSilent",
            "(time() - penstock_drift_last_run_timestamp_seconds > 86400) and on (model, version) "
            'sum by (model, version) (penstock:requests:rate5m{role="champion"}) > 0',
            "10m",
            "warning",
            "page",
            "{{ $labels.model }} has traffic, but no window was judged for "
            "{{ $value | humanizeDuration }}",
            "penstock watch",
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


def tests(model: str) -> dict[str, Any]:
    """Return unit tests of the rules, for `promtool test rules`."""
    who = f'model="{model}",version="3"'
    champion = f'{who},role="champion"'
    labels = {"model": model, "version": "3"}
    retrain, page = {"penstock_action": "retrain"}, {"penstock_action": "page"}
    drift = _case(
        [
            (f"penstock_drift_windows_in_a_row{{{who}}}", "0 1 2 2"),
            (f"penstock_drift_features_drifted{{{who}}}", "0 1 1 1"),
        ],
        "PenstockDrift",
        {"1m": None, "3m": {**labels, "severity": "warning", **retrain}},
        {
            "summary": f"live data of {model} version 3 drifted, for 2 windows",
            "command": "penstock monitor drift; then penstock retrain",
        },
    )
    quality = _case(
        [(f"penstock_quality_declined{{{who}}}", "0 0 1")],
        "PenstockQualityDeclined",
        {"1m": None, "2m": {**labels, "severity": "severe", **retrain}},
        {
            "summary": f"the loss of {model} version 3 is worse than tolerated",
            "command": "penstock retrain; or penstock rollback",
        },
    )
    errors = _case(
        [
            (f'penstock_requests_total{{{champion},code="200"}}', "0+95x30"),
            (f'penstock_requests_total{{{champion},code="500"}}', "0+5x30"),
        ],
        "PenstockErrors",
        {"2m": None, "15m": {**labels, "role": "champion", "severity": "severe", **page}},
        {
            "summary": f"5% of the answers of {model} version 3 are errors",
            "command": "penstock rollback",
        },
    )
    workers = _case(
        [(f"penstock_workers_ready{{{who}}}", "1 1 0 0 0 0")],
        "PenstockNoWorkers",
        {"1m": None, "4m": {"model": model, "severity": "severe", **page}},
        {
            "summary": f"no worker of {model} takes requests",
            "command": "penstock doctor; then penstock serve",
        },
    )
    return {
        "rule_files": ["penstock_rules.yml"],
        "evaluation_interval": f"{GROUP_SECONDS}s",
        "tests": [drift, quality, errors, workers, _breaker_case(model), _shares_case(model)],
    }


def _breaker_case(model: str) -> dict[str, Any]:
    return _case(
        [(f'penstock_breaker_state{{model="{model}"}}', "0 2 1 0")],
        "PenstockBreakerOpen",
        {
            "0m": None,
            "1m": {"model": model, "severity": "severe", "penstock_action": "page"},
            "3m": None,
        },
        {
            "summary": f"requests to {model} get 503: too many had values that it was not trained "
            "on",
            "command": "penstock monitor status",
        },
    )


def _shares_case(model: str) -> dict[str, Any]:
    """A version without errors has a share of 0, not none."""
    who = f'model="{model}",version="3",role="champion"'
    labels = f'penstock:errors:ratio5m{{model="{model}", role="champion", version="3"}}'
    return {
        "interval": "1m",
        "input_series": [
            {"series": f'penstock_requests_total{{{who},code="200"}}', "values": "0+60x10"}
        ],
        "promql_expr_test": [
            {
                "expr": "penstock:errors:ratio5m",
                "eval_time": "8m",
                "exp_samples": [{"labels": labels, "value": 0}],
            }
        ],
    }


def _case(
    series: list[tuple[str, str]],
    alert: str,
    moments: dict[str, dict[str, str] | None],
    annotations: dict[str, str],
) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "alert_rule_test": [
            {
                "eval_time": moment,
                "alertname": alert,
                "exp_alerts": []
                if labels is None
                else [{"exp_labels": labels, "exp_annotations": annotations}],
            }
            for moment, labels in moments.items()
        ],
    }


def dump(value: Any) -> str:
    """Return plain values as YAML, in their order."""
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100))
