"""Judgements as they are remembered: recalled from the journal, kept in the registry."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock import gates
from penstock.assembly import STATE, Project
from penstock.domain.event import Event, EventType
from penstock.domain.run import Candidate, Run
from penstock.domain.verdict import Verdict
from penstock.errors import UnavailableError
from penstock.journal import exclusive
from penstock.walk import Walk

REGISTERED = "registered"
"""Stands for any champion in the key of a judgement whose candidate became a version."""


def key(
    project: Project, run: Run, base: Path, candidate: Candidate, *, against: str | None = None
) -> str:
    """Return a digest of everything that a judgement rests on.

    Args:
        project: that judges.
        run: that made the candidate.
        base: where it ran.
        candidate: that is judged.
        against: the champion; by default the journal's, so that asking costs nothing when
            nothing has happened.
    """
    model, settings = project.settings.model, project.settings.gates
    named = [model.test_data, model.train_data, settings.data.schema]
    read = [one for one in named if one is not None and (base / one).exists()]
    rests_on = [
        candidate.digest,
        *(project.out_digest(run, base, one) for one in read),
        *gates.judged_code(settings, base),
        repr(replace(model, name="")),
        project.champion_number() if against is None else against,
        repr(replace(settings, conditions=())),
        *(f"{one.text} {one.inconclusive}" for one in settings.conditions),
    ]
    return hashlib.sha256(json.dumps(rests_on).encode()).hexdigest()


def recall(project: Project, walk: Walk, candidate: Candidate) -> Event | None:
    """Read back what was judged before on equal grounds, None if nothing was.

    What became a version is not judged again when it, or another, has become the champion.
    """
    assert walk.run is not None
    keys = (
        key(project, walk.run, walk.base, candidate, against=against)
        for against in (None, REGISTERED)
    )
    found = (project.journal.get("judged", key) for key in keys)
    known = next((one for one in found if one is not None), None)
    record = project.journal.get("judgement", known.value["run_id"]) if known else None
    run = project.journal.get("run", known.value["run_id"]) if known else None
    if record is None or run is None:
        return None
    walk.run = replace(Run.from_dict(run.value), revision=walk.run.revision)
    walk.candidate = Candidate.from_dict(record.value["candidate"])
    walk.verdicts = tuple(Verdict.from_dict(one) for one in record.value["verdicts"])
    passed = record.value["outcome"] == "passed"
    ended = EventType.CANDIDATE_PASSED if passed else EventType.CANDIDATE_REFUSED
    return Event(ended, walk.run.id, id=record.value["event"])


def keep(project: Project, walk: Walk, event: Event) -> None:
    """Leave the verdicts on a candidate that becomes no version in the registry too, once.

    Without a registry the journal has them, and the answer stays what it is: the walk says so, and
    the next one tries again.
    """
    assert walk.run is not None
    assert walk.candidate is not None
    record = project.journal.get("judgement", walk.candidate.run_id)
    if record is None or record.value.get("kept") == event.id:
        return
    with exclusive(project.root / STATE / "keeping.lock"):
        _keep(project, walk, record.value, event)


def _keep(project: Project, walk: Walk, judgement: dict[str, Any], event: Event) -> None:
    assert walk.run is not None
    assert walk.candidate is not None
    against = str(judgement["champion"] or "")
    try:
        project.registry.keep(walk.candidate, walk.run, walk.verdicts, against)
    except UnavailableError as error:
        said = f"{error.message}; the verdicts are in the journal, the next run tries again"
        walk.note = f"{walk.note}\n{said}".strip()
        return
    with project.journal.transaction() as tx:
        present = tx.get("judgement", walk.candidate.run_id)
        if present is not None:
            tx.put("judgement", walk.candidate.run_id, {**present.value, "kept": event.id})
