"""A program of ours in a process of its own: what loads a model may crash, hang or print."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        why: what went wrong, in words; None when nothing did.
        output: what it printed.
        said: lines of its standard error.
    """

    why: str | None
    output: str = ""
    said: tuple[str, ...] = ()


def run_apart(
    words: Sequence[str], *, cwd: Path | str, env: Mapping[str, str], timeout: float
) -> Ended:
    """Run a program to its end, or to the end of the time that it has.

    Args:
        words: the command line.
        cwd: where.
        env: the whole environment.
        timeout: seconds.
    """
    try:
        done = subprocess.run(
            list(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd=cwd,
            env=dict(env),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended(f"it took longer than {timeout:.0f} s")
    said = tuple(done.stderr.strip().splitlines())
    if done.returncode == 0:
        return Ended(None, done.stdout, said)
    last = said[-1] if said else f"its process ended with {done.returncode}"
    return Ended(last, done.stdout, said)
