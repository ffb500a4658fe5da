"""The panels of the dashboard for Kibana: what each shows, and what it asks the records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.monitors.exports import lens
from penstock.monitors.exports.lens import TIME, Chart, Columns, Note, Notes

ANSWERED = 'not penstock.role : "shadow"'
"""Records of answers that somebody got; a copy sent to a challenger is none."""
FAILED = 'event.outcome : "failure"'
RED, AMBER, BLUE, GREEN = "#BD271E", "#F5A700", "#6092C0", "#209280"


@dataclass(frozen=True, slots=True)
class Panel:
    """A place on the dashboard.

    Attributes:
        id: of the panel in its dashboard.
        title: above it.
        description: what it shows and what to do about it.
        width: of 48.
        height: in lines of the grid.
        chart: what it draws; None for a saved search.
        search: id of the saved search that it lists instead.
    """

    id: str
    title: str
    description: str
    width: int
    height: int
    chart: Chart | None = None
    search: str = ""


ABOUT = Panel(
    "about",
    "",
    "Marks on the axis of time: a new champion, an alert. Choose a **version** or a **run** above; "
    "a click on a version or a run in a table shows all that belongs to it, one on a request id "
    "what that request was answered. `penstock monitor report` writes the page for people, "
    "`penstock history --why` tells the causes of one event.",
    48,
    5,
)


def rows(prefix: str) -> Iterator[list[Panel]]:
    """Yield the rows of the dashboard, from the top.

    Args:
        prefix: of the ids of the model's saved objects.
    """
    yield _tiles(prefix)
    yield _traffic(prefix)
    yield _speed(prefix)
    yield _answers(prefix)
    yield _words(prefix)
    yield _worries(prefix)
    yield _loop(prefix)
    yield [
        Panel("story", "What happened", "Every event of the loop, newest first.", 48, 15,
              search=f"{prefix}-story"),
    ]  # fmt: skip
    yield [
        Panel("alerts-list", "Alerts", "With the likely cause, and the command to act.", 24, 13,
              search=f"{prefix}-alerts"),
        Panel("failures", "Requests that failed", "A request id leads to what it was answered.",
              24, 13, search=f"{prefix}-failed-predictions"),
    ]  # fmt: skip
    yield [
        Panel("troubles", "Troubles of penstock's processes",
              "Warnings and errors of gateway, workers, log writer, watch and commands.", 48, 12,
              search=f"{prefix}-troubles"),
    ]  # fmt: skip


def _notes(prefix: str) -> Notes:
    marks = (
        Note("New champion", 'event.action : "champion-changed"', "flag", GREEN),
        Note("Alert", 'event.action : "alert-raised"', "alert", RED),
    )
    return Notes(f"{prefix}-events", marks)


def _tiles(prefix: str) -> list[Panel]:
    predictions, events = f"{prefix}-predictions", f"{prefix}-events"
    champion = lens.last("penstock.version", "Champion", 'penstock.role : "champion"')
    slow = lens.of("percentile", "event.duration", "95 % within", percentile=95)
    requests = lens.of("unique_count", "http.request.id", "Requests")
    refused = 'event.action : "candidate-refused"'
    alerts = lens.count("Alerts", 'event.action : "alert-raised"')
    shown: list[tuple[str, str, Columns, str, str, str]] = [
        ("champion", "Version that answers", {"y": champion}, predictions, "", BLUE),
        ("requests", "Requests", {"y": requests}, predictions, ANSWERED, ""),
        ("failing", "Share that failed", lens.share("y", "Failed", FAILED), predictions,
         ANSWERED, ""),
        ("slow", "Slowest 5 % take longer than", {"y": slow}, predictions, ANSWERED, ""),
        ("alerts", "Alerts raised", {"y": alerts}, events, "", RED),
        ("refused", "Candidates that gates refused", {"y": lens.count("Refused", refused)},
         events, "", ""),
    ]  # fmt: skip
    return [
        Panel(id, title, "", 8, 6,
              lens.tile(view, columns, subtitle="in the chosen time", colour=colour, query=query))
        for id, title, columns, view, query, colour in shown
    ]  # fmt: skip


def _traffic(prefix: str) -> list[Panel]:
    view = f"{prefix}-predictions"
    by_version = {
        "version": lens.terms("penstock.version", "Version", by="y"),
        TIME: lens.time(),
        "y": lens.count("Answers"),
    }
    by_code = {
        "code": lens.terms("http.response.status_code", "Status", by="y", number=True),
        TIME: lens.time(),
        "y": lens.count("Failed answers"),
    }
    return [
        Panel("by-version", "Answers by version",
              "Rows answered. During a rollout the challenger's share grows step by step.", 24, 12,
              lens.plot(view, "bar_stacked", by_version, split="version", query=ANSWERED,
                        notes=_notes(prefix))),
        Panel("errors", "Failed answers by status",
              "4xx: the client's fault, such as inputs outside the limits. 5xx: ours; look at "
              "the troubles below.", 24, 12,
              lens.plot(view, "bar_stacked", by_code, split="code",
                        query=f"{ANSWERED} and {FAILED}", notes=_notes(prefix))),
    ]  # fmt: skip


def _speed(prefix: str) -> list[Panel]:
    view = f"{prefix}-predictions"
    percentiles: Columns = {TIME: lens.time()}
    for part, label in ((50, "half within"), (95, "95 % within"), (99, "99 % within")):
        percentiles[f"p{part}"] = lens.of("percentile", "event.duration", label, percentile=part)
    by_version = {
        "version": lens.terms("penstock.version", "Version", by="requests", size=20),
        "role": lens.terms("penstock.role", "Role", by="requests", size=3),
        "requests": lens.of("unique_count", "http.request.id", "Requests"),
        **lens.share("failed", "Failed", FAILED),
        "p95": lens.of("percentile", "event.duration", "95 % within", percentile=95),
        "mean": lens.of("average", "penstock.prediction.value", "Mean prediction"),
    }
    return [
        Panel("latency", "Time to answer", "As the gateway measures it.", 24, 12,
              lens.plot(view, "line", percentiles, query=ANSWERED, notes=_notes(prefix))),
        Panel("versions", "Versions beside each other",
              "Shadow: copies of requests, whose answers nobody got.",
              24, 12, lens.table(view, by_version)),
    ]  # fmt: skip


def _answers(prefix: str) -> list[Panel]:
    view = f"{prefix}-predictions"
    spread = {
        "version": lens.terms("penstock.version", "Version", by="y", size=5),
        TIME: lens.steps("penstock.prediction.value", "Prediction"),
        "y": lens.count("Answers"),
    }
    mean = {
        "version": lens.terms("penstock.version", "Version", size=5),
        TIME: lens.time(),
        "y": lens.of("average", "penstock.prediction.value", "Mean prediction"),
    }
    return [
        Panel("spread", "Distribution of predictions",
              "A new version that answers differently shows here first.", 24, 12,
              lens.plot(view, "bar", spread, split="version")),
        Panel("mean", "Mean prediction", "A slow change is drift: see `penstock monitor drift`.",
              24, 12, lens.plot(view, "line", mean, split="version", notes=_notes(prefix))),
    ]  # fmt: skip


def _words(prefix: str) -> list[Panel]:
    view = f"{prefix}-predictions"
    classes = {
        "class": lens.terms("penstock.prediction.text", "Class", by="y"),
        TIME: lens.time(),
        "y": lens.count("Answers"),
    }
    return [
        Panel("classes", "Shares of predicted classes",
              "For models that answer in words; empty for those that answer in numbers.", 48, 9,
              lens.plot(view, "bar_percentage_stacked", classes, split="class",
                        query="penstock.prediction.text : *", notes=_notes(prefix))),
    ]  # fmt: skip


def _worries(prefix: str) -> list[Panel]:
    inputs = {
        "field": lens.terms("penstock.input.field", "Input", by="y"),
        TIME: lens.time(),
        "y": lens.of("sum", "penstock.input.values", "Values"),
    }
    levels: Columns = {TIME: lens.time()}
    for severity in ("severe", "warning", "info"):
        where = f'penstock.alert.severity : "{severity}"'
        levels[severity] = lens.count(severity.capitalize(), where)
    colours = {"severe": RED, "warning": AMBER, "info": BLUE}
    return [
        Panel("inputs", "Inputs unlike the training data",
              "Values outside the limits of `serve.checks`, by input. Ask who sends them, or "
              "retrain.", 24, 12,
              lens.plot(f"{prefix}-log", "bar_stacked", inputs, split="field",
                        query='event.action : "inputs-violated"', notes=_notes(prefix))),
        Panel("levels", "Alerts by severity", "Raised, not lasting; the list is below.", 24, 12,
              lens.plot(f"{prefix}-events", "bar_stacked", levels, colours=colours,
                        query='event.action : "alert-raised"')),
    ]  # fmt: skip


def _loop(prefix: str) -> list[Panel]:
    view = f"{prefix}-events"
    changes: Columns = {TIME: lens.time()}
    for id, label, action in (
        ("retrained", "Retraining started", "retraining-started"),
        ("started", "Rollout started", "rollout-started"),
        ("promoted", "Promoted", "rollout-promoted"),
        ("back", "Rolled back", "rollout-rolledback"),
        ("aborted", "Aborted", "rollout-aborted"),
    ):
        changes[id] = lens.count(label, f'event.action : "{action}"')
    verdicts = {
        "outcome": lens.terms("event.outcome", "Outcome", by="y", size=3),
        TIME: lens.time(),
        "y": lens.count("Verdicts of gates"),
    }
    colours = {"promoted": GREEN, "back": RED, "aborted": AMBER}
    return [
        Panel("changes", "Retrainings and rollouts",
              "What the loop did by itself and what people asked for; why is in the list below.",
              24, 12, lens.plot(view, "bar_stacked", changes, colours=colours)),
        Panel("gates", "Verdicts of gates", "Candidates that failed were not registered.", 24, 12,
              lens.plot(view, "bar_stacked", verdicts, split="outcome",
                        query='event.action : "gate-judged"')),
    ]  # fmt: skip
