"""Work that goes on when a command has ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def drive_rollout(log: Path, root: Path, rollout_id: str) -> None:
    """Let a process of its own move a rollout forward until it has ended.

    Two that drive the same rollout do no harm: each step holds the rollout's lock.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "penstock", "rollout", "drive", rollout_id]
    with log.open("ab") as out:
        subprocess.Popen(
            [*words, "--project", str(root)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
