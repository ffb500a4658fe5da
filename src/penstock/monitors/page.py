"""The report of the monitors as one HTML file, for people who do not read statistics."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Sequence

from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import StateError
from penstock.monitors.alerts import SEVERITIES
from penstock.monitors.drawing import MOST, bars, course
from penstock.monitors.quality import ASSUMPTION
from penstock.monitors.reference import Feature, Reference
from penstock.monitors.state import WatchState
from penstock.monitors.watch import Watcher

MOST_PICTURES = 40
"""Features that are drawn; the others are in the table."""
VISIBLE = 0.1
"""Share of the rows that would have to move to another bar, from which pictures look different."""
_SAID = {
    Outcome.PASSED: "good",
    Outcome.INCONCLUSIVE: "open",
    Outcome.FAILED: "alarm",
    Outcome.ERROR: "error",
}
_MEANINGS = {
    "drift": "Requests no longer look like the data that the model learnt from.",
    "quality": "The model is wrong more often than what was agreed.",
    "data": "Some of the data that callers send is not as it should be.",
    "skew": "The model gets other inputs in production than in training.",
    "stale": "The model is older than was agreed.",
}
_ACTIONS = {
    "quality": "Train anew with recent data (<code>penstock retrain</code>), or take back the "
    "version before (<code>penstock rollback</code>).",
    "data": "Ask who sends the data what has changed: the alerts below name the columns.",
    "drift": "Look below at what has changed. If the world has, train anew "
    "(<code>penstock retrain</code>); if the data is wrong, have it put right first.",
    "skew": "Let whoever built the model compare how its inputs are made in training and in "
    "production.",
    "stale": "Train anew: <code>penstock retrain</code>.",
}
"""What to do about an alert, the most urgent first."""
_MUCH = ((0.8, "much"), (0.3, "clearly"))
"""Standard deviations of a shift -> how a person would put it."""
_SELF = "penstock monitor report --open"
"""A command that leads to this page; whoever reads it needs no such advice."""
_URGENT = (Outcome.FAILED, Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.PASSED)
_PILLS = {"severe": Outcome.FAILED, "warning": Outcome.INCONCLUSIVE}
_CSS = """
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:.3rem 0 1.4rem}
dt{color:var(--soft)}dd{margin:0}.course .beside{fill:none;stroke:currentColor;opacity:.45}
.bars .was{fill:currentColor;opacity:.28}.bars .is{fill:#0a7ea4}.alarm .bars .is{fill:#c43e1c}
.course .line{fill:none;stroke:#0a7ea4;stroke-width:2}.course .limit{stroke:#c43e1c;
stroke-dasharray:5 4;stroke-width:1.5}.course .bad{fill:#c43e1c}.course .good{fill:#0a7ea4}
.features{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:1rem}
.features figure{margin:0}.features svg{width:100%}.tick,.label{font-size:11px;fill:currentColor}
.axis,.grid{stroke:currentColor;opacity:.2}svg{max-width:100%;height:auto}
header .means{color:var(--ink);font-size:17px;font-weight:600;margin-bottom:.5rem}
header .todo{margin:0 0 .8rem;padding-left:1.2rem;max-width:74ch}
details{margin-top:1.4rem}summary{cursor:pointer;color:var(--soft);margin-bottom:.8rem}
"""


def page(watcher: Watcher, *, css: str, now: float) -> str:
    """Return the report.

    Args:
        watcher: of the project; it takes no look.
        css: style sheet of the house.
        now: seconds since the epoch.
    """
    state = watcher.state()
    reference: Reference | None = None
    if state.version:
        try:
            reference = watcher.reference(state.version)
        except StateError:
            reference = None  # the verdicts say why
    parts = [
        _head(watcher.model, state, reference),
        _alerts(state),
        _monitors(state),
        _over_time(state),
        _quality(state),
        _features(state, reference),
    ]
    title = html.escape(f"{watcher.model} in production")
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(now))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{css}{_CSS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(one for one in parts if one)
        + f"\n<footer>Written by penstock on {written}. This file needs nothing else."
        "</footer>\n</main>\n</body>\n</html>\n"
    )


def _head(model: str, state: WatchState, reference: Reference | None) -> str:
    if not state.version:
        said, sub = "Nothing is in production yet", "Deploy a version: penstock run --deploy"
    else:
        said = _headline(state)
        sub = f"Version {state.version}, champion since {_when(state.began)}. "
        sub += f"{state.judged:,} window{'' if state.judged == 1 else 's'} of traffic judged."
        if reference is not None:
            sub += f" Compared with {reference.rows:,} rows of {reference.source}"
            sub += "." if reference.calibrated else "; too few rows to know how much is normal."
    meaning = html.escape(_meaning(state))
    means = f'<p class="means">{meaning}</p>' if meaning else ""
    return (
        f'<header><div class="over">{html.escape(model)} in production</div><h1>{said}</h1>'
        f"{means}{_todo(state)}<p>{html.escape(sub)}</p></header>"
    )


def _headline(state: WatchState) -> str:
    alerts = state.open_alerts().values()
    if not alerts:
        return "All is well" if state.judged else "No traffic is judged yet"
    severe = sum(one.severity == "severe" for one in alerts)
    said = f"{len(alerts)} alert{'s' if len(alerts) > 1 else ''} open"
    return f"{said}, {severe} severe" if severe else said


def _todo(state: WatchState) -> str:
    kinds = _kinds(state)
    items = "".join(f"<li>{words}</li>" for kind, words in _ACTIONS.items() if kind in kinds)
    return f'<ul class="todo">{items}</ul>' if items else ""


def _kinds(state: WatchState) -> set[str]:
    return {key.partition(":")[0] for key in state.alerts}


def _alerts(state: WatchState) -> str:
    alerts = sorted(
        state.open_alerts().values(), key=lambda one: (-SEVERITIES.index(one.severity), one.since)
    )
    items = []
    for one in alerts:
        rows = [("Since", _when(one.since)), ("How much", one.amount)]
        rows.append(("Likely cause", one.cause))
        rows.append(("What to do", _without_self(one.command)))
        told = "".join(
            f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>" for name, value in rows if value
        )
        pill = _pill(_PILLS.get(one.severity, Outcome.PASSED), one.severity)
        items.append(f"<h3>{pill} {html.escape(one.what)}</h3><dl>{told}</dl>")
    return _section("Alerts", "".join(items))


def _without_self(command: str) -> str:
    """Return what is left of an advice once this page is open.

    >>> _without_self("penstock monitor report --open; then penstock retrain")
    'penstock retrain'
    """
    return command.removeprefix(_SELF).removeprefix("; then ")


def _meaning(state: WatchState) -> str:
    """Say in plain words what the open alerts mean."""
    kinds = _kinds(state)
    said = [words for kind, words in _MEANINGS.items() if kind in kinds]
    if not said and state.judged:
        said = ["Requests look like the data that the model learnt from; nothing is to be done."]
    return " ".join(said)


def _monitors(state: WatchState) -> str:
    rows = [
        f"<tr><td>{_pill(one.outcome)}</td><td>{html.escape(one.name)}</td>"
        f"<td>{html.escape(one.words)}</td></tr>"
        for one in sorted(state.said(), key=lambda one: _URGENT.index(one.outcome))
        if not _feature_of(one)
    ]
    table = f'<div class="scroll"><table>{"".join(rows)}</table></div>' if rows else ""
    return _section("What the monitors say", table)


def _over_time(state: WatchState) -> str:
    if len(state.windows) < 2:
        return ""
    points = [(one["until"], max(one["exceedance"].values(), default=0.0)) for one in state.windows]
    drawing = course(points, limit=1.0, title="Greatest exceedance of each window")
    lead = "<p>How many times the strongest drift is what is tolerated, window by window. "
    lead += f"Above the dashed line is an alarm; more than {MOST:g} times is drawn at the top.</p>"
    return _section("Drift over time", lead + drawing)


def _quality(state: WatchState) -> str:
    history = state.quality.get("history", [])
    if len(history) < 2:
        return ""
    points = [(one[5] if len(one) > 5 else one[0], one[2]) for one in history]
    process = state.quality.get("process")
    limit = process["tolerated"] if process else None
    name = state.quality.get("loss", "loss")
    guessed = state.quality.get("estimates", [])
    drawing = course(
        points, limit=limit, title=f"{name} of each batch of labels", beside=guessed
    )  # fmt: skip
    lead = f"{html.escape(name)} of labelled answers, at the time of their requests; smaller is "
    lead += "better. Above the dashed line is more than what is tolerated."
    if len(guessed) > 1:
        lead += f" The thin line is {html.escape(ASSUMPTION)}."
    said = [one for one in state.said("estimate") if one.evidence]
    if said and said[0].evidence[0].details.get("contradicted"):
        lead += "</p><p><b>Labels contradict the estimate: its assumption does not hold now.</b>"
    return _section("Quality over time", f"<p>{lead}</p>{drawing}")


def _features(state: WatchState, reference: Reference | None) -> str:
    verdicts = [one for one in state.said("drift") if _feature_of(one)]
    if reference is None or not verdicts:
        return ""
    features = dict(reference.features)
    if state.prediction is not None:
        features["prediction"] = Feature.from_dict(state.prediction)
    loud: list[str] = []
    calm: list[str] = []
    rows: list[str] = []
    for verdict in verdicts:
        evidence = verdict.evidence[0]
        feature, counts = features.get(evidence.name), state.last.get(evidence.name)
        name = html.escape(evidence.name)
        about = _faults(state, evidence.name)
        said = _plain(verdict, feature, counts, reference.source)
        words = html.escape(f"see the alert about {about}" if about and not _bad(verdict) else said)
        rows.append(
            f"<tr><td>{_pill(verdict.outcome)}</td><td>{name}</td>"
            f'<td class="num">{evidence.details["exceedance"]:.2f}</td>'
            f"<td>{words}</td></tr>"
        )
        if feature is not None and counts and len(loud) + len(calm) < MOST_PICTURES:
            bad = _bad(verdict) or bool(about)
            figure = '<figure class="alarm">' if bad else "<figure>"
            figure += f"<figcaption>{name}: {words}</figcaption>{bars(feature, counts)}"
            (loud if bad else calm).append(figure + _history(state, evidence.name) + "</figure>")
    head = '<tr><th></th><th>Feature</th><th class="num">Exceedance</th><th></th></tr>'
    source = html.escape(reference.source)
    lead = (
        f"<p>Grey is the {source}, colour the last window of live traffic. The line below is how "
    )
    lead += "many times the effect was what is tolerated, window by window; dashed is 1.</p>"
    if not loud:
        lead += "<p><b>Nothing is wrong with any feature.</b></p>"
    table = f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'
    folded = ""
    if calm:
        count = f"{len(calm)} feature{'' if len(calm) == 1 else 's'} with nothing wrong"
        folded = f"<details><summary>{count}</summary>{_grid(calm)}</details>"
    return _section("Features", lead + _grid(loud) + folded + table)


def _faults(state: WatchState, name: str) -> str:
    """Return what is wrong with the data of a feature, "" when nothing is."""
    alerts = state.open_alerts().items()
    found = [key for key, one in alerts if key.startswith("data: ") and name in one.subjects]
    return ", ".join(one.removeprefix("data: ") for one in found)


def _grid(figures: list[str]) -> str:
    return f'<div class="features">{"".join(figures)}</div>' if figures else ""


def _history(state: WatchState, name: str) -> str:
    points = [(one["until"], one["exceedance"].get(name, 0.0)) for one in state.windows[-50:]]
    if len(points) < 2 or not any(value for _, value in points):
        return ""
    return course(points, limit=1.0, title=f"Exceedance of {name} over time", height=90.0)


def _plain(
    verdict: Verdict, feature: Feature | None, counts: Sequence[int] | None, source: str
) -> str:
    """Say without statistics how a feature drifted."""
    details = verdict.evidence[0].details
    if not _bad(verdict):
        unlike = feature is not None and counts and _unlike(feature, counts)
        if unlike and verdict.outcome is Outcome.PASSED:
            return f"different, but no more than parts of the {source} are among themselves"
        return verdict.words
    moved = details["shift"]
    way = "other values than before"
    if abs(moved) >= 0.05:
        much = next((word for least, word in _MUCH if abs(moved) >= least), "slightly")
        way = f"{much} {'greater' if moved > 0 else 'smaller'} than before ({moved:+.2f} sd)"
    return f"{way}; {details['exceedance']:.1f} times what is tolerated"


def _unlike(feature: Feature, counts: Sequence[int]) -> bool:
    """Tell whether the pictures of both differ to the eye, by more than so few rows would."""
    was, now = max(int(feature.counts.sum()), 1), max(sum(counts), 1)
    pairs = [(int(a) / was, b / now) for a, b in zip(feature.counts, counts, strict=True) if a or b]
    apart = sum(abs(a - b) for a, b in pairs) / 2.0
    return apart > max(VISIBLE, 2.0 * math.sqrt(len(pairs) / (2.0 * math.pi * now)))


def _bad(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.FAILED


def _feature_of(verdict: Verdict) -> bool:
    return bool(verdict.evidence) and "exceedance" in verdict.evidence[0].details


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _pill(outcome: Outcome, said: str = "") -> str:
    return f'<span class="pill {outcome.value}">{html.escape(said or _SAID[outcome])}</span>'


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
