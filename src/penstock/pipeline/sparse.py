"""Runs in a work tree that lacks data: which stages can stay as they are, with nothing fetched.

What is missing counts as what `dvc.lock` or a ``.dvc`` file says it is. A stage whose inputs are
unchanged by that measure need not be touched, unless a stage that runs reads what it writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Pipeline
from penstock.pipeline import entry as entries
from penstock.pipeline.decide import Action, Facts, decide
from penstock.pipeline.graph import Outputs


def recorded(facts: Facts) -> dict[str, Artifact]:
    """Return what the outputs of a stage should be, by path relative to the root."""
    known = entries.outputs(facts.stage, facts.entry)
    return {out.full: known[out.path] for out in facts.stage.outs if out.path in known}


def untouched(
    pipeline: Pipeline, facts: Mapping[str, Facts], needed: Sequence[str], force: Iterable[str] = ()
) -> set[str]:
    """Return the stages that can be left alone although something of theirs is missing. Pure.

    Args:
        pipeline: how they hang together.
        facts: of each stage, in an order in which each comes after what it depends on; missing
            dependencies are as `recorded` says.
        needed: outputs that must be in the work tree afterwards, relative to the root.
        force: stages that run whatever is true.
    """
    forced = set(force)
    busy: set[str] = set()
    for address, known in facts.items():
        outs = recorded(known)
        given = {
            out.path: known.outs.get(out.path) or outs.get(out.full) for out in known.stage.outs
        }
        assumed = Facts(
            known.stage, known.entry, known.deps, known.params, given, known.missing_params
        )
        still = decide(assumed, force=address in forced).action
        upstream = pipeline.upstream[address]
        if still not in (Action.UNCHANGED, Action.FROZEN) or busy.intersection(upstream):
            busy.add(address)
    wanted = {source for address in busy for source in pipeline.upstream[address]}
    outputs = Outputs(known.stage for known in facts.values())
    for path in needed:
        wanted.update(outputs.owner[out][0].address for out in outputs.touching(path))
    lacking = {
        address
        for address, known in facts.items()
        if any(known.outs.get(out.path) is None for out in known.stage.outs)
    }
    return lacking - busy - wanted
