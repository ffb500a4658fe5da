"""The Grafana dashboard, built with the builders that Grafana generates from its own schema.

``python -m penstock.monitors.exports.dashboard`` writes `dashboard.json` beside this file; that is
what `penstock monitor export grafana` gives to users, with the name of their model. It needs
`grafana-foundation-sdk`; a test builds the dashboard anew and compares.

Every panel says in its description what it shows and what to do when it is not as it should be.
Limits are those of the alerts.
"""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as nouns
from grafana_foundation_sdk.models.common import StackingMode

from penstock.monitors.exports.panels import (
    SOURCE,
    Look,
    Marks,
    Query,
    bars,
    by_role,
    colored,
    lines,
    number,
    rows,
    states,
)
from penstock.monitors.exports.prometheus import ERRORS, SLOW, VAIN, VIOLATING

PLACE = Path(__file__).with_name("dashboard.json")
TITLE, MODEL = "Penstock", "model"
Panels = list[Builder[nouns.Panel]]

WHO = 'model="$model"'
BY_ROLE = f'{WHO},role!=""'
"""Without what no version answered: refused before one was chosen."""
SERVED = 'role=~"champion|challenger"'
HERE = f"and on (instance) penstock_model_info{{{WHO}}}"
"""What a gateway counts without naming a model is shown of gateways that serve the model."""
FIRING = 'ALERTS{alertname=~"Penstock.*",alertstate="firing",model=~"$model|"}'
RATE = "[$__rate_interval]"

COUNT = Look(steps=((None, "green"),))
WRONG = Look(steps=((None, "green"), (1, "red")), empty="0")
SHARE_OF_ERRORS = Look("percentunit", ((None, "green"), (ERRORS / 2, "yellow"), (ERRORS, "red")),
                       empty="no traffic")  # fmt: skip
SECONDS = Look("s", ((None, "green"), (SLOW / 2, "yellow"), (SLOW, "red")), empty="no traffic")
AGO = Look("dateTimeFromNow", empty="not known")
EXCEEDANCE = Look("none", ((None, "green"), (0.5, "yellow"), (1, "red")), empty="no window yet")
VIOLATIONS = Look("percentunit", ((None, "green"), (VIOLATING, "red")), empty="no limits known")
GAIN = Look(steps=((None, "red"), (0, "green")), empty="not known")
PHASES = ("started", "pinned", "searched", "committed", "trained", "rolling")
WELL = ((0, "well", "green"), (1, "failed", "red"))


