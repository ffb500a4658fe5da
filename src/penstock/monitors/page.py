"""The report of the monitors as one HTML file, for people who do not read statistics."""

from __future__ import annotations

import html
import time

from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import StateError
from penstock.monitors.drawing import MOST, bars, course
from penstock.monitors.quality import ASSUMPTION
from penstock.monitors.reference import Feature, Reference
from penstock.monitors.state import WatchState
from penstock.monitors.watch import Watcher

MOST_PICTURES = 40
"""Features that are drawn; the others are in the table."""
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
_CSS = """
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:.3rem 0 1.4rem}
dt{color:var(--soft)}dd{margin:0}.course .beside{fill:none;stroke:currentColor;opacity:.45}
.bars .was{fill:currentColor;opacity:.28}.bars .is{fill:#0a7ea4}.alarm .bars .is{fill:#c43e1c}
.course .line{fill:none;stroke:#0a7ea4;stroke-width:2}.course .limit{stroke:#c43e1c;
stroke-dasharray:5 4;stroke-width:1.5}.course .bad{fill:#c43e1c}.course .good{fill:#0a7ea4}
.features{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:1rem}
.features figure{margin:0}.tick,.label{font-size:11px;fill:currentColor}
.axis,.grid{stroke:currentColor;opacity:.2}svg{max-width:100%;height:auto}
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
        count = len(state.alerts)
        fine = "All is well" if state.judged else "No traffic is judged yet"
        said = fine if not count else f"{count} alert{'s' if count > 1 else ''} open"
        sub = f"Version {state.version}, champion since {_when(state.began)}. "
        sub += f"{state.judged:,} window{'' if state.judged == 1 else 's'} of traffic judged."
        if reference is not None:
            sub += f" Compared with {reference.rows:,} rows of {reference.source}"
            sub += "." if reference.calibrated else "; too few rows to know how much is normal."
    name, meaning = html.escape(model), html.escape(_meaning(state))
    return (
        f'<header><div class="over">{name} in production</div><h1>{said}</h1>'
        f"<p><b>{meaning}</b></p><p>{html.escape(sub)}</p></header>"
    )


def _alerts(state: WatchState) -> str:
    items = []
    for one in state.open_alerts().values():
        rows = [("Since", _when(one.since)), ("How much", one.amount)]
        rows.append(("Likely cause", one.cause))
        rows.append(("What to do", one.command))
        told = "".join(
            f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>" for name, value in rows if value
        )
        items.append(f"<h3>{_pill(Outcome.FAILED, one.severity)} "
                     f"{html.escape(one.what)}</h3><dl>{told}</dl>")  # fmt: skip
    return _section("Alerts", "".join(items))


def _meaning(state: WatchState) -> str:
    """Say in plain words what the open alerts mean."""
    kinds = {key.partition(":")[0] for key in state.alerts}
    said = [words for kind, words in _MEANINGS.items() if kind in kinds]
    if not said and state.judged:
        said = ["Requests look like the data that the model learnt from; nothing is to be done."]
    return " ".join(said)


def _monitors(state: WatchState) -> str:
    rows = [
        f"<tr><td>{_pill(one.outcome)}</td><td>{html.escape(one.name)}</td>"
        f"<td>{html.escape(one.words)}</td></tr>"
        for one in state.said()
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
    figures: list[str] = []
    rows: list[str] = []
    for verdict in verdicts:
        evidence = verdict.evidence[0]
        feature, counts = features.get(evidence.name), state.last.get(evidence.name)
        name = html.escape(evidence.name)
        words = html.escape(_plain(verdict))
        rows.append(
            f"<tr><td>{_pill(verdict.outcome)}</td><td>{name}</td>"
            f'<td class="num">{evidence.details["exceedance"]:.2f}</td>'
            f"<td>{words}</td></tr>"
        )
        if feature is not None and counts and len(figures) < MOST_PICTURES:
            past = _history(state, evidence.name)
            kind = ' class="alarm"' if verdict.outcome is Outcome.FAILED else ""
            figures.append(
                f"<figure{kind}><figcaption><b>{name}</b> {words}"
                f"</figcaption>{bars(feature, counts)}{past}</figure>"
            )
    head = '<tr><th></th><th>Feature</th><th class="num">Exceedance</th><th></th></tr>'
    source = html.escape(reference.source)
    lead = f"<p>Grey is the {source}, colour the last window of live traffic.</p>"
    table = f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'
    pictures = f'<div class="features">{"".join(figures)}</div>'
    return _section("Features", lead + pictures + table)


def _history(state: WatchState, name: str) -> str:
    points = [(one["until"], one["exceedance"].get(name, 0.0)) for one in state.windows[-50:]]
    if len(points) < 2 or not any(value for _, value in points):
        return ""
    return course(points, limit=1.0, title=f"Exceedance of {name} over time", height=90.0)


def _plain(verdict: Verdict) -> str:
    """Say without statistics how a feature drifted."""
    details = verdict.evidence[0].details
    if verdict.outcome is not Outcome.FAILED:
        return verdict.words
    moved = details["shift"]
    way = "other values than before"
    if abs(moved) >= 0.05:
        way = f"{'greater' if moved > 0 else 'smaller'} than before, by {abs(moved):.2f} sd"
    return f"{way}; {details['exceedance']:.1f} times what is tolerated"


def _feature_of(verdict: Verdict) -> bool:
    return bool(verdict.evidence) and "exceedance" in verdict.evidence[0].details


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _pill(outcome: Outcome, said: str = "") -> str:
    return f'<span class="pill {outcome.value}">{html.escape(said or _SAID[outcome])}</span>'


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
