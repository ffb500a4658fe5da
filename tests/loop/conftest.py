"""Real projects, real commands."""

import collections
import contextlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import pytest

PROJECTS = Path(__file__).parent.parent / "projects"


@dataclass
class Commands:
    """Runs `penstock`, `git` and `dvc` in a project as a user would."""

    root: Path

    def penstock(self, *words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"NO_COLOR": "1"},
            timeout=240,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def ask(self, *words, code=0):
        return json.loads(self.penstock(*words, "--json", code=code).stdout)

    def url(self):
        return json.loads((self.root / ".penstock/serve/gateway.json").read_text())["url"]

    def git(self, *words):
        done = subprocess.run(
            ["git", *words], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def edit(self, path, old, new):
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


@contextlib.contextmanager
def traffic(url, connections=3):
    """Send requests while the block runs; yields a counter of (status, version).

    `url` may be a function: it is asked again after every failed request, which counts as one with
    status 0.
    """
    seen = collections.Counter()
    stopping = threading.Event()
    where = url if callable(url) else lambda: url

    def send(seed):
        drawn = random.Random(seed)
        connection = None
        while not stopping.is_set():
            rows = [[drawn.gauss(0, 1) for _ in range(3)]]
            body = {"dataframe_split": {"columns": ["age", "visits", "spent"], "data": rows}}
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(urlparse(where()).netloc, timeout=60)
                connection.request(
                    "POST", "/invocations", json.dumps(body), {"Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                answer.read()
                seen[answer.status, answer.headers["X-Penstock-Version"]] += 1
            except (OSError, http.client.HTTPException):
                seen[0, None] += 1
                connection = connection and connection.close()
                stopping.wait(0.2)
            stopping.wait(0.002)
        if connection is not None:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(connections)]
    for one in threads:
        one.start()
    try:
        yield seen
    finally:
        stopping.set()
        for one in threads:
            one.join()


@pytest.fixture(scope="session")
def mini_template(tmp_path_factory):
    root = tmp_path_factory.mktemp("template") / "mini"
    shutil.copytree(PROJECTS / "mini", root)
    commands = Commands(root)
    commands.git("init", "-q", "-b", "main")
    commands.git("config", "user.name", "A Person")
    commands.git("config", "user.email", "person@example.org")
    subprocess.run(
        ["dvc", "init", "-q"], cwd=root, check=True, env=os.environ | {"DVC_NO_ANALYTICS": "1"}
    )
    (root / ".gitignore").write_text(".penstock/\nmlflow.db\nmlartifacts/\n__pycache__/\n")
    commands.commit("First")
    return root


@pytest.fixture
def live():
    """Gives `traffic`: real requests while a block runs."""
    return traffic


@pytest.fixture
def mini(mini_template, tmp_path):
    """A small project: three stages, a logistic regression, gates and a quick canary."""
    root = tmp_path / "mini"
    shutil.copytree(mini_template, root)
    commands = Commands(root)
    yield commands
    subprocess.run(
        [sys.executable, "-m", "penstock", "serve", "--stop"],
        cwd=root,
        capture_output=True,
        check=False,
        timeout=60,
    )
