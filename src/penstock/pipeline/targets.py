"""Targets: which stages a person means."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from penstock.domain.pipeline import Pipeline
from penstock.errors import UsageError
from penstock.pipeline.graph import closure, order


def resolve(pipeline: Pipeline, targets: Sequence[str], *, alone: bool = False) -> list[str]:
    """Return the addresses of targets and, unless `alone`, of all that they depend on, in order.

    Args:
        pipeline: of the project.
        targets: names of stages, of foreach and matrix groups, ``file:name``, a dvc.yaml, or an
            output. None at all means every stage.
        alone: leave out dependencies.

    Raises:
        UsageError: ``pipeline.unknown-target`` with near names.
    """
    ordered = order(pipeline.upstream)
    if not targets:
        return ordered
    found: set[str] = set()
    for target in targets:
        found |= _one(pipeline, target)
    if not alone:
        upstream = {
            address: () if pipeline.stages[address].frozen else sources
            for address, sources in pipeline.upstream.items()
        }
        found = closure(upstream, found)
    return [address for address in ordered if address in found]


def _one(pipeline: Pipeline, target: str) -> set[str]:
    file, _, name = target.rpartition(":")
    path = posixpath.normpath(target)
    found = {
        address
        for address, stage in pipeline.stages.items()
        if target in (address, stage.group)
        or (file and stage.file == posixpath.normpath(file) and name in (stage.name, stage.group))
        or stage.file == path
        or any(out.full == path for out in stage.outs)
    }
    if not found:
        found = {
            address
            for address, stage in pipeline.stages.items()
            if target in (stage.name, f"{stage.file}:{stage.group}")
        }
    if not found:
        from penstock.pipeline.schema import near

        raise UsageError(
            f"no stage is called {target!r}",
            code="pipeline.unknown-target",
            hint=near(target, pipeline.stages) or "`penstock plan` lists them",
        )
    return found
