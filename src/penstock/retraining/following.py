"""Imports follow their source: what `dvc import-url` and `dvc import` brought is asked after.

The data of an import is what its source has, not what stands in the work tree:

    source as recorded ──► what the .dvc file records
    source moved on    ──► fetched once, when a retraining may start, and remembered
    not to be reached  ──► what it was at the last look; asked again at the next

What is remembered stands in the journal, so that another process knows it too.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

from penstock import pipeline
from penstock.artifacts import Store
from penstock.assembly import Project
from penstock.domain.artifact import Artifact
from penstock.errors import PenstockError, UnavailableError
from penstock.pipeline import entry as entries
from penstock.pipeline import imports
from penstock.retraining import pushed
from penstock.retraining.origins import Origin, State
from penstock.retraining.sources import IMPORT, Source, Sources, find, rows
from penstock.triggers import data, looks

_NOTE = "source:{}"
Note = dict[str, Any]


class Fetch(Enum):
    """Whether to fetch what sources have anew."""

    NO = "no"
    SETTLED = "settled"
    NOW = "now"


def follow(project: Project, fetch: Fetch, now: float) -> Sources:
    """Look at the data of a project, and at the sources of its imports.

    Args:
        project: whose ``retrain.data`` says what the data is.
        fetch: ``NO`` fetches nothing; ``SETTLED`` what is not being written any more; ``NOW``
            everything that is new.
        now: seconds since the epoch.
    """
    root = project.root
    found = find(root, project.settings.retrain.data)
    made = pipeline.load(root)
    stages = {one.outs[0].full: one for one in made.stages.values() if one.is_data and one.outs}
    items, unfetched = [], []
    troubles = list(found.troubles)
    with closing(Store.open(root)) as store:
        for one in found.items:
            stage = stages.get(one.path)
            origin = Origin.of(root, store, stage) if stage is not None else None
            if origin is None:
                items.append(one)
                continue
            followed = _Followed(project, store, origin, one)
            try:
                item = followed.look(fetch, now)
            except (PenstockError, OSError) as error:
                item = None
                troubles.append(error.message if isinstance(error, PenstockError) else str(error))
            else:
                if item is None:
                    unfetched.append(f"{one.path}: {origin.words} has something newer")
            items.append(item or followed.known())
    return Sources(tuple(items), tuple(troubles), tuple(unfetched))


def pinned(project: Project, base: str, *, wait: bool) -> Sources:
    """Return the data that a retraining begins with: what the sources of imports have now.

    Args:
        project: to retrain in.
        base: commit that is built upon; what it has anew counts where nothing was changed here.
        wait: whether somebody waits for it.

    Raises:
        UnavailableError: ``retrain.source-unreached`` when one cannot be asked; with `wait`, since
            somebody is there to be told.
    """
    found = follow(project, Fetch.NOW, 0.0)
    if found.troubles and wait:
        raise UnavailableError(
            f"a retraining cannot begin: {'; '.join(found.troubles)}",
            code="retrain.source-unreached",
            hint="the retraining waits: `penstock retrain` carries on with it",
        )
    return pushed.fetched(project.root, pushed.taken(project.root, found, base))


class _Followed:
    """One import, what is remembered of it, and what it is to a retraining.

    The note: ``seen`` (state at the last look) with ``outline`` and ``facts``; ``state``, ``out``,
    ``dep`` and ``rows`` of what was fetched last.
    """

    def __init__(self, project: Project, store: Store, origin: Origin, source: Source) -> None:
        self._project = project
        self._store = store
        self._origin = origin
        self._source = source
        self._name = _NOTE.format(source.path)
        self._note: Note = looks.seen(project.journal, self._name) or {}

    def look(self, fetch: Fetch, now: float) -> Source | None:
        """Return the data as its source has it, None when that is not fetched."""
        state = self._origin.ask(self._note)
        before = self._note.get("seen")
        seen = {"seen": state.value, "outline": state.outline, "facts": state.facts}
        self._remember({**self._note, **seen})
        if state.value == self._origin.recorded and self._recorded() is not None:
            if self._note.get("state") not in (None, state.value):
                self._remember(seen)  # what was fetched is older, or was taken back
            return self._as_recorded(fetch)
        if state.value == self._note.get("state"):
            return self._as_fetched(fetch)
        if fetch is Fetch.NOW or (fetch is Fetch.SETTLED and self._settled(state, before, now)):
            return self._fetched(state)
        return None

    def known(self) -> Source:
        """Return the data as it was known at the last look."""
        if "state" in self._note:
            return self._as_fetched(Fetch.NO)
        if self._recorded() is None:
            return replace(self._source, kind=IMPORT, artifact=None, place="")
        return self._as_recorded(Fetch.NO)

    def _recorded(self) -> Artifact | None:
        found = self._origin.stage.outs[0].artifact
        return Artifact.from_dict({**found, "path": self._source.path}) if found else None

    def _as_recorded(self, fetch: Fetch) -> Source:
        """Return the data as the .dvc file has it."""
        artifact, source = self._recorded(), self._source
        assert artifact is not None
        here = source.artifact is not None and source.artifact.md5 == artifact.md5
        if fetch is Fetch.NOW and not here and not self._store.has(artifact):
            return self._fetched(self._origin.ask())
        root, stage = self._origin.root, self._origin.stage
        out, dep = imports.entry(root, stage), dict(self._origin.dep)
        same = self._note.get("out", {}).get("md5") == artifact.md5
        return replace(
            source,
            kind=IMPORT,
            artifact=artifact,
            place=source.path if here else "",
            rows=self._note.get("rows") if same and not here else None,
            out={"path": out["path"], **imports.content(out)},
            dep={"path": dep["path"], **imports.content(dep)},
        )

    def _as_fetched(self, fetch: Fetch) -> Source:
        """Return the data as it was fetched; again, where it was lost."""
        artifact = entries.recorded(self._note["out"])
        assert artifact is not None
        place = self._origin.place
        waits = os.path.lexists(place)
        if fetch is Fetch.NOW and not waits and not self._store.has(artifact):
            return self._fetched(self._origin.ask())
        return replace(
            self._source,
            kind=IMPORT,
            artifact=replace(artifact, path=self._source.path),
            place=os.path.relpath(place, self._origin.root) if waits else "",
            rows=self._note["rows"],
            out=self._note["out"],
            dep=self._note["dep"],
        )

    def _fetched(self, state: State) -> Source:
        made = self._origin.fetch(state)
        stage = self._origin.stage
        place = os.path.relpath(made.place, self._origin.root)
        out = {"path": stage.outs[0].path, **made.out}
        artifact = entries.recorded(out)
        counted = replace(self._source, artifact=artifact, place=place)
        news = {
            "seen": state.value,
            "outline": state.outline,
            "facts": state.facts,
            "state": state.value,
            "out": out,
            "dep": {"path": self._origin.dep["path"], **made.dep},
            "rows": rows(self._origin.root, [counted]),
        }
        self._remember(news)
        return self._as_fetched(Fetch.SETTLED)

    def _settled(self, state: State, before: str | None, now: float) -> bool:
        """Whether nobody is writing to a source: it looked the same twice, or is of some age."""
        if not state.grows or state.value == before:
            return True
        return self._origin.here is not None and now - newest(self._origin.here) >= data.SETTLED

    def _remember(self, note: Note) -> None:
        self._note = note
        looks.note(self._project.journal, self._name, note)


def newest(place: Path) -> float:
    """Return when the newest file at a path was written; 0 when there is none."""
    files = place.rglob("*") if place.is_dir() else [place]
    return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)
