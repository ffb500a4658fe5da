"""Unit tests of the exported rules, for `promtool test rules`: each fires when it should."""

from __future__ import annotations

from typing import Any

from penstock.config.settings import Settings
from penstock.monitors.exports.prometheus import GROUP_SECONDS


def tests(settings: Settings) -> dict[str, Any]:
    """Return unit tests of the rules, for `promtool test rules`."""
    model = settings.model.name
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
        "tests": [drift, quality, errors, workers, _breaker_case(model), _shares_case(model),
                  _slow_case(model), _violations_case(model), _unwatched_case(model),
                  _silent_case(model, settings.monitor.window), *_retraining_cases(model)],
    }  # fmt: skip


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


def _slow_case(model: str) -> dict[str, Any]:
    who = f'model="{model}",version="3",role="champion"'
    name = "penstock_request_seconds_bucket"
    series = [(f'{name}{{{who},le="{le}"}}', f"0+{step}x30")
              for le, step in (("1", 50), ("2", 100), ("+Inf", 100))]  # fmt: skip
    labels = {"model": model, "version": "3", "role": "champion", "severity": "warning",
              "penstock_action": "page"}  # fmt: skip
    return _case(
        series,
        "PenstockSlow",
        {"9m": None, "20m": labels},
        {
            "summary": f"1 of 100 answers of {model} takes longer than 1.98s",
            "command": "penstock status",
        },
    )


def _violations_case(model: str) -> dict[str, Any]:
    """Copies for a shadow do not hide that a tenth of the requests is bad."""
    who = f'model="{model}",version="3"'
    shadow = f'model="{model}",version="4",role="shadow"'
    return _case(
        [
            (f"penstock_data_violating_requests_total{{{who}}}", "0+6x30"),
            (f'penstock_requests_total{{{who},role="champion",code="200"}}', "0+60x30"),
            (f'penstock_requests_total{{{shadow},code="200"}}', "0+600x30"),
        ],
        "PenstockInputViolations",
        {"5m": None, "25m": {"model": model, "severity": "warning", "penstock_action": "page"}},
        {
            "summary": f"10% of the requests to {model} have values that it was not trained on",
            "command": "penstock monitor status",
        },
    )


def _unwatched_case(model: str) -> dict[str, Any]:
    """Version 3 is watched until it is replaced; of version 4 the monitors know nothing."""
    who = f'model="{model}",version="{{}}"'
    requests = 'penstock_requests_total{{{},role="champion",code="200"}}'
    return _case(
        [
            (requests.format(who.format(3)), "0+60x30 1800x60"),
            (f"penstock_champion_since_timestamp_seconds{{{who.format(3)}}}", "0x90"),
            (requests.format(who.format(4)), "0x30 0+60x60"),
        ],
        "PenstockUnwatched",
        {
            "30m": None,
            "80m": {
                "model": model, "version": "4", "severity": "warning", "penstock_action": "page",
            },
        },
        {
            "summary": f"nobody watches {model} version 4: drift and decline would stay unnoticed",
            "command": "penstock watch; and penstock monitor metrics, which Prometheus scrapes",
        },
    )  # fmt: skip


def _silent_case(model: str, window: int) -> dict[str, Any]:
    """With too little traffic for a window nobody is woken; with enough, somebody is."""
    who = f'model="{model}",version="3"'
    requests = f'penstock_requests_total{{{who},role="champion",code="200"}}'
    step = max(window // 10, 1)
    return _case(
        [
            (f"penstock_drift_last_run_timestamp_seconds{{{who}}}", "-86400x60"),
            (requests, f"0x15 0+{step}x45"),
        ],
        "PenstockMonitorSilent",
        {
            "1h": None,
            "4h": {
                "model": model, "version": "3", "severity": "warning", "penstock_action": "page",
            },
        },
        {
            "summary": f"{model} has traffic for a window, but none was judged for 1d 4h 0m 0s",
            "command": "penstock watch",
        },
        interval="4m",
    )  # fmt: skip


def _retraining_cases(model: str) -> list[dict[str, Any]]:
    who = f'model="{model}"'
    labels = {"model": model, "severity": "warning", "penstock_action": "page"}
    command = "penstock retrain --history"
    failed = f"the last retraining of {model} could not be done"
    vain = f"3 retrainings of {model} in a row brought nothing"
    waits = f"a retraining of {model} has had no data for an hour: is its source reached?"
    return [
        _case(
            [(f"penstock_retraining_last_failed{{{who}}}", "0 1 0")],
            "PenstockRetrainingFailed",
            {"0m": None, "1m": labels, "2m": None},
            {"summary": failed, "command": command},
        ),
        _case(
            [(f"penstock_retraining_vain_in_a_row{{{who}}}", "1 2 3 0")],
            "PenstockRetrainingInVain",
            {"1m": None, "2m": labels, "3m": None},
            {"summary": vain, "command": command},
        ),
        _case(
            [(f'penstock_retraining_running{{{who},phase="started"}}', "1x20 0x10 1x90")],
            "PenstockRetrainingWaits",
            {"25m": None, "80m": None, "100m": {**labels, "phase": "started"}},
            {"summary": waits, "command": "penstock retrain --plan"},
        ),
    ]


def _case(
    series: list[tuple[str, str]],
    alert: str,
    moments: dict[str, dict[str, str] | None],
    annotations: dict[str, str],
    *,
    interval: str = "1m",
) -> dict[str, Any]:
    return {
        "interval": interval,
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
