"""The HTML report: one file for people, without scripts and without anything from elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

from penstock.domain.verdict import Outcome
from penstock.journal import Journal
from penstock.reports import sections
from penstock.reports.markup import pill, text, tile
from penstock.reports.story import Story, gather
from penstock.reports.theme import style
from penstock.reports.words import moment, number, plural, quantity, seconds, sentence

_WORDS = {
    Outcome.PASSED: "good",
    Outcome.FAILED: "stopped",
    Outcome.INCONCLUSIVE: "open",
    Outcome.ERROR: "error",
}


def html(journal: Journal, root: Path, run_id: str | None = None) -> str:
    """Return the report of a run as a page.

    Args:
        journal: the project's journal.
        root: the project's directory.
        run_id: of the run, or the number of a model version; by default the newest run.

    Raises:
        StateError: ``report.no-run`` when there is no such run.
    """
    return page(gather(journal, root, run_id))


def page(story: Story) -> str:
    """Return the report of a story as a page."""
    parts = [
        sections.gates(story),
        sections.rollout(story),
        sections.quality(story),
        sections.pipeline(story),
        sections.tests(story),
        sections.lineage(story),
        sections.history(story),
    ]
    title = text(f"{story.headline} · {story.run.id}")
    body = "\n".join(one for one in parts if one)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="penstock">\n'
        f"<title>{title}</title>\n<style>{style()}</style>\n</head>\n<body>\n<main>\n"
        f"{_head(story)}\n{body}\n"
        f"<footer>Written by penstock from its journal on {moment(time.time())}. "
        "This file needs nothing else.</footer>\n</main>\n</body>\n</html>\n"
    )


def _head(story: Story) -> str:
    revision = story.run.revision
    over = f"{text(story.model)} · run {text(story.run.id)} · {moment(story.run.started)}"
    subject = f"“{text(revision.subject)}” " if revision.subject else ""
    sign = pill(story.outcome, _WORDS[story.outcome])
    return (
        f'<header><div class="over">{sign} &nbsp;{over}</div>\n'
        f"<h1>{text(story.headline)}</h1>\n"
        f"<p>{subject}<code>{text(revision.short)}</code>. {text(_why(story))}</p>\n"
        f'<div class="tiles">{"".join(_tiles(story))}</div></header>'
    )


def _why(story: Story) -> str:
    """Say in a sentence what decided."""
    stopped = [one for one in story.verdicts if one.stops]
    if stopped:
        return sentence(stopped[0].words)
    if story.rollout is not None and story.rollout.get("reason"):
        return sentence(str(story.rollout["reason"]))
    if story.run.error:
        return sentence(story.run.error)
    return ""


def _tiles(story: Story) -> list[str]:
    tiles = []
    if story.verdicts:
        passed = sum(not one.stops for one in story.verdicts)
        outcome = Outcome.FAILED if story.refused else Outcome.PASSED
        tiles.append(tile("Gates", f"{passed} of {len(story.verdicts)}", "let it pass", outcome))
    tiles += _main_number(story)
    if story.rollout is not None:
        tiles.append(_live(story))
    ran = sum(one.outcome == "ran" for one in story.stages)
    if story.stages:
        took = seconds((story.run.finished or time.time()) - story.run.started)
        said = f"{ran} of {plural(len(story.stages), 'stage')} had to run"
        tiles.append(tile("Pipeline", took, said))
    return tiles


def _main_number(story: Story) -> list[str]:
    """Show the first number that a condition rests on."""
    for one in story.verdicts:
        for e in one.evidence:
            if one.kind == "condition" and e.value is not None:
                low, high = quantity(e.low, e.unit), quantity(e.high, e.unit)
                known = e.low is not None and e.high is not None
                said = f"between {low} and {high}" if known else one.words
                name = e.name.removeprefix("candidate.")
                return [tile(name, quantity(e.value, e.unit), said, one.outcome)]
    return []


def _live(story: Story) -> str:
    assert story.rollout is not None
    found = story.rollout
    phase = str(found.get("phase", ""))
    good = phase in ("promoted", "probation")
    bad = phase in ("rolled-back", "rolling-back", "aborted")
    outcome = Outcome.PASSED if good else Outcome.FAILED if bad else Outcome.INCONCLUSIVE
    word = "promoted" if good else phase.replace("-", " ")
    requests, errors = int(found.get("requests") or 0), int(found.get("errors") or 0)
    said = f"{number(requests)} requests, {number(errors)} failed"
    return tile("Rollout", word, said, outcome)
