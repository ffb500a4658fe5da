"""What penstock.yaml says that the pipeline makes: found wanting before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from penstock.config import place_of
from penstock.domain.pipeline import Pipeline
from penstock.errors import ConfigError, Problem


def refuse_unmade(pipeline: Pipeline, root: Path, promised: Mapping[str, str]) -> None:
    """Refuse settings that name a file which no stage makes and which is not there.

    Args:
        pipeline: what is made.
        root: of the project.
        promised: paths relative to the project, by the name of the setting (``model.path``).

    Raises:
        ConfigError: ``project.unmade``, with the place in penstock.yaml and the nearest output.
    """
    outs = {out.full: None for stage in pipeline.stages.values() for out in stage.outs}
    problems = []
    for setting, path in promised.items():
        plain = path.removeprefix("./").rstrip("/")
        made = any(plain == out or plain.startswith(f"{out}/") for out in outs)
        if made or (root / path).exists() or any(out.startswith(f"{plain}/") for out in outs):
            continue
        near = difflib.get_close_matches(plain, outs, n=1, cutoff=0.5)
        problems.append(
            Problem(
                "project.unmade",
                f"{setting} is {path}: no stage of dvc.yaml makes it, and it is not there",
                span=place_of(root, *setting.split(".")),
                hint=f"did you mean `{near[0]}`?"
                if near
                else f"dvc.yaml makes {', '.join(list(outs)[:4]) or 'nothing'}",
            )
        )
    if problems:
        raise ConfigError.of(problems)
