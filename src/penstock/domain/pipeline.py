"""Pipelines: the stages of a project, as dvc.yaml declares them, expanded and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Place = tuple[str, int, int]
"""File (posix, relative to the project), line and column, both from 1."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A file or directory that a stage reads.

    Attributes:
        path: as written by the user (posix, relative to the stage's working directory).
        full: the same, relative to the project's root; absolute when it lies outside.
        place: where it is written.
        dataset: of a data set (``ds://name``), the lock file that holds its version, and as JSON
            what dvc.yaml says of it; None for anything else.
    """

    path: str
    full: str
    place: Place
    dataset: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A file or directory that a stage writes.

    Attributes:
        path, full, place: as of `Dependency`.
        kind: ``out``, ``metric`` or ``plot``.
        cache: whether its bytes are kept in the cache (and the file out of Git).
        persist: whether it is left in place before the stage runs.
        push: whether it goes to the remote.
        remote: the remote that it goes to, None for the project's.
        artifact: what a ``.dvc`` file says about its content, None for an output of dvc.yaml.
    """

    path: str
    full: str
    place: Place
    kind: str = "out"
    cache: bool = True
    persist: bool = False
    push: bool = True
    remote: str | None = None
    artifact: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ParamsFile:
    """Values of one file that a stage reads.

    Attributes:
        path, full, place: as of `Dependency`.
        keys: dotted names; empty means the whole file.
    """

    path: str
    full: str
    place: Place
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resources:
    """What a stage asks for under ``meta: penstock:``, which DVC does not know.

    Attributes:
        cpus: cores that the stage keeps busy.
        memory: bytes.
        gpus: number of devices.
        limits: groups that it belongs to, each with the most of its stages that run at once.
        timeout: seconds after which it is stopped, None for no limit.
        retries: further attempts after a failed one.
        delay: seconds before the first further attempt; doubled for each one after it.
        env: variables added to its environment.
        threads: of its numeric libraries, 0 for as many as they like.
    """

    cpus: float = 1.0
    memory: int = 0
    gpus: int = 0
    limits: tuple[tuple[str, int], ...] = ()
    timeout: float | None = None
    retries: int = 0
    delay: float = 1.0
    env: tuple[tuple[str, str], ...] = ()
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage, with everything filled in.

    Attributes:
        address: unique name in the project: ``train``, ``sub/dvc.yaml:train``, ``data.csv.dvc``.
        name: as in its file, with ``@key`` for an expanded one; "" for a ``.dvc`` file.
        file: the dvc.yaml or .dvc file, posix, relative to the project's root.
        wdir: working directory, relative to the project's root, ``.`` for the root itself.
        cmd: a string, a list of strings, or None for a ``.dvc`` file that tracks data.
        place: where it is declared.
        group: name of the ``foreach`` or ``matrix`` it was expanded from.
    """

    address: str
    name: str
    file: str
    wdir: str
    cmd: str | list[str] | None
    place: Place
    deps: tuple[Dependency, ...] = ()
    params: tuple[ParamsFile, ...] = ()
    outs: tuple[Output, ...] = ()
    frozen: bool = False
    always_changed: bool = False
    desc: str | None = None
    group: str | None = None
    resources: Resources = Resources()

    @property
    def is_data(self) -> bool:
        """Whether it only tracks data that somebody added (a ``.dvc`` file)."""
        return self.cmd is None

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines of `cmd`, each of which runs in a shell of its own."""
        if self.cmd is None:
            return ()
        return tuple(self.cmd.splitlines()) if isinstance(self.cmd, str) else tuple(self.cmd)

    @property
    def lock(self) -> str:
        """The lock file that records it, relative to the project's root."""
        return self.file[: -len("yaml")] + "lock" if self.file.endswith(".yaml") else self.file


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All stages of a project and how they hang together.

    Attributes:
        stages: by address, in the order of the files.
        upstream: addresses of the stages whose outputs a stage reads.
        metrics, plots, params: files that dvc.yaml names at its top level, relative to the root.
        files: every file that was read to make it, relative to the root.
    """

    stages: dict[str, Stage]
    upstream: dict[str, tuple[str, ...]]
    metrics: tuple[str, ...] = ()
    plots: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def downstream(self) -> dict[str, list[str]]:
        """Return, for each stage, the stages that read its outputs."""
        result: dict[str, list[str]] = {address: [] for address in self.stages}
        for address, sources in self.upstream.items():
            for source in sources:
                result[source].append(address)
        return result
