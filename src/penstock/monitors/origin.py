"""Where the reference comes from: the very rows that the champion learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from penstock.artifacts import Store
from penstock.config.settings import Settings
from penstock.domain.artifact import Artifact
from penstock.domain.event import EventType
from penstock.domain.run import Run
from penstock.errors import PenstockError, StateError
from penstock.journal import Journal
from penstock.monitors.reference import Reference, build_reference

Names = tuple[str, ...]
KIND = "reference"
"""Kind of the journal's records that hold references; the id is ``model/version``."""


@dataclass(frozen=True, slots=True)
class Champion:
    """Who holds the traffic, as the journal has it.

    Attributes:
        version: its number.
        since: when it got the traffic, in seconds since the epoch.
        event: id of the event that says so.
    """

    version: str
    since: float
    event: int


def champion(journal: Journal) -> Champion | None:
    """Return the present champion, None before the first."""
    for event in journal.events(type=EventType.CHAMPION_CHANGED, newest_first=True, limit=1):
        return Champion(str(event.data.get("version", "")), event.time, event.id)
    return None


def reference_of(
    root: Path, settings: Settings, journal: Journal, version: str, *, inputs: Names = ()
) -> Reference:
    """Return the reference of a model version, made when it is first asked for and then kept.

    Args:
        root: of the project.
        settings: of the project.
        journal: of the project.
        version: its number.
        inputs: columns that the model takes, where they are known.

    Raises:
        StateError: ``monitor.no-reference`` when the rows cannot be found or read.
    """
    name = f"{settings.model.name}/{version}"
    known = journal.get(KIND, name)
    if known is not None and known.value.get("asked") == settings.monitor.reference:
        return Reference.from_dict(known.value["reference"])
    path, source, digest = rows_of(root, settings, journal, name)
    model = settings.model
    inputs = inputs or inputs_of(journal, name)
    made = build_reference(
        path,
        model.target,
        window=settings.monitor.window,
        exclude=model.id_columns,
        only=inputs,
        time_column=model.time_column,
        source=source,
        digest=digest,
    )
    remember(journal, settings, version, made, inputs)
    return made


def remember(
    journal: Journal, settings: Settings, version: str, made: Reference, inputs: Names
) -> None:
    """Keep the reference of a version, and which columns its model takes."""
    asked = settings.monitor.reference
    value = {"asked": asked, "reference": made.to_dict(), "inputs": list(inputs)}
    with journal.transaction() as tx:
        tx.put(KIND, f"{settings.model.name}/{version}", value)


def features_of(journal: Journal, settings: Settings, version: str) -> tuple[str, ...]:
    """Return the features of a version's reference; () when none was made yet."""
    known = journal.get(KIND, f"{settings.model.name}/{version}")
    if known is None or known.value.get("asked") != settings.monitor.reference:
        return ()
    return tuple(str(one["name"]) for one in known.value["reference"]["features"])


def inputs_of(journal: Journal, name: str) -> Names:
    """Return the columns that a registered version takes; () when unknown.

    They are kept when it is registered: a model of a tracking server is nowhere on this machine.
    """
    known = journal.get(KIND, name)
    if known is not None and known.value.get("inputs"):
        return tuple(known.value["inputs"])
    record = journal.get("version", name)
    source = urlparse(str(record.value.get("source", "")) if record else "")
    return inputs_at(Path(unquote(source.path)))


def inputs_at(place: Path) -> Names:
    """Return the columns that the MLflow model in a directory takes, by its signature."""
    import json

    import yaml

    try:
        item = yaml.safe_load((place / "MLmodel").read_bytes()) or {}
        inputs = json.loads((item.get("signature") or {}).get("inputs") or "[]")
    except (OSError, ValueError, yaml.YAMLError, AttributeError):
        return ()
    names = [one.get("name") for one in inputs if isinstance(one, dict)]
    return tuple(str(one) for one in names) if names and all(names) else ()


def rows_of(root: Path, settings: Settings, journal: Journal, name: str) -> tuple[Path, str, str]:
    """Return the file with the reference's rows, what it is in words, and its digest.

    Raises:
        StateError: ``monitor.no-reference``.
    """
    wanted, model = settings.monitor.reference, settings.model
    if wanted == "train":
        artifact = _of_its_run(journal, name, model.train_data) if model.train_data else None
        if artifact is not None:
            return _brought_back(root, artifact), "training data", artifact.md5
        if model.train_data and (root / model.train_data).is_file():
            return root / model.train_data, "training data", ""
        if model.train_data:
            raise _missing(model.train_data)
    # Without `model.train_data` the test data is the next best: rows of the same kind.
    tested = wanted in {"train", "test"}
    path = root / (model.test_data if tested else wanted)
    if not path.is_file():
        judged = _of_its_run(journal, name, model.test_data) if tested else None
        if judged is not None:
            return _brought_back(root, judged), "test data", judged.md5
        raise _missing(str(path.relative_to(root) if path.is_relative_to(root) else path))
    return path, "test data" if tested else wanted, ""


def _missing(name: str) -> StateError:
    return StateError(
        f"the reference of drift, {name}, is not there",
        code="monitor.no-reference",
        hint="bring it back with `dvc pull`, or say in penstock.yaml which rows are the reference: "
        "model.train_data, or monitor.reference",
    )


def _of_its_run(journal: Journal, name: str, path: str) -> Artifact | None:
    version = journal.get("version", name)
    run = journal.get("run", str(version.value.get("run_id"))) if version else None
    if run is None:
        return None
    for stage in Run.from_dict(run.value).stages:
        for artifact in (*stage.outs, *stage.deps):
            if artifact.path == path and not artifact.is_dir:
                return artifact
    return None


def _brought_back(root: Path, artifact: Artifact) -> Path:
    place = root / ".penstock" / "reference" / f"{artifact.md5}{Path(artifact.path).suffix}"
    if place.exists():
        return place
    store = Store.open(root)
    try:
        store.checkout(artifact, place)
    except PenstockError as error:
        raise _missing(f"{artifact.path} ({artifact.md5[:8]})") from error
    finally:
        store.close()
    return place


def without_rows(reference: Reference) -> dict[str, Any]:
    """Return what a person wants to know of a reference, as plain values."""
    return {
        "source": reference.source,
        "rows": reference.rows,
        "features": len(reference.features),
        "calibrated": reference.calibrated,
        "digest": reference.digest,
    }
