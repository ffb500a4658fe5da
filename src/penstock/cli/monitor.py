"""`penstock monitor`: how the champion does in production, and configuration for other monitors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import PORT, common, web
from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import ExitCode, StateError

_SIGNS = {
    Outcome.PASSED: ("ok", "green"),
    Outcome.INCONCLUSIVE: ("open", "yellow"),
    Outcome.FAILED: ("ALARM", "red"),
    Outcome.ERROR: ("error", "red"),
}


@click.group()
def monitor() -> None:
    """Watch the champion: drift, quality, data, age.

    Live traffic is compared with the data that the champion was trained on, window by window, and
    its answers with labels as they arrive at /feedback. `penstock watch` looks by itself; these
    commands take a look now.

    \b
    Examples:
      penstock monitor status
      penstock monitor drift
      penstock monitor report --open
      penstock monitor export prometheus -o ops/prometheus
    """


@monitor.command()
@common
def status(project: Path) -> int:
    """Take a look, and show what every monitor says and which alerts are open.

    \b
    Examples:
      penstock monitor status
      penstock monitor status --json | jq '.alerts[].what'

    Ends with 0 when nothing is wrong, 1 when an alert is open.
    """
    state, verdicts, reference = _look(project)
    overall = [one for one in verdicts if not one.name.startswith("drift of ")]
    alerts = list(state.alerts.values())
    answer = {
        "version": state.version,
        "windows": state.judged,
        "reference": reference,
        "alerts": alerts,
        "untold": len(state.outbox),
        "verdicts": [one.to_dict() for one in overall],
    }
    output.emit(answer, lambda: _tell_status(state, overall, reference))
    return ExitCode.NO if alerts else ExitCode.DONE


@monitor.command()
@click.option("--all", "every", is_flag=True, help="Also features without a difference.")
@click.option("--culprits", is_flag=True, help="Train a classifier that tells both apart.")
@common
def drift(project: Path, every: bool, culprits: bool) -> int:
    """Take a look, and show each feature of the last window beside the training data.

    EXCEEDANCE is how many times the effect is what is tolerated; above 1 it is an alarm. INDEX is
    the population stability index less what chance would give, SHIFT in standard deviations.

    \b
    Examples:
      penstock monitor drift
      penstock monitor drift --all --json
      penstock monitor drift --culprits    which features, also together, give live rows away

    Ends with 0 when nothing drifted, 1 when something did.
    """
    state, verdicts, reference = _look(project)
    found = [one for one in verdicts if one.kind == "drift"]
    features = [one for one in found if one.name.startswith("drift of ") and one.evidence]
    features = [one for one in features if one.evidence[0].method.startswith("corrected")]
    shown = [one for one in features if every or one.evidence[0].details["exceedance"] > 0]
    answer = {
        "version": state.version,
        "reference": reference,
        "window": state.windows[-1] if state.windows else None,
        "verdicts": [one.to_dict() for one in found],
    }
    if culprits:
        answer["culprits"] = _culprits(project)
    output.emit(answer, lambda: _tell_drift(state, found, shown, features, answer.get("culprits")))
    return ExitCode.NO if any(one.outcome is Outcome.FAILED for one in found) else ExitCode.DONE


@monitor.command()
@common
def quality(project: Path) -> int:
    """Take a look, and show the realised loss beside the one estimated without labels.

    \b
    Examples:
      penstock monitor quality
      penstock monitor quality --json

    Ends with 0 when quality has not declined, 1 when it has.
    """
    state, verdicts, _ = _look(project)
    found = [one for one in verdicts if one.kind == "quality"]
    history = state.quality.get("history", [])
    answer = {
        "version": state.version,
        "verdicts": [one.to_dict() for one in found],
        "history": [
            {"until": one[0], "rows": one[1], "value": one[2], "expected": _expected(one)}
            for one in history
        ],
    }
    output.emit(answer, lambda: _tell_quality(found, history))
    return ExitCode.NO if any(one.outcome is Outcome.FAILED for one in found) else ExitCode.DONE


@monitor.command()
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False), help="File to write.")
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
@common
def report(project: Path, target: str | None, show: bool) -> None:
    """Take a look, and write a page: features beside training data, effects and loss over time.

    \b
    Examples:
      penstock monitor report --open
      penstock monitor report -o drift.html
    """
    from penstock.assembly import Project
    from penstock.cli.report import _write
    from penstock.monitors.page import page
    from penstock.reports.theme import style

    with Project.open(project) as opened:
        watcher = _watcher(opened)
        watcher.look()
        text = page(watcher, css=style(), now=time.time())
    path = Path(target) if target else project / ".penstock" / "reports" / "monitor.html"
    _write(path, text)
    output.emit({"path": str(path)}, str(path))
    if show:
        click.launch(path.resolve().as_uri())


@monitor.command()
@click.argument(
    "kind",
    type=click.Choice(
        ["prometheus", "alertmanager", "grafana", "filebeat", "logstash", "kibana", "elasticsearch"]
    ),
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory to write to [monitoring/KIND].",
)
@click.option("--url", metavar="URL", callback=web, help="Where penstock's webhooks are reached.")
@common
def export(project: Path, kind: str, folder: Path | None, url: str | None) -> None:
    """Write configuration for a team's own monitoring.

    Files that are there already are replaced. What stands in them are names that penstock really
    uses: of its metrics, labels, log fields and paths.

    \b
    Examples:
      penstock monitor export prometheus
      penstock monitor export alertmanager --url https://penstock.example.org
      penstock monitor export grafana -o ops/grafana
    """
    from penstock.assembly import Project
    from penstock.cli.report import _write
    from penstock.monitors.exports import files

    with Project.open(project) as opened:
        made = files(kind, opened.root, opened.settings, url=url)
    place = folder or project / "monitoring" / kind
    for name, text in made.items():
        _write(place / name, text)
    paths = [str(place / name) for name in made]
    output.emit({"kind": kind, "files": paths}, "\n".join(paths))


@monitor.command()
@click.option("--follow", "-f", is_flag=True, help="Go on until stopped.")
@common
def logs(project: Path, follow: bool) -> None:
    """Write predictions and events as lines in the Elastic Common Schema, for a shipper.

    Appends what is new to predictions.ndjson and events.ndjson in .penstock/logs. May be stopped
    at any time: the next call carries on. Penstock's own processes log by themselves.

    \b
    Examples:
      penstock monitor logs
      penstock monitor logs --follow
    """
    from penstock.assembly import Project
    from penstock.monitors.shipping import EVENTS, PREDICTIONS, ship, ship_events
    from penstock.monitors.traffic import settling
    from penstock.observations import Observations

    folder = project / ".penstock" / "logs"
    path, story = folder / PREDICTIONS, folder / EVENTS
    with Project.open(project) as opened:
        log = Observations(opened.root / ".penstock" / "observations")
        while True:
            until = time.time() - settling(opened.settings)
            count = ship(log, opened.journal, opened.model, path, until=until)
            told = ship_events(opened.journal, opened.model, story)
            if not follow:
                break
            time.sleep(5.0)
    said = f"{count:,} predictions added to {path}\n{told:,} events added to {story}"
    files = {"path": str(path), "rows": count, "events": {"path": str(story), "rows": told}}
    output.emit(files, said)


@monitor.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9464, show_default=True, type=PORT, help="Port; 0: a free one.")
@common
def metrics(project: Path, host: str, port: int) -> None:
    """Serve findings and retrainings to Prometheus, until it is stopped.

    What is counted per request is at the gateway's own /metrics.

    \b
    Examples:
      penstock monitor metrics
      penstock monitor metrics --host 0.0.0.0 --port 9464
    """
    from penstock.config import load_settings
    from penstock.monitors.metrics import MetricsServer
    from penstock.retraining.metrics import families

    model = load_settings(project).model.name
    journal = project / ".penstock" / "journal.db"
    server = MetricsServer(journal, model, host=host, port=port, more=families).start()
    output.emit({"url": server.url}, server.url)
    try:
        server.wait()
    finally:
        server.stop()


def _watcher(opened: Any) -> Any:
    from penstock.monitors import Watcher, unknown

    unknown.refuse(opened.root, opened.settings, opened.journal)
    return Watcher(opened.root, opened.settings, opened.journal)


def _culprits(project: Path) -> dict[str, Any]:
    """Let a classifier tell the last window from the training data."""
    from penstock.assembly import Project

    with Project.open(project) as opened:
        found = _watcher(opened).culprits()
    if found is None:
        raise StateError(
            "no window is complete yet",
            code="monitor.no-window",
            hint="send more requests, or make monitor.window smaller",
        )
    return {
        "auc": found.auc,
        "normal": found.normal,
        "drifted": found.drifted,
        "shares": found.shares,
    }


def _look(project: Path) -> tuple[Any, tuple[Verdict, ...], dict[str, Any] | None]:
    """Take a look; return state, verdicts, and what is known of the reference."""
    from penstock.assembly import Project
    from penstock.monitors.origin import without_rows

    with Project.open(project) as opened:
        watcher = _watcher(opened)
        verdicts = watcher.look()
        state, reference = watcher.state(), None
        if state.version:
            try:
                reference = without_rows(watcher.reference(state.version))
            except StateError:
                reference = None  # a verdict says why
    return state, verdicts, reference


def _tell_status(state: Any, verdicts: list[Verdict], reference: dict[str, Any] | None) -> None:
    if state.version:
        click.echo(f"version {state.version}, champion since {_when(state.began)}")
        windows = "window" if state.judged == 1 else "windows"
        click.echo(f"{state.judged:,} {windows} judged; {_said(reference)}")
    for one in verdicts:
        word, colour = _SIGNS[one.outcome]
        click.echo(f"{click.style(word.rjust(5), fg=colour)}  {one.name}: {one.words}")
    for alert in state.open_alerts().values():
        click.echo(f"\n{click.style('alert', fg='red', bold=True)} {alert.what}")
        click.echo(f"  since {_when(alert.since)}, {alert.severity}")
        about = (("how much", alert.amount), ("likely cause", alert.cause),
                 ("what to do", alert.command))  # fmt: skip
        for name, words in about:
            if words:
                click.echo(f"  {name}: {words}")
    if state.outbox:
        output.warn(
            f"{len(state.outbox)} alerts could not be told yet",
            "are monitor.notify's addresses right?",
        )


def _tell_drift(
    state: Any,
    found: list[Verdict],
    shown: list[Verdict],
    features: list[Verdict],
    culprits: dict[str, Any] | None,
) -> None:
    for one in found:
        if one not in features:
            word, colour = _SIGNS[one.outcome]
            click.echo(f"{click.style(word.rjust(5), fg=colour)}  {one.name}: {one.words}")
    rows = []
    for one in shown:
        evidence = one.evidence[0]
        details = evidence.details
        rows.append(
            [
                evidence.name,
                f"{details['exceedance']:.2f}",
                f"{evidence.value or 0.0:.4f}",
                f"{details['shift']:+.2f}",
                f"{details['adjusted']:.1e}",
                "-" if details["wasserstein"] is None else f"{details['wasserstein']:.3f}",
                f"{details['jensen_shannon']:.3f}",
                f"{max(details['design_effect']):.1f}",
            ]
        )
    if rows:
        head = ["feature", "exceedance", "index", "shift", "p", "W1", "JS", "design effect"]
        click.echo("\n" + output.table(head, rows, right="bcdefgh"))
    elif not state.judged:
        click.echo("no window is complete yet")
    if culprits is not None:
        able = "can" if culprits["drifted"] else "cannot"
        click.echo(
            f"\na classifier {able} tell live rows from training rows: AUC {culprits['auc']:.3f}, "
            f"{culprits['normal']:.3f} at most among training rows"
        )
        for name, share in list(culprits["shares"].items())[:10]:
            click.echo(f"  {share:6.1%}  {name}")


def _tell_quality(found: list[Verdict], history: list[list[float]]) -> None:
    if not found:
        click.echo("no labels have arrived yet; send them to /feedback")
    for one in found:
        word, colour = _SIGNS[one.outcome]
        click.echo(f"{click.style(word.rjust(5), fg=colour)}  {one.name}: {one.words}")
    if history:
        rows = []
        for batch in history[-20:]:
            foreseen = _expected(batch)
            said = "-" if foreseen is None else f"{foreseen:.4g}"
            rows.append([_when(batch[0]), f"{batch[1]:,}", f"{batch[2]:.4g}", said])
        head = ["labels until", "rows", "loss", "expected without labels"]
        click.echo("\n" + output.table(head, rows, right="bcd"))


def _expected(batch: list[Any]) -> float | None:
    """Return the loss that was to be expected of a batch of labelled rows."""
    return batch[6] if len(batch) > 6 else None


def _said(reference: dict[str, Any] | None) -> str:
    if reference is None:
        return "no reference"
    sure = "calibrated" if reference["calibrated"] else "not calibrated: too few rows"
    return f"reference: {reference['rows']:,} rows of {reference['source']}, {sure}"


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
