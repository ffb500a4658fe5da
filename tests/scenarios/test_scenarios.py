"""Stories of the command line, one file each: what is typed, what must be seen, what must remain.

A scenario is a text file in this directory. Its first lines, with `#`, say what it shows; then

    $ command          is run by bash in the project's directory
    ? 3                it ends with this code (0 where nothing is said)
    > words            stand in one line of what it says
    ! words            do not stand in it

and files of the project follow, each below a line `-- path --`. The project is a Git repository
with one commit, unless the first lines say `no git`. No command may ever show a traceback.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
FILE = re.compile(r"^-- (\S+) --\n", re.MULTILINE)


def scenarios():
    return sorted(HERE.glob("*.txt"))


def unpack(text, root):
    """Write the files of a scenario and return its story."""
    story, *rest = FILE.split(text)
    for name, content in zip(rest[::2], rest[1::2], strict=True):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return story


def repository(root):
    run = ["git", "-c", "user.name=A Person", "-c", "user.email=person@example.org"]
    subprocess.run([*run, "init", "-q", "-b", "main"], cwd=root, check=True)
    subprocess.run(["git", "config", "user.name", "A Person"], cwd=root, check=True)
    subprocess.run(["git", "config", "user.email", "person@example.org"], cwd=root, check=True)
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "First"], cwd=root, check=True)


def acts(story):
    """Yield each command with what is expected of it."""
    command, code, seen, unseen = None, 0, [], []
    for line in [*story.splitlines(), "$ end"]:
        mark, _, words = line.partition(" ")
        if mark == "$":
            if command is not None:
                yield command, code, seen, unseen
            command, code, seen, unseen = words, 0, [], []
        elif mark == "?":
            code = int(words)
        elif mark == ">":
            seen.append(words)
        elif mark == "!":
            unseen.append(words)
        else:
            assert mark in ("", "#") or line.startswith("#"), f"what does this mean: {line}"


def hang_up():
    """Let a closed terminal end the commands, also where the tests run under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("path", scenarios(), ids=lambda path: path.stem)
def test_scenario(path, tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    story = unpack(path.read_text(encoding="utf-8"), root)
    if "# no git" not in story:
        repository(root)
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
    }
    for command, code, seen, unseen in acts(story):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            preexec_fn=hang_up,
        )
        said = done.stdout + done.stderr
        told = f"$ {command}\n{said}\n(ended with {done.returncode})"
        assert done.returncode == code, told
        assert "Traceback (most recent call last)" not in said, told
        for words in seen:
            assert any(words in line for line in said.splitlines()), f"{words!r} not in\n{told}"
        for words in unseen:
            assert words not in said, f"{words!r} in\n{told}"
    shutil.rmtree(root, ignore_errors=True)


def test_there_are_scenarios():
    assert len(scenarios()) > 10
