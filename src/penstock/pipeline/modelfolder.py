"""Two MLflow model directories that say the same, but for the stamp that MLflow gives each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.artifacts.listing import parse_listing
from penstock.domain.artifact import Artifact
from penstock.errors import PenstockError

STAMPS = ("utc_time_created", "model_uuid", "model_id", "run_id", "artifact_path")
"""What MLflow writes anew into the file `MLmodel` each time, whatever the model is."""
_FILE = "MLmodel"


def same_but_for_stamp(store: Store, before: Artifact, after: Artifact, folder: Path) -> bool:
    """Whether two versions of a directory differ in nothing but MLflow's stamp.

    Args:
        store: has the old version.
        before, after: the versions.
        folder: the new version.
    """
    try:
        old = parse_listing(store.objects.read(before.md5), before.md5)
        new = parse_listing(store.objects.read(after.md5), after.md5)
        if old.keys() != new.keys() or _FILE not in old:
            return False
        if {name for name in old if old[name] != new[name]} != {_FILE}:
            return False
        then = store.objects.read(old[_FILE])
        now = (folder / _FILE).read_bytes()
    except (PenstockError, OSError, ValueError):
        return False
    return _unstamped(then) == _unstamped(now) != {}


def _unstamped(content: bytes) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.load(content, yaml.CSafeLoader)
    except yaml.YAMLError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name not in STAMPS}
