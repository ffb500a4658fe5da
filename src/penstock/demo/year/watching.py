"""Looks once a day, as `penstock watch` does: a process of its own, told when to look.

    python -m penstock.demo.year.watching PROJECT

Each line on standard input is answered by one line of JSON: ``look`` takes a look and acts, with
the very two calls of the command; ``act`` only goes on with what was begun; ``ask`` says how
things stand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from penstock.errors import StageError


class Watching:
    """The watching process, from outside.

    Args:
        root: of the project.
        environment: for the process.
    """

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        log = root / ".penstock" / "logs" / "watching.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("ab") as words:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                env=environment,
                text=True,
            )

    def ask(self, word: str) -> dict[str, Any]:
        """Say a word and return the answer.

        Raises:
            StageError: ``demo.watch-ended`` when the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # told below
        line = self._process.stdout.readline()
        if not line:
            raise StageError(
                "the process that watches has ended",
                code="demo.watch-ended",
                hint=f"its words are in {self._log}",
                log_tail=self._log.read_text(errors="replace").splitlines()[-15:],
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process, and what it has begun."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def main(root: Path) -> int:
    """Answer until standard input ends."""
    from penstock.assembly import Project
    from penstock.retraining.watching import Watch

    heard: list[str] = []
    with Project.open(root) as project:
        watch = Watch(project, heard.append)
        try:
            for line in sys.stdin:
                answer: dict[str, Any] = {}
                if line.strip() == "look":
                    answer["seen"] = _short(watch.look(time.time()))
                if line.strip() in {"look", "act"}:
                    watch.act(time.time())
                answer |= _standing(project, watch)
                answer["heard"], heard[:] = list(heard), []
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()
        finally:
            watch.close()
    return os.EX_OK


def _short(seen: dict[str, Any]) -> dict[str, Any]:
    failed = [one["name"] for one in seen["verdicts"] if one["outcome"] == "failed"]
    losses = [
        one["evidence"][0]["value"]
        for one in seen["verdicts"]
        if one["name"] == "quality" and one["evidence"]
    ]
    return {
        "failed": failed,
        "loss": next(iter(losses), None),
        "words": [one["words"] for one in seen["verdicts"] if one["outcome"] == "failed"],
        "requests": [one["reason"] for one in seen["requests"]],
        "decision": seen["decision"],
        "troubles": seen["troubles"],
    }


def _standing(project: Any, watch: Any) -> dict[str, Any]:
    """Return what is under way: a training, a rollout."""
    from penstock.retraining.order import Retrainer

    begun = Retrainer(project).under_way()
    rollout = project.controller().active()
    return {
        "champion": project.champion_number(),
        "retraining": begun and {name: begun.get(name) for name in ("id", "phase", "version")},
        "training": begun is not None and begun["phase"] not in {"rolling", "trained"},
        "busy": watch.busy(),
        "rollout": rollout
        and {
            "id": rollout.id,
            "phase": rollout.phase.value,
            "weight": rollout.weight,
            "version": rollout.challenger.version,
            "updated": rollout.updated,
            "words": rollout.words,
        },
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
