"""How stages hang together: who reads whose output; cycles, duplicates, overlaps, escapes.

Pure. Paths are posix and relative to the project's root; a path inside another one belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from penstock.domain.pipeline import Dependency, Output, ParamsFile, Stage
from penstock.errors import Problem, Span
from penstock.pipeline.addresses import is_outside, is_url


class Outputs:
    """Finds the outputs that lie at, above or below a path."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.owner: dict[str, tuple[Stage, Output]] = {}
        self.duplicates: list[tuple[Stage, Output]] = []
        self._below: dict[str, list[str]] = {}
        for stage in stages:
            for out in stage.outs:
                if out.full in self.owner:
                    self.duplicates.append((stage, out))
                    continue
                self.owner[out.full] = (stage, out)
                for parent in parents(out.full):
                    self._below.setdefault(parent, []).append(out.full)

    def touching(self, path: str) -> list[str]:
        """Return the paths of outputs at, above or below a path."""
        found = [path] if path in self.owner else []
        found += [parent for parent in parents(path) if parent in self.owner]
        return found + self._below.get(path, [])

    def above(self, path: str) -> str | None:
        """Return the output that a path lies in, None when there is none."""
        return next((parent for parent in parents(path) if parent in self.owner), None)


def parents(path: str) -> Iterator[str]:
    """Yield the directories above a path, nearest first, the root ("") last.

    >>> list(parents("a/b/c"))
    ['a/b', 'a', '']
    >>> list(parents("s3://bucket/a/b"))
    ['s3://bucket/a', 's3://bucket']
    """
    if is_url(path):
        start, _, rest = path.partition("://")
        while "/" in rest:
            rest = rest.rpartition("/")[0]
            yield f"{start}://{rest}"
        return
    while path and path != "/":
        path = path.rpartition("/")[0]
        yield path


def connect(stages: Mapping[str, Stage]) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Return, for each stage, the stages it depends on; and every problem of the graph."""
    outputs = Outputs(stages.values())
    problems = list(_outs(stages, outputs))
    upstream: dict[str, tuple[str, ...]] = {}
    for address, stage in stages.items():
        sources: dict[str, None] = {}
        items: tuple[Dependency | ParamsFile, ...] = (*stage.deps, *stage.params)
        for item in items:
            for path in outputs.touching(item.full):
                owner, out = outputs.owner[path]
                if owner.address != address:
                    sources[owner.address] = None
                else:
                    what = item.path if item.full == out.full else f"{item.path} and {out.path}"
                    message = f"stage {stage.name or address} both reads and writes {what}"
                    hint = "remove it from deps, or give the output another name"
                    problems.append(Problem("graph.self", message, Span(*item.place), hint))
        upstream[address] = tuple(sources)
    if not problems:
        problems += _cycles(stages, upstream)
    return upstream, problems


def _outs(stages: Mapping[str, Stage], outputs: Outputs) -> Iterator[Problem]:
    for stage, out in outputs.duplicates:
        other, first = outputs.owner[out.full]
        again = "twice" if other is stage else f"of {_name(other)} too ({Span(*first.place)})"
        message = f"{out.path} is an output {again}"
        hint = "each file has one stage that writes it"
        yield Problem("graph.duplicate-output", message, Span(*out.place), hint)
    for path, (_, out) in outputs.owner.items():
        parent = outputs.above(path)
        if parent is not None:
            other, around = outputs.owner[parent]
            where = f"{around.path}, an output of {_name(other)} ({Span(*around.place)})"
            message = f"the output {out.path} lies in {where}"
            hint = "name either the directory or the files in it"
            yield Problem("graph.overlap", message, Span(*out.place), hint)
        if not path or (is_outside(path) and out.cache):
            message = f"the output {out.path} lies outside the project"
            hint = "outputs must lie below the project's root, or say `cache: false`"
            if not path:
                message = f"the output {out.path} is the project itself"
            yield Problem("graph.outside", message, Span(*out.place), hint)
        elif path.split("/", 1)[0] in (".git", ".dvc", ".penstock"):
            message = f"the output {out.path} lies in {path.split('/', 1)[0]}"
            yield Problem("graph.reserved", message, Span(*out.place), "choose another directory")
    for stage in stages.values():
        if outputs.touching(stage.file) and stage.file not in outputs.owner:
            inside = outputs.above(stage.file)
            if inside is not None:
                message = f"{stage.file} itself lies in {inside}, which is an output"
                yield Problem("graph.overlap", message, Span(*stage.place))
        if stage.wdir.startswith(("../", "/")) or stage.wdir == "..":
            message = f"the working directory of {_name(stage)} lies outside the project"
            yield Problem("graph.outside", message, Span(*stage.place))


def _name(stage: Stage) -> str:
    return f"stage {stage.name}" if stage.name else stage.file


def _cycles(
    stages: Mapping[str, Stage], upstream: Mapping[str, tuple[str, ...]]
) -> Iterator[Problem]:
    done: set[str] = set()
    for start in upstream:
        path: list[str] = []
        on_path: set[str] = set()
        todo: list[tuple[str, bool]] = [(start, False)]
        while todo:
            address, leaving = todo.pop()
            if leaving:
                on_path.discard(path.pop())
                done.add(address)
            elif address in on_path:
                ring = path[path.index(address) :]
                words = " -> ".join([*ring, address])
                place = Span(*stages[address].place)
                hint = "an arrow means: reads an output of; remove one of these dependencies"
                yield Problem("graph.cycle", f"stages wait for each other: {words}", place, hint)
                return
            elif address not in done:
                path.append(address)
                on_path.add(address)
                todo.append((address, True))
                todo += [(source, False) for source in upstream[address]]


def order(upstream: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return addresses so that each comes after what it depends on (else in the given order)."""
    result: dict[str, None] = {}
    for start in upstream:
        todo = [(start, False)]
        while todo:
            address, ready = todo.pop()
            if address in result:
                continue
            if ready:
                result[address] = None
            else:
                todo.append((address, True))
                todo += [(source, False) for source in reversed(upstream[address])]
    return list(result)


def closure(upstream: Mapping[str, tuple[str, ...]], targets: Iterable[str]) -> set[str]:
    """Return the targets and everything they depend on."""
    found: set[str] = set()
    todo = list(targets)
    while todo:
        address = todo.pop()
        if address not in found:
            found.add(address)
            todo += upstream[address]
    return found
