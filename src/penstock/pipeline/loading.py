"""Loads the pipeline of a project: every dvc.yaml and .dvc file, checked as a whole.

What was parsed is kept in ``.penstock/cache/pipeline.json`` with the stamps of every file that
went into it, so that a command with nothing to do reads no YAML at all.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from penstock.artifacts.home import own_directory
from penstock.artifacts.stamps import Stamp
from penstock.domain.pipeline import Pipeline, Place, Stage
from penstock.errors import ConfigError, Problem, Span, StateError
from penstock.pipeline import codec, durable, finding

_VERSION = "pipeline-4"


def load(root: Path) -> Pipeline:
    """Return the stages of all dvc.yaml and .dvc files of a project.

    Raises:
        ConfigError: with every problem of every file, each with its place.
        StateError: ``pipeline.no-pipeline`` when there is no dvc.yaml at all.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - links stay as they are
    path = root / ".penstock" / "cache" / "pipeline.json"
    cache = durable.read_cache(path, _VERSION)
    outs = set(cache.get("outs", ()))
    ignored = _Ignored(root)
    files, listing, moved = finding.find(
        root, cache.get("folders", {}), lambda folder: folder in outs or ignored(folder)
    )
    now = time.time_ns()
    if cache and files == cache["files"] and _unchanged(root, cache["inputs"]):
        pipeline = codec.decode(cache["pipeline"])
        if moved:
            durable.write_cache(path, _VERSION, {**cache, "folders": listing})
        return pipeline
    if not any(file.endswith("dvc.yaml") for file in files):
        raise StateError(
            f"there is no dvc.yaml in {root}",
            code="pipeline.no-pipeline",
            hint="write one (`dvc stage add`), or go to the project's directory",
        )
    reader = Reader(root)
    pipeline = reader.read(files)
    stamps = {file: _stamp(root, file) for file in reader.inputs}
    if all(stamp is None or Stamp(*stamp).settled(now) for stamp in stamps.values()):
        outs = {out.full for stage in pipeline.stages.values() for out in stage.outs}
        data = {
            "files": files,
            "folders": listing,
            "outs": sorted(outs),
            "inputs": stamps,
            "pipeline": codec.encode(pipeline),
        }
        with contextlib.suppress(OSError):
            own_directory(root)
        durable.write_cache(path, _VERSION, data)
    return pipeline


class _Ignored:
    """Says which directories .dvcignore leaves out; reads it when first asked."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ignore: Any = None
        self._some = (root / ".dvcignore").exists()

    def __call__(self, folder: str) -> bool:
        if not self._some:
            return False
        if self._ignore is None:
            from penstock.artifacts.ignore import Ignore

            self._ignore = Ignore(self._root, self._root)
        return bool(self._ignore.ignores(folder, is_dir=True))


def _stamp(root: Path, file: str) -> list[int] | None:
    try:
        return list(Stamp.of(os.stat(os.path.join(root, file))))  # noqa: PTH116, PTH118 - hot
    except OSError:
        return None


def _unchanged(root: Path, inputs: dict[str, Any]) -> bool:
    return all(_stamp(root, file) == stamp for file, stamp in inputs.items())


class Reader:
    """Reads files from scratch and notes which ones it looked at."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.inputs: dict[str, None] = {}
        self._params: dict[str, Any] = {}
        self._parsing: dict[str, str] | None = None
        self._datasets: dict[str, tuple[str, Any, Place]] = {}

    def read(self, files: list[str]) -> Pipeline:
        """Return the pipeline of these files.

        Raises:
            ConfigError: with every problem.
        """
        from penstock.pipeline import datasets, graph
        from penstock.pipeline.dvcfile import read as read_dvc

        problems: list[Problem] = []
        stages: dict[str, Stage] = {}
        listed: dict[str, list[str]] = {"metrics": [], "plots": [], "params": []}
        artifacts: dict[str, dict[str, Any]] = {}
        for file in files:
            self.inputs[file] = None
            try:
                if file.endswith(".dvc"):
                    stages[file] = read_dvc(self._root / file, file)
                else:
                    self._dvcyaml(file, stages, listed, artifacts, problems)
            except ConfigError as error:
                problems += error.problems
        problems += datasets.attach(stages, self._datasets)
        if not problems:
            upstream, problems = graph.connect(stages)
        if problems:
            raise ConfigError.of(_distinct(problems))
        return Pipeline(
            stages,
            upstream,
            tuple(listed["metrics"]),
            tuple(listed["plots"]),
            tuple(listed["params"]),
            artifacts,
            tuple(self.inputs),
        )

    def _dvcyaml(
        self,
        file: str,
        stages: dict[str, Stage],
        listed: dict[str, list[str]],
        artifacts: dict[str, dict[str, Any]],
        problems: list[Problem],
    ) -> None:
        from penstock.config import source
        from penstock.pipeline.dvcyaml import DvcYaml

        document = source.read(self._root / file, file=file)
        folder, root = os.path.dirname(file), self._root.as_posix()  # noqa: PTH120
        reader = DvcYaml(document, folder, self._load, self._settings, root)
        made, found = reader.read()
        if not found:
            for section, paths in listed.items():
                paths += reader.listed(section)
            artifacts.update(reader.artifacts())
            self._datasets.update(reader.datasets(file))
        problems += found
        for stage in made:
            if stage.address in stages:
                message = f"two stages are called {stage.name}"
                hint = "the names that foreach and matrix make must differ"
                problems.append(
                    Problem("dvcyaml.duplicate-stage", message, Span(*stage.place), hint)
                )
            stages[stage.address] = stage

    def _load(self, file: str) -> Any:
        from penstock.pipeline import parameters

        self.inputs[file] = None
        if file not in self._params:
            path = self._root / file
            self._params[file] = parameters.load(path, file) if path.is_file() else None
        return self._params[file]

    def _settings(self, name: str) -> str:
        """Return one of DVC's settings of the section `parsing`, "" when it is not set."""
        if self._parsing is None:
            from penstock.artifacts.configfile import parse_config
            from penstock.artifacts.dvcconfig import config_files

            self._parsing = {}
            for path in config_files(self._root):
                if path.is_file():
                    sections = parse_config(path.read_text(encoding="utf-8"), str(path))
                    options = sections.get("parsing", {})
                    self._parsing.update({key: str(value) for key, value in options.items()})
        return self._parsing.get(name, "")


def _distinct(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
