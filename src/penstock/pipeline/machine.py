"""What the machine and the project's environment offer to stages."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Return the bytes of memory that the machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 1 << 62


def gpus() -> list[str]:
    """Return the devices that stages may use, as CUDA_VISIBLE_DEVICES names them."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is not None:
        return [name.strip() for name in wanted.split(",") if name.strip()]
    return [str(number) for number in range(16) if Path(f"/dev/nvidia{number}").exists()]


def environment(root: Path, marks: dict[str, str], path: str | None = None) -> dict[str, str]:
    """Return the environment that all stages share.

    The interpreter that runs penstock comes first on the PATH, so that `python` in a command is
    the project's even when no environment is active.

    Args:
        root: of the project.
        marks: more variables.
        path: the PATH, instead of that.
    """
    env = dict(os.environ)
    if path is None:
        here = os.path.dirname(sys.executable)  # noqa: PTH120 - not resolved: it may be a link
        path = env.get("PATH", os.defpath)
        if path.split(os.pathsep)[0] != here:
            path = here + os.pathsep + path
    env.update(
        PATH=path,
        DVC_ROOT=str(root),
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
        DVC_NO_ANALYTICS="1",
        **marks,
    )
    return env
