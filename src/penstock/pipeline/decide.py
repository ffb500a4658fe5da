"""Whether a stage must run, and why. Pure: facts in, decision out."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Dependency, Stage
from penstock.pipeline import entry as entries


class Action(enum.StrEnum):
    """What to do about a stage."""

    RUN = "run"
    """Execute its command."""
    RESTORE = "restore"
    """Take its outputs from the cache: an equal execution made them before."""
    UNCHANGED = "unchanged"
    """Nothing."""
    FROZEN = "frozen"
    """Nothing: it is marked so."""
    RECORD = "record"
    """Data tracked by a ``.dvc`` file changed: note its new digest."""
    MAYBE = "maybe"
    """Nothing of its own changed, but a stage it depends on runs and may change its inputs."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a stage.

    Attributes:
        stage: as declared.
        entry: of dvc.lock, None when it never finished.
        deps, outs: what stands in the work tree, by path as written; None where nothing does.
        params: values by file; None for a file that does not exist.
        missing_params: names not found, by file.
    """

    stage: Stage
    entry: dict[str, Any] | None
    deps: Mapping[str, Artifact | None] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    outs: Mapping[str, Artifact | None] = field(default_factory=dict)
    missing_params: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a stage, and why.

    Attributes:
        action: see `Action`. RUN may still become RESTORE when the run cache knows the inputs.
        reasons: phrases.
        inputs_changed: whether the recorded outputs are no longer the answer.
    """

    action: Action
    reasons: tuple[str, ...] = ()
    inputs_changed: bool = False


def decide(facts: Facts, *, force: bool = False) -> Decision:
    """Say what a stage needs."""
    stage = facts.stage
    if stage.is_data:
        return _data(facts)
    wrong = tuple(_outputs(facts))
    if stage.frozen:
        missing = any(facts.outs.get(out.path) is None for out in stage.outs)
        return Decision(Action.RESTORE if missing else Action.FROZEN, wrong)
    if force:
        return Decision(Action.RUN, ("forced",), inputs_changed=True)
    if facts.entry is None:
        return Decision(Action.RUN, ("it has not run before",), inputs_changed=True)
    reasons = tuple(_inputs(facts))
    if reasons:
        return Decision(Action.RUN, reasons, inputs_changed=True)
    if wrong:
        return Decision(Action.RESTORE, wrong)
    return Decision(Action.UNCHANGED)


def _data(facts: Facts) -> Decision:
    missing, changed = [], []
    if reasons := tuple(f"{dep.path} changed" for dep in moved(facts)):
        return Decision(Action.RESTORE, reasons, inputs_changed=True)
    for out in facts.stage.outs:
        present = facts.outs.get(out.path)
        if present is None:
            missing.append(f"{out.path} is missing")
        elif out.artifact is None or out.artifact["md5"] != present.md5:
            changed.append(f"{out.path} changed")
    if missing:
        return Decision(Action.RESTORE, tuple(missing))
    if changed:
        return Decision(Action.RECORD, tuple(changed), inputs_changed=True)
    return Decision(Action.UNCHANGED)


def moved(facts: Facts) -> Iterator[Dependency]:
    """Yield the source of an import that is not frozen, where it is no longer what was imported."""
    known = (facts.stage.outs[0].artifact or {}).get("source") if facts.stage.outs else None
    for dep in facts.stage.deps:
        present = facts.deps.get(dep.path)
        if present is not None and known is not None and present.md5 != known:
            yield dep


def _inputs(facts: Facts) -> Iterator[str]:
    stage, entry = facts.stage, facts.entry or {}
    if stage.always_changed:
        yield "it is marked always_changed"
    elif not stage.deps and not stage.params and not stage.outs:
        yield "it has neither inputs nor outputs"
    if entry.get("cmd") != stage.cmd:
        yield "its command changed"
    recorded = entries.artifacts(entry, "deps")
    for dep in stage.deps:
        present, known = facts.deps.get(dep.path), recorded.get(dep.path)
        if present is None:
            yield f"{dep.path} is {'not in sync' if dep.dataset else 'missing'}"
        elif known is None:
            yield f"{dep.path} is a new dependency"
        elif known.md5 != present.md5:
            yield f"{dep.path} changed"
    values = entries.params(entry)
    for file in stage.params:
        yield from _params(file.path, bool(file.keys), facts, values.get(file.path))


def _params(path: str, named: bool, facts: Facts, known: dict[str, Any] | None) -> Iterator[str]:
    present = facts.params.get(path)
    if present is None:
        yield f"{path} is missing"
        return
    for name in facts.missing_params.get(path, ()):
        yield f"{path} has no {name}"
    known = known if known is not None else {}
    for name, value in present.items():
        if name not in known:
            yield f"the parameter {name} is new"
        elif not same(known[name], value):
            yield f"the parameter {name} changed"
    if not named:
        for name in known:
            if name not in present:
                yield f"the parameter {name} is gone"


def same(known: Any, present: Any) -> bool:
    """Whether two parameter values are the same to DVC (1 equals 1.0, nan equals nan)."""
    if isinstance(known, float) and known != known:  # noqa: PLR0124 - nan
        return isinstance(present, float) and present != present  # noqa: PLR0124
    return bool(known == present)


def _outputs(facts: Facts) -> Iterator[str]:
    recorded = entries.artifacts(facts.entry, "outs")
    for out in facts.stage.outs:
        present, known = facts.outs.get(out.path), recorded.get(out.path)
        if present is None:
            yield f"{out.path} is missing"
        elif known is None:
            yield f"{out.path} is a new output"
        elif known.md5 != present.md5:
            yield f"{out.path} was changed by hand"
