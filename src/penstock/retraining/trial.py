"""The process of one trial: some stages at a commit, with some parameters, without the test data.

It is told what to do on standard input and answers on standard output. When standard input ends,
whoever started it is gone, and it ends too, with its stages.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from penstock import pipeline
from penstock.domain.run import RunOutcome
from penstock.errors import PenstockError
from penstock.pipeline import parameters as files
from penstock.pipeline import worktree
from penstock.retraining import parameters


def measured(base: Path, names: Sequence[str]) -> dict[str, float]:
    """Return the numbers of some metrics files, flat; also as ``FILE:KEY``."""
    found: dict[str, float] = {}
    for name in names:
        path = base / name
        if not path.is_file():
            continue
        try:
            values = files.flatten(files.load(path, name))
        except (PenstockError, OSError):  # being written, or not there any more
            continue
        for key, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(key, float(value))
                found[f"{name}:{key}"] = float(value)
    return found


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one trial and return its metrics, or its error in words."""
    root, commit = Path(spec["root"]), spec["commit"]
    base = worktree.prepare(root, commit, spec["name"])
    for file, values in parameters.grouped(spec["params"]).items():
        text = (base / file).read_text(encoding="utf-8")
        (base / file).write_text(parameters.edit(text, values, file), encoding="utf-8")
    for name in spec["files"]:
        (base / name).unlink(missing_ok=True)  # what an earlier trial measured
    how: dict[str, Any] = {
        "revision": worktree.described(root, commit),
        "base": root,
        "jobs": 1,
    }
    with closing(worktree.shared_store(root, base)) as store:
        # What makes the test data runs first; then the data is taken away, and so is the
        # stage that makes it, so that nothing brings it back.
        if spec["makers"]:
            made = pipeline.execute(base, targets=spec["makers"], needed=(), store=store, **how)
            if made.outcome is not RunOutcome.SUCCEEDED:
                return {"error": _why(made)}
        hide(base / spec["hidden"])
        cut(base, spec["makers"])
        done = pipeline.execute(
            base, targets=spec["stages"], needed=spec["files"], store=store, **how
        )
    if done.outcome is not RunOutcome.SUCCEEDED:
        return {"error": _why(done)}
    return {"metrics": measured(base, spec["files"])}


def hide(path: Path) -> None:
    """Remove the test data from a trial's worktree."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def cut(base: Path, addresses: Sequence[str]) -> None:
    """Take stages out of the dvc.yaml of a trial's worktree; what they made stays as a file.

    A stage that was expanded (``foreach``, ``matrix``) has no place of its own for that: such a
    stage may make its data again.
    """
    from ruamel.yaml import YAML

    made = pipeline.load(base)
    yaml = YAML()
    for address in addresses:
        stage = made.stages[address]
        if stage.group is not None:
            continue
        path = base / stage.file
        document = yaml.load(path.read_text(encoding="utf-8"))
        del document["stages"][stage.name]
        with path.open("w", encoding="utf-8") as stream:
            yaml.dump(document, stream)


def _why(run: Any) -> str:
    found = [one.error for one in run.stages if one.error]
    return found[0] if found else f"the trial's run was {run.outcome.value}"


def main() -> int:
    """Read what to do, do it, answer."""
    signal.signal(signal.SIGTERM, _interrupt)
    spec = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer = run(spec)
    except PenstockError as error:
        answer = {"error": error.message}
    except KeyboardInterrupt:
        answer = {"error": "interrupted"}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
