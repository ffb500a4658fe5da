"""The environment of a recorded run, made again from its lock.

The lock is content of the commit, or the list of packages that was kept when the run was recorded.
An interpreter that holds the same packages already is taken as it is.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import sys
from pathlib import Path

from penstock.errors import UnavailableError
from penstock.packaging.environment import held, uv_command, uv_run

_OTHERS = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm"}
_HERE = ".".join(str(one) for one in sys.version_info[:3])
_PYTHON = re.compile(r"# python (\d+\.\d+\.\d+)\s*$", re.MULTILINE)


def rebuild(lock: Path, folder: Path, *, project: Path) -> str:
    """Return an interpreter that holds what a lock names, making it when there is none yet.

    Args:
        lock: a list of pinned requirements, a ``uv.lock`` or a ``pylock.toml``.
        folder: where environments are made, one for each content of a lock.
        project: the work tree that the lock belongs to.

    Raises:
        UnavailableError: ``replay.environment`` for a lock that only another tool can read,
            ``packaging.environment`` when the packages cannot be had.
        OSError: the lock cannot be read.
    """
    content = lock.read_bytes()
    text = content.decode("utf-8", "replace")
    if held_here(lock):
        return sys.executable
    if lock.name == "uv.lock":
        return _from_uv_lock(project)
    if lock.name in _OTHERS:
        raise UnavailableError(
            f"{lock.name} is read by {_OTHERS[lock.name]} alone",
            code="replay.environment",
            hint="install it with that, and name its interpreter: `--python PATH`",
        )
    place = folder / hashlib.sha256(content).hexdigest()[:16]
    python = place / "bin" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / "lock"):
        if not (place / "ready").exists():
            _make(place, lock, text, project)
    return str(python)


def _make(place: Path, lock: Path, text: str, project: Path) -> None:
    uv, python = uv_command(), str(place / "bin" / "python")
    wanted = _PYTHON.search(text)
    version = wanted.group(1) if wanted and wanted.group(1) != _HERE else sys.executable
    uv_run([uv, "venv", "--quiet", "--clear", "--python", version, str(place)])
    options = ["--quiet", "--compile-bytecode", "--python", python]
    if lock.name == "pylock.toml":
        uv_run([uv, "pip", "sync", *options, str(lock)], cwd=project)
    else:
        hashes = ["--require-hashes"] if "--hash=" in text else ["--no-deps"]
        uv_run([uv, "pip", "install", *options, *hashes, "-r", str(lock)], cwd=project)
    (place / "ready").touch()


def _from_uv_lock(project: Path) -> str:
    """Return the interpreter of the environment that uv keeps beside a work tree."""
    place = project / ".penstock" / "environment"
    words = [uv_command(), "sync", "--quiet", "--frozen", "--no-progress"]
    uv_run(words, cwd=project, env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(place)})
    return str(place / "bin" / "python")


def held_here(lock: Path) -> bool | None:
    """Whether this interpreter holds every package that is pinned, in that version.

    Returns:
        None for a lock that is no list of requirements: only its own tool could tell.

    Raises:
        OSError: the lock cannot be read.
    """
    if lock.suffix not in (".txt", ".lock") or lock.name in _OTHERS:
        return None
    text = lock.read_text("utf-8", "replace")
    wanted = _PYTHON.search(text)
    if wanted and wanted.group(1) != _HERE:
        return False
    lines = [line.strip() for line in text.splitlines()]
    return all(_holds(line) for line in lines if line and not line.startswith(("#", "-")))


def _holds(line: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        pin = Requirement(line.partition(" --hash")[0].rstrip("\\ "))
        if pin.marker is not None and not pin.marker.evaluate():
            return True
        version = importlib.metadata.version(pin.name)
    except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
        return False
    return pin.url is None and pin.specifier.contains(version, prereleases=True)