def build() -> builders.Dashboard:
    """Return the dashboard for any model."""
    made = builders.Dashboard(TITLE).uid("penstock").tags(["penstock", "machine-learning"])
    made.description(
        "A model in production: its traffic, its rollout, how right it is, and whether live data "
        "is still what it was trained on. Needs the recording rules of `penstock monitor export "
        "prometheus`, and scrapes of both gateway and `penstock monitor metrics`."
    )
    made.timezone("browser").editable().refresh("30s").time("now-24h", "now").version(1)
    made.tooltip(nouns.DashboardCursorSync.CROSSHAIR)
    made.with_variable(builders.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    made.with_variable(_models())
    for one in _marks():
        made.annotation(one)
    identity = 0
    for title, panels in _rows():
        identity += 1
        if title:
            made.with_row(builders.Row(title).id(identity))
        for panel in panels:
            identity += 1
            made.with_panel(_Numbered(panel, identity))
    return made


def text() -> str:
    """Return the dashboard as JSON, as it is kept beside this file."""
    return JSONEncoder(indent=2, sort_keys=True).encode(build().build()) + "\n"


class _Numbered(Builder[nouns.Panel]):
    """A panel with the number by which links and annotations know it."""

    def __init__(self, panel: Builder[nouns.Panel], identity: int) -> None:
        self._panel, self._identity = panel, identity

    def build(self) -> nouns.Panel:
        made = self._panel.build()
        made.id_val = self._identity
        return made


def _models() -> builders.QueryVariable:
    asked: dict[str, object] = {
        "query": "label_values(penstock_model_info, model)",
        "refId": "models",
    }
    return (
        builders.QueryVariable("model")
        .label("Model")
        .datasource(SOURCE)
        .query(asked)
        .refresh(nouns.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(nouns.VariableSort.ALPHABETICAL_ASC)
        .current(nouns.VariableOption(text=MODEL, value=MODEL))
    )


def _marks() -> list[Marks]:
    since = f"penstock_champion_since_timestamp_seconds{{{WHO}}} * 1000"
    return [
        Marks("New champion", "blue", since, "version {{version}} is champion",
              useValueForTime=True),
        Marks("Traffic split", "orange", f"(changes(penstock_traffic_generation[2m]) > 0) {HERE}",
              "the split of traffic was changed"),
        Marks("Alerts", "red", FIRING, "{{alertname}}", textFormat="{{severity}}"),
    ]  # fmt: skip


def _rows() -> list[tuple[str, Panels]]:
    return [
        ("", _now()),
        ("Traffic", _traffic()),
        ("Rollout", _rollout()),
        ("Model quality", _quality()),
        ("Drift", _drift()),
        ("Data", _data()),
        ("Retraining", _retraining()),
        ("Log and gateway", _log()),
    ]


def _now() -> Panels:
    champion = f'{WHO},role="champion"'
    return [
        number("Champion", "The version that holds the traffic, and since when. To go back to the "
               "one before: `penstock rollback`.", AGO,
               Query(f"penstock_champion_since_timestamp_seconds{{{WHO}}} * 1000",
                     "version {{version}}")),
        number("Alerts firing", "Of Prometheus' rules. Which, and what to do: the table below.",
               WRONG, Query(f"count({FIRING}) or vector(0)")),
        number("Requests", "Answered by champion and challenger, per second. None at all: is the "
               "gateway reached? `penstock status`.", COUNT._replace(unit="reqps"),
               Query(f"sum(penstock:requests:rate5m{{{WHO},{SERVED}}})"), graph=True),
        number("Errors", f"Share of the champion's answers that are 5xx; above {ERRORS:.0%} it is "
               "an alert. `penstock rollback`, then look into `.penstock/serve/log`.",
               SHARE_OF_ERRORS, Query(f"max(penstock:errors:ratio5m{{{champion}}})")),
        number("Latency, 99 %", f"1 of 100 answers of the champion takes longer; above {SLOW:g} s "
               "it is an alert. More workers: `serve.workers`.", SECONDS,
               Query(f"max(penstock:latency_seconds:p99_5m{{{champion}}})")),
        number("Workers ready", "Processes that take requests, of all versions. None: `penstock "
               "doctor`, then `penstock serve`.",
               Look(steps=((None, "red"), (1, "green")), empty="none"),
               Query(f"sum(penstock_workers_ready{{{WHO}}})")),
        rows("What is wrong", "Alerts that are firing, and the command to act. Empty is good.",
             Look(empty="nothing"), Query(FIRING),
             columns={"alertname": ("Alert", ""), "severity": ("Severity", ""),
                      "version": ("Version", ""), "feature": ("Feature", ""),
                      "check": ("Check", ""), "penstock_action": ("What penstock does", "")},
             hidden=("Value", "__name__", "alertstate", "instance", "job", "model"), height=5),
    ]  # fmt: skip


def _traffic() -> Panels:
    buckets = (
        f"sum by (version, role, le) (rate(penstock_request_seconds_bucket{{{BY_ROLE}}}{RATE}))"
    )
    return [
        by_role(lines("Requests", "Per second, by version and role. A shadow gets copies, and its "
                      "answers go nowhere.", Look("reqps"),
                      Query(f"penstock:requests:rate5m{{{BY_ROLE}}}",
                            "{{role}}, version {{version}}"))),
        colored(lines("Answers by HTTP status", "4xx: callers send what the model does not take; "
                      "the answer says what. 5xx: the model or its worker fails. 503: nothing "
                      "takes requests, or the circuit breaker is open.", Look("reqps"),
                      Query(f"sum by (code) (rate(penstock_requests_total{{{WHO}}}{RATE}))",
                            "{{code}}"), stacked=StackingMode.NORMAL),
                {"^2": "green", "^4": "yellow", "^5": "red"}),
        by_role(lines("Share of errors", f"5xx of all answers; the alert is at {ERRORS:.0%} for 5 "
                      "minutes. A challenger that errs more than the champion is rolled back by "
                      "itself.", SHARE_OF_ERRORS,
                      Query(f"penstock:errors:ratio5m{{{BY_ROLE}}}",
                            "{{role}}, version {{version}}"))),
        by_role(lines("Latency", f"Median, and what 1 of 100 exceeds; the alert is at {SLOW:g} s "
                      "for 10 minutes. Slow with few in flight: the model itself; with many: too "
                      "few workers.", SECONDS,
                      Query(f"histogram_quantile(0.5, {buckets})",
                            "median, {{role}}, version {{version}}"),
                      Query(f"histogram_quantile(0.99, {buckets})",
                            "99 %, {{role}}, version {{version}}"))),
        lines("Workers", "Ready to take requests, and restarts in the last 10 minutes. Restarts "
              "that go on: `.penstock/serve/log` says why, often too little memory.", Look(),
              Query(f"penstock_workers_ready{{{WHO}}}", "ready, version {{version}}"),
              Query(f"increase(penstock_worker_restarts_total{{{WHO}}}[10m])",
                    "restarts, version {{version}}")),
        lines("Requests in flight", "Waiting for an answer. Growing without an end: more comes in "
              "than the workers answer; raise `serve.workers`.", Look(),
              Query(f"penstock_requests_waiting{{{WHO}}}", "version {{version}}")),
    ]  # fmt: skip


def _rollout() -> Panels:
    each = "sum by (version, role)"
    served = f"sum by (version) (penstock:requests:rate5m{{{WHO},{SERVED}}})"
    median = (
        "histogram_quantile(0.5, sum by (version, role, le) "
        f"(rate(penstock_request_seconds_bucket{{{BY_ROLE}}}[5m])))"
    )
    differed = (
        f"sum by (version) (rate(penstock_shadow_differed_total{{{WHO}}}{RATE})) / "
        f"sum by (version) (rate(penstock_shadow_compared_total{{{WHO}}}{RATE}))"
    )
    return [
        rows("Versions side by side", "The last 5 minutes. How the rollout judges them, and why: "
             "`penstock status`; to end it: `penstock rollback`.", Look(empty="no traffic"),
             Query(f"{each} (penstock:requests:rate5m{{{BY_ROLE}}})"),
             Query(f"{each} (penstock:errors:ratio5m{{{BY_ROLE}}})"),
             Query(median),
             Query(f"{each} (penstock:latency_seconds:p99_5m{{{BY_ROLE}}})"),
             columns={"version": ("Version", ""), "role": ("Role", ""),
                      "Value #A": ("Requests", "reqps"), "Value #B": ("Errors", "percentunit"),
                      "Value #C": ("Latency, median", "s"), "Value #D": ("Latency, 99 %", "s")}),
        lines("Share of requests by version", "A rollout is a staircase; back to one colour at "
              "once is a rollback.", Look("percentunit"),
              Query(f"{served} / on () group_left () sum ({served})", "version {{version}}"),
              width=8, stacked=StackingMode.PERCENT),
        lines("Traffic of the challenger", "Wanted by the rollout's step, and what it got. Apart "
              "for long: few requests, or sticky callers.",
              Look("percent", empty="no rollout"),
              Query(f"penstock_split_wanted_percent {HERE}", "wanted"),
              Query(f"penstock_split_observed_percent {HERE}", "got"), width=8),
        lines("Answers of the shadow that differ", "Share of copied requests that the challenger "
              "answers otherwise than the champion. Not wrong by itself: labels say who is right.",
              Look("percentunit", empty="no shadow"), Query(differed, "version {{version}}"),
              width=8),
    ]  # fmt: skip


def _quality() -> Panels:
    predicted = f'rate(penstock_predictions_total{{{WHO},role="champion"}}{RATE})'
    return [
        number("Quality", "Whether the loss became worse than tolerated; said once it is sure, at "
               "any number of labels. Then: `penstock retrain`, or `penstock rollback`.",
               Look(states=((0, "holds", "green"), (1, "declined", "red")), empty="no labels yet"),
               Query(f"penstock_quality_declined{{{WHO}}}"), height=8),
        number("Labelled rows", "Labels that arrived at /feedback for this champion. None: quality "
               "is only estimated.", COUNT._replace(unit="short", empty="no labels yet"),
               Query(f"penstock_labelled_rows{{{WHO}}}"), height=8),
        lines("Loss", "Realised on labelled rows, beside the estimate without labels. The estimate "
              "assumes that equal inputs still have equal outcomes: realised above estimated means "
              "that they have not. `penstock monitor quality`.", Look(empty="no labels yet"),
              Query(f"penstock_realized_loss{{{WHO}}}", "realised {{metric}}, version {{version}}"),
              Query(f"penstock_estimated_loss{{{WHO}}}",
                    "estimated {{metric}}, version {{version}}"), width=16),
        lines("Predictions of the champion", "Share by class, or by bin of the number. A class "
              "that swells or vanishes with drift below: retrain; without: look at who calls.",
              Look("percentunit"),
              Query(f"sum by (prediction) ({predicted}) / on () group_left () sum ({predicted})",
                    "{{prediction}}"), width=24, stacked=StackingMode.PERCENT, beside=True),
    ]  # fmt: skip


def _drift() -> Panels:
    exceedance = f"penstock_drift_exceedance_ratio{{{WHO}}}"
    return [
        number("Features in alarm", "Really and enough different from the training data in the "
               "last window. `penstock monitor report --open` shows how.",
               WRONG._replace(empty="no window yet"),
               Query(f"penstock_drift_features_drifted{{{WHO}}}")),
        number("Windows in a row", "With a feature in alarm; at `monitor.drift.windows` (2 unless "
               "set) it is an alert, and a reason to retrain.",
               Look(steps=((None, "green"), (1, "yellow"), (2, "red")), empty="no window yet"),
               Query(f"penstock_drift_windows_in_a_row{{{WHO}}}")),
        number("Windows judged", "Since the version is champion. A window is `monitor.window` "
               "requests.", COUNT._replace(empty="none yet"),
               Query(f"penstock_monitor_windows{{{WHO}}}")),
        number("Last window", "When it ended. Long ago with traffic: does `penstock watch` run?",
               AGO._replace(empty="none yet"),
               Query(f"penstock_drift_last_run_timestamp_seconds{{{WHO}}} * 1000")),
        number("Alerts of monitors", "Open in penstock itself, which tells people by "
               "`monitor.notify`. `penstock monitor status` says cause and command.", WRONG,
               Query(f"sum(penstock_alerts_open{{{WHO}}})")),
        number("Greatest exceedance", "Of all features: how many times the effect is what is "
               "tolerated. Above 1 is an alarm.", EXCEEDANCE._replace(unit="none"),
               Query(f"max({exceedance})")),
        bars("Now: exceedance by feature", "Effect over what is tolerated (`monitor.drift."
             "min_effect`), 0 when it may be chance. Above 1 is an alarm.", EXCEEDANCE,
             Query(f"sort_desc(topk(12, {exceedance}))", "{{feature}}"), top=3.0),
        lines("Exceedance by feature", "Above the line is an alarm. One feature at once: its "
              "source; many at once: the world, or a changed caller. `penstock monitor drift "
              "--culprits`.", EXCEEDANCE, Query(f"topk(10, {exceedance})", "{{feature}}"),
              beside=True),
    ]  # fmt: skip


def _data() -> Panels:
    violating = (
        f"sum by (version) (rate(penstock_data_violating_requests_total{{{WHO}}}[10m])) / "
        f'sum by (version) (rate(penstock_requests_total{{{WHO},role!="shadow"}}[10m]))'
    )
    breaker = ((0, "closed", "green"), (1, "half-open", "yellow"), (2, "open", "red"))
    return [
        lines("Requests with values that were not in training", "Out of range, unseen, missing or "
              f"of a wrong type; the alert is at {VIOLATING:.0%} for 10 minutes. Fix the caller; "
              "if the values are right, retrain.", VIOLATIONS,
              Query(violating, "version {{version}}")),
        lines("Which values", "By feature and kind, per second.", Look("cps", empty="none"),
              Query("topk(10, sum by (field, kind) "
                    f"(rate(penstock_data_violations_total{{{WHO}}}{RATE})))",
                    "{{field}}: {{kind}}"), beside=True),
        states("Checks of windows", "Columns, types, gaps, ranges and categories of each window "
               "against the training data. Red: `penstock monitor status` says which rows.",
               Look(states=WELL, empty="no window yet"),
               Query(f"penstock_validation_failed{{{WHO}}}", "{{check}}")),
        states("Circuit breaker on bad input", "Open: requests get 503, because too many had "
               "values that were not in training. It closes by itself once they are good again.",
               Look(states=breaker, empty="not in use"),
               Query(f"penstock_breaker_state{{{WHO}}}", "breaker"), width=6),
        lines("Refused by the breaker", "Requests answered with 503 by the open breaker, per "
              "second.", Look("reqps", empty="not in use"),
              Query(f"rate(penstock_breaker_refused_total{{{WHO}}}{RATE})", "refused"), width=6),
    ]  # fmt: skip


def _retraining() -> Panels:
    phases = " or ".join(
        f'(penstock_retraining_running{{{WHO},phase="{phase}"}} == 1) * {number}'
        for number, phase in enumerate(PHASES, 1)
    )
    busy = f"max({phases}) or max(penstock_retraining_running{{{WHO}}}) * 0"
    idle = ((0, "none", "text"),)
    steps = tuple((number, phase, "blue") for number, phase in enumerate(PHASES, 1))
    return [
        number("Retraining", "The phase that the one under way has reached; `rolling` waits for a "
               "rollout. `started` for long: the source of its data is not reached, `penstock "
               "retrain --plan`.", Look(states=(*idle, *steps), empty="none"), Query(busy)),
        number("Last retraining", "When it ended. What came of it: `penstock retrain --history`.",
               AGO._replace(empty="none yet"),
               Query(f"penstock_retraining_last_run_timestamp_seconds{{{WHO}}} * 1000")),
        number("Requests that wait", "For the cool-down, the budget, quiet hours or more rows: "
               "`penstock retrain --plan` says which.", COUNT._replace(empty="0"),
               Query(f"penstock_retraining_requests_open{{{WHO}}}")),
        number("In vain in a row", f"Refused, failed, rolled back or no better; {VAIN} are an "
               "alert, and the cool-down doubles. New data of the same kind will not help.",
               Look(steps=((None, "green"), (1, "yellow"), (VAIN, "red")), empty="none yet"),
               Query(f"penstock_retraining_vain_in_a_row{{{WHO}}}")),
        number("Gain at the gate", "Of the last retraining, over the champion on held-out data; "
               "positive is better.", GAIN,
               Query(f"penstock_retraining_predicted_gain{{{WHO}}}", "{{metric}}")),
        number("Gain on live labels", "What it came to in production; far below the gain at the "
               "gate, the held-out data is not what the model meets.", GAIN,
               Query(f"penstock_retraining_realized_gain{{{WHO}}}", "{{metric}}")),
        colored(lines("Retrainings by outcome", "In the last 7 days. Refused ones cost training, "
                      "not quality; failed ones ask for a look: `penstock retrain --history`.",
                      Look(empty="none yet"),
                      Query("sum by (outcome) (increase(penstock_retrainings_total"
                            f"{{{WHO}}}[7d]))", "{{outcome}}"), width=8),
                {"promoted": "green", "failed": "red", "refused": "yellow"}),
        lines("Retrainings by what asked", "In the last 7 days, by the trigger that asked first.",
              Look(empty="none yet"),
              Query(f"sum by (trigger) (increase(penstock_retrainings_total{{{WHO}}}[7d]))",
                    "{{trigger}}"), width=8),
        lines("Trials of searches", "In the last 7 days. Many failed: `penstock retrain` says why "
              "when it searches.", Look(empty="none yet"),
              Query("sum by (state) (increase(penstock_search_trials_total"
                    f"{{{WHO}}}[7d]))", "{{state}}"), width=8),
    ]  # fmt: skip


def _log() -> Panels:
    return [
        colored(lines("Prediction log", "Requests written and lost, per second. Lost ones were "
                      "answered, but drift is judged without them: a full or slow disk.",
                      Look("reqps"),
                      Query(f"rate(penstock_log_written_total{RATE}) {HERE}", "written"),
                      Query(f"rate(penstock_log_dropped_total{RATE}) {HERE}", "lost"), width=8),
                {"lost": "red", "written": "green"}),
        colored(lines("Copies for the shadow that were dropped", "Per second; the champion is "
                      "never slowed by its shadow, which gets fewer copies instead.",
                      Look("reqps"),
                      Query(f"rate(penstock_shadow_dropped_total{RATE}) {HERE}", "dropped"),
                      width=8), {"dropped": "orange"}),
        lines("Connections", "Open to the gateway.", Look(),
              Query(f"penstock_connections {HERE}", "{{instance}}"), width=8),
    ]  # fmt: skip


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
