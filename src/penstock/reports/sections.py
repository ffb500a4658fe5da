"""The sections of the HTML report, each made from a story; empty where there is nothing to tell."""

from __future__ import annotations

from typing import Any

from penstock.domain.artifact import Artifact
from penstock.domain.run import StageOutcome, StageRun
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.reports import curves
from penstock.reports.intervals import drawable, interval
from penstock.reports.markup import chain, figure, pill, section, table, text
from penstock.reports.pipeline_graph import SAID, pipeline_graph
from penstock.reports.slices import by_slice
from penstock.reports.story import Story
from penstock.reports.timeline import timeline
from penstock.reports.words import (
    exact,
    moment,
    number,
    plural,
    quantity,
    seconds,
    sentence,
    signed,
    size,
)

_STAGE = {
    StageOutcome.FAILED: Outcome.FAILED,
    StageOutcome.BLOCKED: Outcome.INCONCLUSIVE,
    StageOutcome.CANCELLED: Outcome.INCONCLUSIVE,
}


def pipeline(story: Story) -> str:
    """How the candidate was made: graph and table of stages."""
    run = story.run
    counts = {
        name: sum(one.outcome == outcome for one in story.stages) for outcome, name in SAID.items()
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    took = f" in {seconds(run.finished - run.started)}" if run.finished else ""
    rows = [_stage(one) for one in story.stages if one.outcome is not StageOutcome.UNCHANGED]
    head = ("Stage", "Outcome", "Time", "Memory", "Why")
    graph = pipeline_graph(story.stages)
    return section(
        "How it was made",
        f"{plural(len(story.stages), 'stage')}{took}: {said}." if story.stages else "",
        f'<div class="scroll">{graph}</div>' if graph else "",
        table(head, rows, numbers="cd"),
        f"<p>{text(run.error)}</p>" if run.error else "",
    )


def _stage(one: StageRun) -> list[str]:
    said = _STAGE.get(one.outcome, Outcome.PASSED)
    memory = size(one.peak_memory) if one.peak_memory else ""
    why = text(one.error) if one.error else "<br>".join(text(reason) for reason in one.reasons)
    return [
        f"<b>{text(one.stage)}</b>",
        pill(said, SAID[one.outcome]),
        seconds(one.seconds) if one.seconds else "",
        memory,
        f'<span class="quiet">{why}</span>',
    ]


def gates(story: Story) -> str:
    """What the gates said, each with its interval against its threshold."""
    if not story.verdicts:
        return ""
    bad = sum(one.stops for one in story.verdicts)
    lead = (
        f"{plural(bad, 'gate')} of {len(story.verdicts)} stopped the candidate."
        if bad
        else f"All {len(story.verdicts)} gates let the candidate pass."
    )
    lead += (
        " Bars are confidence intervals; the dashed line is what the gate asks for, and the tinted "
        "side is where the interval has to be."
    )
    large = [one for one in story.verdicts if one.stops or any(map(drawable, one.evidence))]
    small = [
        [
            pill(one.outcome),
            f"<b>{text(one.name)}</b>",
            f'<span class="quiet">{text(one.words)}</span>',
        ]
        for one in story.verdicts
        if one not in large
    ]
    ordered = sorted(large, key=lambda one: not one.stops)
    return section(
        "Gates", lead, *[_gate(one) for one in ordered], table(("Also asked", "", ""), small)
    )


def _gate(one: Verdict) -> str:
    drawn = [interval(e, one.outcome) for e in one.evidence if drawable(e)]
    hint = f'<p class="hint">{text(one.hint)}</p>' if one.hint else ""
    kind = text(one.kind) + (f" · {seconds(one.seconds)}" if one.seconds else "")
    plain = "" if drawn else " plain"
    return (
        f'<div class="gate{plain}"><div>{pill(one.outcome)} <small class="quiet">{kind}</small>'
        f'<p class="what">{text(one.name)}</p><p class="why">{text(one.words)}</p>{hint}</div>'
        f'<div class="pictures">{"".join(drawn)}</div></div>'
    )


def quality(story: Story) -> str:
    """Metrics and curves of candidate and champion."""
    drawn = [
        figure("ROC curve", curves.roc(story.curves)),
        figure("Calibration", curves.calibration(story.curves)),
        figure("Confusion of the candidate", curves.confusion(story.curves)),
        figure("Errors of the candidate", curves.residuals(story.curves)),
    ]
    slices = [figure(caption, drawing) for caption, drawing in by_slice(story.verdicts)]
    plots = "".join(drawn)
    key = ""
    if plots:
        other = f"champion, version {story.against}" if story.against else ""
        key = '<div class="key"><span><i class="candidate"></i>candidate</span>' + (
            f"<span><i></i>{text(other)}</span></div>" if other else "</div>"
        )
    metrics = story.candidate.metrics if story.candidate else {}
    rows = [(f"<code>{text(name)}</code>", number(value, 5)) for name, value in metrics.items()]
    return section(
        "Quality on held-out data",
        "What the candidate does on rows that it has not learned from"
        + (", and the champion on the same rows." if story.against else "."),
        f'<div class="plots">{plots}</div>' if plots else "",
        key,
        f'<div class="plots">{"".join(slices)}</div>' if slices else "",
        comparison(story),
        f"<h3>Metrics that the pipeline wrote</h3>{table(('Metric', 'Value'), rows, numbers='b')}"
        if rows
        else "",
    )


def comparison(story: Story) -> str:
    """Return the numbers behind the gates as a table."""
    rows = [
        _measured(e)
        for one in story.verdicts
        for e in one.evidence
        if e.value is not None and (one.kind == "condition" or e.low is not None)
    ]
    head = ("Measured by the gates", "Value", "Interval", "Asked for", "Rows", "Method")
    return table(head, rows, numbers="bcde")


def _measured(e: Evidence) -> list[str]:
    low, high = quantity(e.low, e.unit), quantity(e.high, e.unit)
    known = e.low is not None or e.high is not None
    value = signed(e.value or 0.0) if " - " in e.name else quantity(e.value, e.unit)
    return [
        f"<code>{text(e.name)}</code>",
        value,
        f"{low} … {high}" if known else "",
        text(f"{e.comparison} {exact(e.threshold, e.unit)}") if e.threshold is not None else "",
        number(e.n) if e.n is not None else "",
        f'<span class="quiet">{text(e.method)}</span>',
    ]


def rollout(story: Story) -> str:
    """How the version met live traffic: timeline, and the verdict of each rule."""
    if story.rollout is None:
        return ""
    found = story.rollout
    champion = (found.get("champion") or {}).get("version")
    lead = f"Rollout {found['id']}: " + (
        f"version {found['challenger']['version']} against version {champion}. "
        if champion
        else f"version {found['challenger']['version']}, the first one: all traffic at once. "
    )
    said = str(found.get("reason") or found.get("words") or "")
    rows = [
        [
            f"<b>{text(one.name)}</b>",
            _live(one),
            f'<span class="quiet">{text(one.words)}</span>',
        ]
        for one in (Verdict.from_dict(item) for item in found.get("verdicts") or ())
    ]
    drawn = timeline(found, story.events)
    return section(
        "Live traffic",
        lead + sentence(said),
        f'<div class="scroll">{drawn}</div>' if drawn else "",
        table(("Rule", "Verdict", "Evidence"), rows),
    )


def _live(one: Verdict) -> str:
    """An analysis that accuses nobody, and acquits nobody yet, is no reason to worry."""
    if one.outcome is Outcome.INCONCLUSIVE:
        return '<span class="pill">no alarm</span>'
    return pill(one.outcome)


def tests(story: Story) -> str:
    """Tests that ran around the stages."""
    rows = [
        [
            f"<b>{text(stage)}</b>",
            pill(one.outcome),
            text(one.name),
            f'<span class="quiet">{text(one.words)}</span>',
        ]
        for stage, one in story.tests
    ]
    lead = "Run before a stage may start, or after it, before anything may use what it made."
    return section("Tests of the stages", lead, table(("Stage", "Verdict", "Test", ""), rows))


def lineage(story: Story) -> str:
    """From the commit to what serves, by digest."""
    run, revision = story.run, story.run.revision
    dirty = " with changes that no commit holds" if revision.dirty else ""
    items = [
        (
            "commit",
            f"<code>{text(revision.commit[:10])}</code> {text(revision.subject)}",
            text(f"on {revision.branch or 'no branch'}{dirty}"),
        ),
        (
            "data",
            _digest(run.lock_sha256),
            "sha256 of dvc.lock: code, data, parameters and outputs together"
            if run.lock_sha256
            else "",
        ),
        ("run", f"<code>{text(run.id)}</code>", text(moment(run.started))),
    ]
    if story.candidate:
        items.append(("model", _digest(story.candidate.digest), "content of the model's files"))
    if story.version:
        name = f"<b>{text(story.version.model)} version {story.version.version}</b>"
        created = moment(story.version.created) if story.version.created else ""
        items.append(("version", name, text(created)))
    environment = _environment(story)
    if environment:
        items.append(("environment", _digest(environment), "locked packages that it runs with"))
    return section("Where it comes from", "", chain(items), _inputs(story), _parameters(story))


def _digest(value: str) -> str:
    return f'<code title="{text(value)}">{text(value[:16])}</code>' if value else ""


def _environment(story: Story) -> str:
    served = ((story.rollout or {}).get("challenger") or {}).get("environment")
    return str(served or story.run.environment or "")


def _inputs(story: Story) -> str:
    """List what the pipeline read and did not make itself."""
    made = {out.path for one in story.run.stages for out in one.outs}
    read: dict[str, Artifact] = {
        dep.path: dep for one in story.run.stages for dep in one.deps if dep.path not in made
    }
    rows = [
        [f"<code>{text(path)}</code>", size(one.size), _digest(one.md5)]
        for path, one in sorted(read.items())
    ]
    inside = table(("Read by the pipeline", "Size", "md5"), rows, numbers="b")
    return (
        f"<details><summary>{plural(len(rows), 'input')}</summary>{inside}</details>"
        if rows
        else ""
    )


def _parameters(story: Story) -> str:
    params = story.candidate.params if story.candidate else {}
    rows = [[f"<code>{text(name)}</code>", text(value)] for name, value in params.items()]
    inside = table(("Parameter", "Value"), rows)
    return (
        f"<details><summary>{plural(len(rows), 'parameter')}</summary>{inside}</details>"
        if rows
        else ""
    )


def history(story: Story) -> str:
    """What happened, in order."""
    rows = [
        [
            f'<span class="quiet">{text(moment(event.time)[11:19])}</span>',
            f"<b>{text(event.type.value)}</b>",
            f'<span class="quiet">{text(_about(event.data))}</span>',
            text(event.actor),
        ]
        for event in story.events
        if event.type.value not in ("stage.finished", "gate.judged", "candidate.made")
    ]
    return section("What happened", "", table(("UTC", "Event", "", "By"), rows))


def _about(data: dict[str, Any]) -> str:
    for name in ("words", "reason", "why", "outcome", "commit"):
        if data.get(name):
            return str(data[name])
    if "version" in data:
        return f"version {data['version']}"
    return f"{data['weight']:g} % of the traffic" if data.get("weight") else ""
