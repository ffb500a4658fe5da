"""Locked environments of models.

A model says what it needs in its `requirements.txt` (MLflow writes it). The interpreter that runs
penstock serves the model when it holds exactly that; otherwise an environment is made with uv,
once: environments with the same lock are the same folder, whatever model asks for them.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import UnavailableError

_READY = ".penstock-ready"


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter with its packages.

    Attributes:
        python: absolute path of the interpreter.
        digest: of the lock: equal digests are the same packages.
        lock: the lock itself, one pinned requirement a line.
    """

    python: str
    digest: str
    lock: str


def requirements_of(model: Path) -> list[str]:
    """Return what a model says it needs; nothing when it does not say.

    Raises:
        OSError: when the file is there and cannot be read.
    """
    listed = model / "requirements.txt"
    if not listed.is_file():
        return []
    lines = (line.split("#", 1)[0].strip() for line in listed.read_text().splitlines())
    return sorted(line for line in lines if line and not line.startswith("-"))


def resolve(model: Path, *, cache: Path | None = None, also: Sequence[str] = ()) -> Environment:
    """Return the environment in which a model runs, making it when there is none yet.

    Args:
        model: directory of an MLflow model.
        cache: folder of environments; by default below the user's cache directory.
        also: requirements beside the model's own.

    Raises:
        UnavailableError: ``packaging.environment`` when it has to be made and cannot be.
    """
    wanted = sorted({*requirements_of(model), *also})
    present = _pins_here(wanted)
    if present is not None:
        return Environment(sys.executable, _digest(present), "\n".join(present) + "\n")
    folder = cache or _cache_home() / "environments"
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / "lock"):
        lock = _compile(wanted, folder)
        digest = _digest(sorted(line for line in lock.splitlines() if line[:1].isalnum()))
        place = folder / digest[:16]
        python = place / "bin" / "python"
        if not (place / _READY).exists():
            _create(place, lock)
        return Environment(str(python), digest, lock)


def _pins_here(wanted: list[str]) -> list[str] | None:
    """Return the pins of this interpreter that satisfy the requirements, None if one does not."""
    from packaging.requirements import InvalidRequirement, Requirement

    pins = [f"python=={sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"]
    for line in wanted:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            return None
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            if requirement.name == "mlflow" and _satisfies_skinny(requirement):
                continue
            return None
        if not requirement.specifier.contains(version, prereleases=True):
            return None
        pins.append(f"{requirement.name.lower()}=={version}")
    return pins


def _satisfies_skinny(requirement: object) -> bool:
    """Say whether mlflow-skinny stands in for `mlflow`: serving needs no more of it."""
    from packaging.requirements import Requirement

    assert isinstance(requirement, Requirement)
    try:
        version = importlib.metadata.version("mlflow-skinny")
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a file lock: two processes that need the same environment make it once."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def uv_command() -> str:
    """Return the uv to use: the one beside this interpreter, or that of the PATH.

    Raises:
        UnavailableError: ``packaging.environment``: there is none.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise UnavailableError(
            "an environment has to be made, and uv is not installed to make it",
            code="packaging.environment",
            hint="pip install uv",
        )
    return found


def uv_run(
    words: list[str],
    stdin: str | None = None,
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> str:
    """Run uv and return what it prints.

    Raises:
        UnavailableError: ``packaging.environment``, with its last words.
    """
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, check=False, cwd=cwd, env=env
    )
    if done.returncode != 0:
        tail = done.stderr.strip().splitlines()[-12:]
        raise UnavailableError(
            "the environment cannot be made",
            code="packaging.environment",
            hint="is the package index reachable, and do the requirements resolve?",
            log_tail=tail,
        )
    return done.stdout


def _compile(wanted: list[str], folder: Path) -> str:
    """Return the lock of requirements, resolved once and kept by their digest."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = [f"# python {version}", *wanted, *_needed_to_serve(wanted)]
    kept = folder / f"{_digest(asked)[:16]}.lock"
    if not kept.exists():
        words = [
            uv_command(),
            "pip",
            "compile",
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
        ]
        lock = uv_run([*words, "--python-version", version, "-"], "\n".join(asked))
        fresh = kept.with_suffix(f".{os.getpid()}")
        fresh.write_text(lock)
        fresh.replace(kept)
    return kept.read_text()


def _needed_to_serve(wanted: list[str]) -> list[str]:
    """Return what the serving process itself needs beside the model."""
    names = {line.split("=")[0].split("<")[0].split(">")[0].strip().lower() for line in wanted}
    return [one for one in ("numpy", "pandas", "orjson", "pyyaml") if one not in names]


def _create(place: Path, lock: str) -> None:
    shutil.rmtree(place, ignore_errors=True)
    uv = uv_command()
    uv_run([uv, "venv", "--quiet", "--python", sys.executable, str(place)])
    listed = place / "penstock.lock"
    listed.write_text(lock)
    python = str(place / "bin" / "python")
    words = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    uv_run([*words, "--require-hashes", "-r", str(listed)])
    (place / _READY).touch()
