"""Real DVC on a small project.

Its commands are run one after the other by one process, as each start costs a second.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVER = """
import contextlib, io, json, os, sys
from dvc.cli import main
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    request = json.loads(line)
    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(request["arguments"])
    print(json.dumps({"code": code, "text": out.getvalue()}), file=answers, flush=True)
"""


@pytest.fixture(scope="session")
def server():
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask(request):
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


class Project:
    """A Git repository with DVC in it."""

    def __init__(self, root: Path, env: dict[str, str], server):
        self.root = root
        self._env = env
        self._server = server

    def dvc(self, *arguments: str) -> str:
        request = {"cwd": os.fspath(self.root), "env": self._env, "arguments": list(arguments)}
        answer = self._server(request)
        assert answer["code"] == 0, answer["text"]
        return answer["text"]

    def is_clean(self) -> bool:
        return "up to date" in self.dvc("status")


@pytest.fixture
def project(tmp_path, monkeypatch, server):
    env = {"DVC_NO_ANALYTICS": "1"}
    for name in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE"):
        env[f"DVC_{name}_DIR"] = os.fspath(tmp_path / name.lower())
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    # What `dvc init` writes, without the second that it takes.
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("")
    (root / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / ".dvcignore").write_text("# patterns\n*.log\n/data/skip/\n!keep.log\n")
    return Project(root, env, server)


@pytest.fixture
def data(project):
    data = project.root / "data"
    for name, content in {
        "a.txt": b"hello\r\n",
        'sub/deep/é "quoted" \\ name.bin': bytes(range(256)) * 5000,
        "sub/empty": b"",
        "noise.log": b"ignored",
        "keep.log": b"kept",
        "skip/this.txt": b"ignored too",
        "sub-x": b"sorts between",
        "sub/.hidden": b"h",
    }.items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (data / "empty-dir").mkdir()
    (data / "link").symlink_to("a.txt")
    (data / "sub" / "linkdir").symlink_to("deep")
    (data / "sub" / "tool.sh").write_text("echo")
    (data / "sub" / "tool.sh").chmod(0o755)
    (project.root / "tool.sh").write_text("#!/bin/sh\n")
    (project.root / "tool.sh").chmod(0o755)
    return data
