"""Finds a project and loads its settings, with every problem of penstock.yaml at once.

What was found valid is kept in `.penstock/settings.json` under the digest of the files that it was
made from, so that neither pydantic nor a YAML parser is loaded again until one of them changes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from penstock.config import cache
from penstock.config.settings import Settings
from penstock.errors import ConfigError, Span, StateError

FILE = "penstock.yaml"


def find_project(start: Path) -> Path:
    """Return the directory with penstock.yaml: `start` or the nearest one above it.

    Raises:
        StateError: ``project.not-found``.
    """
    start = start.resolve()
    for directory in (start, *start.parents):
        if (directory / FILE).is_file():
            return directory
    raise StateError(
        f"no {FILE} in {start} or above it",
        code="project.not-found",
        hint="`penstock init` adopts a repository; `-C DIR` names another directory",
    )


def load_settings(root: Path) -> Settings:
    """Return the settings of the project in a directory.

    Raises:
        ConfigError: every problem of penstock.yaml at once, each with its place and remedy.
        StateError: ``project.not-found``: there is no penstock.yaml.
    """
    path = root / FILE
    alone, key = _digest(root, FILE), _digest(root, FILE, "dvc.yaml")
    if alone is None or key is None:
        find_project(root)
        raise StateError(
            f"no {FILE} in {root}", code="project.not-found", hint="`penstock init` writes one"
        )
    known = cache.load(root, alone) or cache.load(root, key)
    if known is not None:
        return known
    settings = check(path, root)
    # Only tests name stages: without them, an edit of dvc.yaml changes nothing here.
    cache.save(root, key if settings.tests else alone, settings)
    return settings


def check(path: Path, root: Path | None = None) -> Settings:
    """Read and check a penstock.yaml, whatever is cached.

    Raises:
        ConfigError: every problem at once, each with its place and remedy.
    """
    from penstock.config.source import read

    root = root or path.parent
    document = read(path)
    if not isinstance(document.value, dict):
        raise ConfigError(
            f"{document.file} holds no settings",
            code="config.empty",
            span=document.span(),
            hint="it is a mapping that begins with `model:`; `penstock init` writes one",
        )
    return _checked(document, root)


def _checked(document: Any, root: Path) -> Settings:
    from pydantic import ValidationError

    from penstock.config.build import build
    from penstock.config.problems import problems
    from penstock.config.references import unknown_stages
    from penstock.config.schema import Written

    found = unknown_stages(document, root)
    try:
        written = Written.model_validate(document.value)
    except ValidationError as error:
        found = [*problems(error, document), *found]
    else:
        if not found:
            return build(written, document, root)
    raise ConfigError.of(found)


def place_of(root: Path, *keys: str | int) -> Span:
    """Return where penstock.yaml says something, or the nearest place around it."""
    from penstock.config.source import read

    return read(root / FILE, file=FILE).span(keys)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of penstock.yaml, for editors."""
    from penstock.config.published import json_schema as published

    return published()


def _digest(root: Path, *names: str) -> str | None:
    """Return the digest of what settings are made from; None without a penstock.yaml."""
    digest = hashlib.sha256()
    for name in names:
        try:
            data = (root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if name == FILE:
                return None
            data = b""
        except OSError:
            data = b"?"
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
