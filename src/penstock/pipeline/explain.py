"""Why a stage runs: what changed, from what to what, down to the byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Pipeline
from penstock.pipeline import datasets
from penstock.pipeline import entry as entries
from penstock.pipeline import targets as chosen
from penstock.pipeline.addresses import is_url
from penstock.pipeline.decide import Action, Facts, decide, same
from penstock.pipeline.differ import Difference, OldBytes, compare
from penstock.pipeline.loading import load
from penstock.pipeline.lockfile import LockFiles
from penstock.pipeline.observe import Observer
from penstock.pipeline.planning import combine
from penstock.pipeline.values import text


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not what it was when the stage last ran.

    Attributes:
        kind: ``command``, ``dependency``, ``parameter``, ``output`` or ``upstream``.
        what: a path, a parameter, a stage.
        old, new: digest or value; None where there is none.
        differences: for a dependency, where its bytes differ (one for each changed file of a
            directory, the first few).
        made_by: the stage that writes the dependency, None for a file of the user's.
    """

    kind: str
    what: str
    old: str | None
    new: str | None
    differences: tuple[Difference, ...] = ()
    made_by: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": self.kind,
            "what": self.what,
            "old": self.old,
            "new": self.new,
            "made_by": self.made_by,
            "differences": [one.to_dict() for one in self.differences],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a stage runs, or does not.

    Attributes:
        stage: its address.
        action: what a run would do, as in `StagePlan.action`.
        reasons: phrases.
        changes: what they rest on.
        last: what the journal knows of the last time that it was executed: ``run_id``,
            ``reasons``, ``finished``; empty when it never was.
    """

    stage: str
    action: str
    reasons: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    last: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "stage": self.stage,
            "action": self.action,
            "reasons": list(self.reasons),
            "changes": [one.to_dict() for one in self.changes],
            "last": self.last,
        }


def why(root: Path, stage: str) -> Explanation:
    """Explain what a run would do about a stage.

    Raises:
        UsageError: ``pipeline.unknown-target``.
        ConfigError: dvc.yaml or dvc.lock is wrong.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - links stay as they are
    pipeline = load(root)
    address = chosen.resolve(pipeline, [stage], alone=True)[0]
    store = Store.open(root)
    try:
        observer = Observer(root, store, LockFiles(root))
        wanted = chosen.resolve(pipeline, [address])
        observer.snapshot([pipeline.stages[one] for one in wanted])
        facts = {one: observer.facts(pipeline.stages[one]) for one in wanted}
        decisions = {one: decide(facts[one]) for one in wanted}
        plans = {one.stage: one for one in combine(pipeline, decisions, {})}
        plan = plans[address]
        changes = list(_changes(facts[address], pipeline, OldBytes(root, store)))
        if plan.action == Action.MAYBE:
            changes += [
                Change("upstream", source, None, plans[source].action)
                for source in pipeline.upstream[address]
                if source in plans and plans[source].works
            ]
        return Explanation(address, plan.action, plan.reasons, tuple(changes), _last(root, address))
    finally:
        store.close()


def _changes(facts: Facts, pipeline: Pipeline, old_bytes: OldBytes) -> Iterator[Change]:
    stage = facts.stage
    if stage.is_data:
        yield from _data(facts, old_bytes)
        return
    if facts.entry is None:
        return
    recorded = facts.entry.get("cmd")
    if recorded != stage.cmd:
        yield Change("command", stage.name, _command(recorded), _command(stage.cmd))
    makers = {out.full: one.address for one in pipeline.stages.values() for out in one.outs}
    known = entries.artifacts(facts.entry, "deps")
    for dep in stage.deps:
        old, new = known.get(dep.path), facts.deps.get(dep.path)
        if old and new and dep.dataset:
            for key, before, after in datasets.differences(old, new):
                yield Change("dependency", f"{dep.path} {key}", before, after)
        elif _md5(old) != _md5(new):
            differences = _differences(old_bytes, old, new, dep.full)
            maker = makers.get(dep.full)
            yield Change("dependency", dep.path, _md5(old), _md5(new), differences, maker)
    yield from _parameters(facts)
    known = entries.artifacts(facts.entry, "outs")
    for out in stage.outs:
        old, new = known.get(out.path), facts.outs.get(out.path)
        if _md5(old) != _md5(new):
            differences = _differences(old_bytes, old, new, out.full)
            yield Change("output", out.path, _md5(old), _md5(new), differences)


def _data(facts: Facts, old_bytes: OldBytes) -> Iterator[Change]:
    for out in facts.stage.outs:
        old = Artifact.from_dict(out.artifact) if out.artifact else None
        new = facts.outs.get(out.path)
        if _md5(old) != _md5(new):
            differences = _differences(old_bytes, old, new, out.full)
            yield Change("output", out.path, _md5(old), _md5(new), differences)


def _differences(
    old_bytes: OldBytes, old: Artifact | None, new: Artifact | None, full: str
) -> tuple[Difference, ...]:
    if old is None or new is None or is_url(full):
        return ()
    return compare(old_bytes, old, new, full)


def _parameters(facts: Facts) -> Iterator[Change]:
    known = entries.params(facts.entry)
    for file in facts.stage.params:
        old, new = known.get(file.path, {}), facts.params.get(file.path) or {}
        names = file.keys or tuple(dict.fromkeys([*new, *old]))
        prefix = "" if file.path == "params.yaml" else f"{file.path}:"
        for name in names:
            if name in old and name in new and same(old[name], new[name]):
                continue
            if name in old or name in new:
                before = text(old[name]) if name in old else None
                after = text(new[name]) if name in new else None
                yield Change("parameter", prefix + name, before, after)


def _md5(artifact: Artifact | None) -> str | None:
    return artifact.md5 if artifact else None


def _command(value: Any) -> str | None:
    if isinstance(value, list):
        return "\n".join(str(line) for line in value)
    return None if value is None else str(value)


def _last(root: Path, address: str) -> dict[str, Any]:
    """Return what the journal knows of the last execution of a stage."""
    path = root / ".penstock" / "journal.db"
    if not path.exists():
        return {}
    from penstock.journal import Journal

    with Journal(path) as journal:
        for record in journal.records("run", limit=50):
            for one in record.value.get("stages", ()):
                if one.get("stage") == address and one.get("outcome") in ("ran", "failed"):
                    return {
                        "run_id": record.id,
                        "outcome": one["outcome"],
                        "reasons": list(one.get("reasons", ())),
                        "finished": record.value.get("finished"),
                    }
    return {}
