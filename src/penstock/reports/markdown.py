"""The report as Markdown, for comments on pull requests and for job summaries."""

from __future__ import annotations

import re
from pathlib import Path

from penstock.domain.run import StageOutcome
from penstock.domain.verdict import Outcome, Verdict
from penstock.journal import Journal
from penstock.reports.pipeline_graph import SAID
from penstock.reports.story import Story, gather
from penstock.reports.words import exact, moment, number, quantity, seconds

GITHUB_COMMENT = 65_536
"""Most characters of a comment on GitHub."""
GITLAB_NOTE = 1_000_000

_SIGNS = {
    Outcome.PASSED: "✅",
    Outcome.FAILED: "❌",
    Outcome.INCONCLUSIVE: "❔",
    Outcome.ERROR: "⚠️",
}
_ESCAPED = re.compile(r"([\\`*_{}\[\]<>|])")


def marker(pipeline: str) -> str:
    """Return the hidden comment by which a report is found again, to be edited in place."""
    return f"<!-- penstock:report:{pipeline.replace('-->', '')} -->"


def markdown(
    journal: Journal,
    root: Path,
    run_id: str | None = None,
    *,
    pipeline: str | None = None,
    limit: int = GITHUB_COMMENT,
    link: str | None = None,
) -> str:
    """Return the report of a run as Markdown.

    Args:
        journal: the project's journal.
        root: the project's directory.
        run_id: of the run, or the number of a model version; by default the newest run.
        pipeline: name in the hidden marker; by default the model's.
        limit: most characters; what does not fit is cut, section by section, with a note.
        link: address of the whole report, for the note and the last line.

    Raises:
        StateError: ``report.no-run`` when there is no such run.
    """
    story = gather(journal, root, run_id)
    head = f"{marker(pipeline or story.model)}\n{_head(story)}"
    parts = [_gates(story), _rollout(story), _metrics(story), _stages(story), _lineage(story)]
    return _fit(head, [one for one in parts if one], limit, link)


def _fit(head: str, parts: list[str], limit: int, link: str | None) -> str:
    ending = f"\n[The whole report]({link})\n" if link else ""
    cut = "\n_Cut short: the rest is in the whole report._\n"
    room = limit - len(ending) - len(cut)
    done = head[:room]
    for part in parts:
        if len(done) + len(part) + 1 > room:
            return done + cut + ending
        done += f"\n{part}"
    return done + ending


def _head(story: Story) -> str:
    revision = story.run.revision
    subject = f" “{_plain(revision.subject)}”" if revision.subject else ""
    title = f"### {_SIGNS[story.outcome]} {_plain(story.headline)}"
    return f"{title}\n\nRun `{story.run.id}` at `{revision.short}`{subject}\n"


def _gates(story: Story) -> str:
    if not story.verdicts:
        return ""
    rows = [_gate(one) for one in sorted(story.verdicts, key=lambda one: not one.stops)]
    head = "| | Gate | Value | Interval | Asked for |\n|---|---|--:|--:|--:|\n"
    stopped = [f"> {_plain(one.words)}\n" for one in story.verdicts if one.stops]
    return "".join(stopped) + ("\n" if stopped else "") + head + "".join(rows)


def _gate(one: Verdict) -> str:
    name = _plain(one.name)
    shown = next((e for e in one.evidence if e.value is not None), None)
    if shown is None:
        return f"| {_SIGNS[one.outcome]} | {name} | | | |\n"
    known = shown.low is not None or shown.high is not None
    low, high = quantity(shown.low, shown.unit), quantity(shown.high, shown.unit)
    asked = _plain(f"{shown.comparison} {exact(shown.threshold, shown.unit)}")
    cells = [
        quantity(shown.value, shown.unit),
        f"{low} … {high}" if known else "",
        asked if shown.threshold is not None else "",
    ]
    return f"| {_SIGNS[one.outcome]} | {name} | {' | '.join(cells)} |\n"


def _rollout(story: Story) -> str:
    if story.rollout is None:
        return ""
    found = story.rollout
    said = _plain(str(found.get("reason") or found.get("words") or ""))
    requests, errors = int(found.get("requests") or 0), int(found.get("errors") or 0)
    phase = _plain(str(found.get("phase", "")))
    return (
        f"**Rollout** {phase}: {said}. {number(requests)} requests of the challenger, "
        f"{number(errors)} failed.\n"
    )


def _metrics(story: Story) -> str:
    metrics = story.candidate.metrics if story.candidate else {}
    if not metrics:
        return ""
    rows = "".join(f"| `{name}` | {number(value, 5)} |\n" for name, value in metrics.items())
    return _folded(f"{len(metrics)} metrics", f"| Metric | Value |\n|---|--:|\n{rows}")


def _stages(story: Story) -> str:
    if not story.stages:
        return ""
    rows = "".join(
        f"| {_plain(one.stage)} | {SAID[one.outcome]} | "
        f"{seconds(one.seconds) if one.seconds else ''} | {_plain('; '.join(one.reasons))} |\n"
        for one in story.stages
    )
    ran = sum(one.outcome is StageOutcome.RAN for one in story.stages)
    return _folded(
        f"{ran} of {len(story.stages)} stages ran",
        f"| Stage | Outcome | Time | Why |\n|---|---|--:|---|\n{rows}",
    )


def _lineage(story: Story) -> str:
    run = story.run
    lines = [f"- commit `{run.revision.commit}`", f"- run `{run.id}`, {moment(run.started)}"]
    if run.lock_sha256:
        lines.append(f"- dvc.lock sha256 `{run.lock_sha256}`")
    if story.candidate:
        lines.append(f"- model `{story.candidate.digest}`")
    if story.version:
        lines.append(f"- {_plain(story.version.model)} version {story.version.version}")
    return _folded("Lineage", "\n".join(lines) + "\n")


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n</details>\n"


def _plain(value: str) -> str:
    """Escape what Markdown would take for markup; one line."""
    return _ESCAPED.sub(r"\\\1", " ".join(value.split()))
