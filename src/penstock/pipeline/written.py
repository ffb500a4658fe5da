"""Who wrote what in a run, so that a stage that writes into another's output is found out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from penstock.artifacts.legacy import ALGORITHM as OLD
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Output, Pipeline, Stage
from penstock.errors import Span, StageError


class Written:
    """The outputs of stages that ended in this run, as they were at that moment. Pure."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._known: dict[str, tuple[str, Output, str, int]] = {}
        self._executed: list[str] = []

    def note(self, stage: Stage, outs: Mapping[str, Artifact], *, executed: bool) -> None:
        """Note what a stage has written.

        Args:
            stage: that ended.
            outs: by path as written by the user.
            executed: whether its command was, so that it may have written elsewhere too.
        """
        if executed:
            self._executed.append(stage.address)
        for out in stage.outs:
            if out.path in outs and outs[out.path].algorithm != OLD:
                at = len(self._executed)
                self._known[out.full] = (stage.address, out, outs[out.path].md5, at)

    def paths(self) -> list[str]:
        """Return all outputs, relative to the project's root."""
        return list(self._known)

    def check(self, reader: Stage, digests: Mapping[str, Artifact | None]) -> None:
        """Raise StageError ``stage.output-altered`` where a stage would read altered outputs."""
        for dep in reader.deps:
            if dep.full in self._known:
                for _, error in self._altered(dep.full, digests):
                    raise error

    def altered(self, digests: Mapping[str, Artifact | None]) -> Iterator[tuple[str, StageError]]:
        """Yield (stage, error) for each output that is not what its stage wrote."""
        for path in self._known:
            yield from self._altered(path, digests)

    def _altered(
        self, path: str, digests: Mapping[str, Artifact | None]
    ) -> Iterator[tuple[str, StageError]]:
        owner, out, md5, at = self._known[path]
        present = digests.get(path)
        if present is not None and present.md5 == md5:
            return
        later = [address for address in self._executed[at:] if address != owner]
        verb = "was removed" if present is None else "was changed"
        who = " or ".join(f"stage {address}" for address in later[:3]) or "somebody else"
        more = ""
        if later:
            first = self._pipeline.stages[later[0]]
            more = f" ({Span(*first.place)})"
        error = StageError(
            f"{out.path}, an output of stage {owner}, {verb} by {who}{more} "
            "after that stage had written it",
            code="stage.output-altered",
            span=Span(*out.place),
            hint="one file has one stage that writes it: let the other write a file of its own",
        )
        yield owner, error
