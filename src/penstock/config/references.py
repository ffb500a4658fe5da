"""Checks what penstock.yaml says of stages against dvc.yaml."""

from __future__ import annotations

import difflib
from pathlib import Path

from penstock.config.source import Document, read
from penstock.errors import ConfigError, Problem


def unknown_stages(document: Document, root: Path) -> list[Problem]:
    """Return a problem for each stage with tests that dvc.yaml does not have.

    Generated stages (``name@key``) are known by the name before the ``@``; stages of other
    dvc.yaml files (``path:name``) are left to the pipeline.
    """
    tests = document.value.get("tests")
    path = root / "dvc.yaml"
    if not isinstance(tests, dict) or not path.is_file():
        return []
    try:
        stages = _stages(path)
    except ConfigError:
        return []  # whoever loads the pipeline reports it in full
    found = []
    for name in tests:
        stage = str(name)
        if ":" in stage or stage.partition("@")[0] in stages:
            continue
        near = difflib.get_close_matches(stage, stages, n=1, cutoff=0.6)
        known = f"stages of dvc.yaml: {', '.join(stages)}" if stages else "dvc.yaml has no stages"
        hint = f"did you mean `{near[0]}`?" if near else known
        span = document.span(("tests", name), key=True)
        found.append(
            Problem("config.unknown-stage", f"dvc.yaml has no stage `{stage}`", span, hint)
        )
    return found


def _stages(path: Path) -> list[str]:
    value = read(path).value
    stages = value.get("stages") if isinstance(value, dict) else None
    return [str(name) for name in stages] if isinstance(stages, dict) else []
