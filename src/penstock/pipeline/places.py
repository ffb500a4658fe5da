"""What stages read and write, wherever it stands: in the project, beside it, or at a URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.artifacts.listing import listing_bytes, listing_digest
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Dependency, Output, Stage
from penstock.errors import PenstockError, Span, StageError
from penstock.pipeline import entry as entries
from penstock.pipeline.addresses import is_url


def look(
    store: Store, root: Path, items: Sequence[Dependency | Output], *, full: bool = False
) -> list[Artifact | None]:
    """Return what stands at each place, by content or, at a URL, by what its storage says of it.

    Args:
        store: that takes the digests.
        root: of the project.
        items: what to look at.
        full: whether artifacts are called as seen from the root, not as the user wrote them.

    Raises:
        StateError: see `Store.hash`.
        UnavailableError: storage cannot be reached, with the place where the URL is written.
    """
    here = [item for item in items if not is_url(item.full)]
    found = dict(
        zip(
            [item.full for item in here],
            store.hash_many(
                [(item.full if full else item.path, root / item.full) for item in here]
            ),
            strict=True,
        )
    )
    away = [item for item in items if is_url(item.full)]
    if sets := [item for item in away if isinstance(item, Dependency) and item.dataset]:
        from penstock.pipeline import datasets

        found.update(zip([item.full for item in sets], datasets.look(root, sets), strict=True))
    if asked := [item for item in away if item.full not in found]:
        found.update(_elsewhere(store, asked))
    return [found[item.full] for item in items]


def _elsewhere(store: Store, items: Sequence[Dependency | Output]) -> dict[str, Artifact | None]:
    from penstock.artifacts.external import External

    external = External(store.config, store)
    try:
        states = external.look([item.full for item in items])
    except PenstockError as error:
        # Which of them it was is asked again: it is written somewhere, and should be named.
        for item in items if error.span is None else ():
            try:
                external.look([item.full])
            except PenstockError as again:
                again.span = Span(*item.place)
                raise again from error
        raise
    return dict(zip([item.full for item in items], states, strict=True))


def keep_listings(store: Store, stage: Stage, entry: Mapping[str, Any] | None) -> None:
    """Put into the cache the lists of directories whose files the lock or ``.dvc`` file lists."""
    known = {str(one.get("path")): entries.listed(one) for one in (entry or {}).get("outs") or ()}
    for out in stage.outs:
        files = (out.artifact or {}).get("files") or known.get(out.path)
        if files:
            content = listing_bytes(files)
            md5 = listing_digest(content)
            if any(store.objects.check([md5])):
                store.objects.write(md5, content)


def absent(root: Path, stage: Stage, dep: Dependency) -> StageError:
    """Return what to tell about a dependency that is not there."""
    if dep.dataset:
        from penstock.pipeline import datasets

        return datasets.absent(root, stage, dep)
    return StageError(
        f"stage {stage.address} needs {dep.path}, which does not exist",
        code="stage.dependency-missing",
        span=Span(*dep.place),
        hint="is the path right? data of a remote comes with `penstock run --pull`",
    )


def remove(store: Store, url: str) -> None:
    """Remove what stands at a URL.

    Raises:
        UnavailableError: storage cannot be reached.
    """
    from penstock.artifacts.external import External

    External(store.config, store).remove(url)
