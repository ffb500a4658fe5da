"""Killed at any instant: nothing finished is lost or done twice, nothing half-written is trusted.

PENSTOCK_KILLS=200 makes it long.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter

from penstock.config import source
from penstock.pipeline.lockfile import LockFiles

KILLS = int(os.environ.get("PENSTOCK_KILLS", "25"))
LAYERS, WIDTH = 5, 6

# Forks a process that runs the pipeline for every line, and kills it after that many seconds.
ZYGOTE = """
import os, signal, sys, time
from pathlib import Path
from penstock.pipeline import execute
root = Path(sys.argv[1])
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        run = execute(root, jobs=4)
        os._exit(0 if run.outcome == "succeeded" else 9)
    deadline = time.monotonic() + float(line)
    status = None
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        time.sleep(0.001)
    else:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def graph() -> str:
    lines = ["stages:"]
    for layer in range(LAYERS):
        for at in range(WIDTH):
            name = f"s{layer}{at}"
            above = [f"s{layer - 1}{at}", f"s{layer - 1}{(at + 1) % WIDTH}"] if layer else ["seed"]
            count = f"echo >> $DVC_ROOT/.counts/{name}"
            lines += [
                f"  {name}:",
                f'    cmd: {count}; read g x < {above[0]}; sleep 0.02; echo "$g {name}" > {name}',
                f"    deps: [{', '.join(above)}]",
                f"    outs: [{name}]",
            ]
    return "\n".join(lines) + "\n"


STAGES = [f"s{layer}{at}" for layer in range(LAYERS) for at in range(WIDTH)]


class Watched:
    def __init__(self, project) -> None:
        self.project = project
        self.generation = 0
        self.next_generation()

    def next_generation(self) -> None:
        self.generation += 1
        self.project.write({"seed": f"{self.generation} seed\n"})

    def finished(self) -> set[str]:
        locks = LockFiles(self.project.root)
        found = set()
        for name in STAGES:
            entry = locks.get("dvc.lock", name)
            content = f"{self.generation} {name}\n".encode()
            if entry and entry["outs"][0]["md5"] == hashlib.md5(content).hexdigest():
                found.add(name)
        return found

    def counts(self) -> Counter[str]:
        folder = self.project.root / ".counts"
        return Counter({path.name: path.stat().st_size for path in folder.iterdir()})

    def check_files(self) -> None:
        lock = self.project.root / "dvc.lock"
        if lock.exists():
            assert source.read(lock).value["schema"] == "2.0"
        objects = self.project.root / ".dvc" / "cache" / "files" / "md5"
        for path in objects.glob("[0-9a-f][0-9a-f]/*"):
            name = path.parent.name + path.name
            if len(name) == 32:
                assert hashlib.md5(path.read_bytes()).hexdigest() == name


def test_no_finished_stage_is_lost_or_run_twice(make_project):
    project = make_project(files={"dvc.yaml": graph(), ".gitignore": "/.penstock\n/.counts\n"})
    (project.root / ".counts").mkdir()
    watched = Watched(project)
    chance = random.Random(3)
    kills = complete = 0
    with subprocess.Popen(
        [sys.executable, "-c", ZYGOTE, str(project.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as zygote:
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        while kills < KILLS:
            before, finished = watched.counts(), watched.finished()
            zygote.stdin.write(f"{chance.uniform(0.0, 0.9)}\n")
            zygote.stdin.flush()
            code = int(zygote.stdout.readline())
            assert code in (0, -9)
            kills += code == -9
            watched.check_files()
            again = {name for name in finished if watched.counts()[name] != before[name]}
            assert not again, f"run twice: {again}"
            assert finished <= watched.finished(), "a finished stage was lost"
            if code == 0:
                complete += 1
                assert watched.finished() == set(STAGES)
                watched.next_generation()
        zygote.stdin.write("600\n")
        zygote.stdin.flush()
        assert int(zygote.stdout.readline()) == 0
        zygote.stdin.close()
    assert watched.finished() == set(STAGES)
    assert not (project.root / ".penstock" / "lock.pending").exists()
    assert "up to date" in project.dvc("status")
    ignored = project.read(".gitignore").splitlines()
    assert sorted(ignored) == sorted(["/.penstock", "/.counts", *(f"/{name}" for name in STAGES)])
