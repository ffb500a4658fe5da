"""Data that somebody else pushed, with real Git, a real DVC and a remote between two checkouts."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from penstock.assembly import Project
from penstock.domain.trigger import Request
from penstock.retraining import branch, following, sources
from penstock.retraining.order import _base
from penstock.retraining.watching import Watch

sys.path.insert(0, str(Path(__file__).parent))  # for Git and DVC
from other_tools import run

FILE = "data/raw.csv"


class Shared:
    """Our checkout, somebody else's, and the server and remote between them."""

    def __init__(self, mini, folder):
        self.mini, self.root, self.theirs = mini, mini.root, folder / "theirs"
        self.server = folder / "server.git"
        run(self.root, "dvc", "add", "-q", FILE)
        run(self.root, "dvc", "remote", "add", "-q", "-d", "shared", str(folder / "remote"))
        run(self.root, "git", "add", "-f", f"{FILE}.dvc")
        mini.commit("Data")
        run(self.root, "dvc", "push", "-q")
        run(folder, "git", "clone", "-q", "--bare", str(self.root), str(self.server))
        run(self.root, "git", "remote", "add", "origin", str(self.server))
        run(self.root, "git", "fetch", "-q", "origin")
        run(self.root, "git", "branch", "-q", "--set-upstream-to=origin/main")
        run(folder, "git", "clone", "-q", str(self.server), "theirs")
        run(self.theirs, "dvc", "pull", "-q", f"{FILE}.dvc")
        self.told = []
        self.project = Project.open(self.root)
        self.watch = Watch(self.project, self.told.append, monitors=False)
        self.now = time.time() + 3600

    def push(self, row):
        file = self.theirs / FILE
        text = file.read_text() + row
        file.unlink()
        file.write_text(text)
        run(self.theirs, "dvc", "add", "-q", FILE)
        who = ["-c", "user.name=They", "-c", "user.email=they@example.org"]
        run(self.theirs, "git", *who, "commit", "-qam", "More data")
        run(self.theirs, "dvc", "push", "-q")
        run(self.theirs, "git", "push", "-q")
        return run(self.theirs, "git", "rev-parse", "HEAD")

    def look(self):
        self.now += 60
        return self.watch.look(self.now)["requests"]

    def pin(self, requests):
        """Do what a retraining begins with."""
        base = _base({"requests": requests}, self.root)
        found = following.pinned(self.project, base, wait=True)
        start, parents = branch.foundation(self.root, base, "penstock/retrain")
        files = sources.pin(self.root, found, start)
        made = branch.commit(self.root, start, parents, files, "Retrain", self.now)
        known = {"data": found.digest, "rows": sources.rows(self.root, found.items)}
        name = f"retraining-{self.now}"
        record = {"started": self.now, "finished": self.now, "keys": [], "asked": False}
        with self.project.journal.transaction() as tx:
            tx.put("retraining", name, {**record, **known, "id": name, "gained": None})
        return made, known["rows"]


@pytest.fixture
def shared(mini, tmp_path):
    made = Shared(mini, tmp_path)
    assert made.look() == []
    assert made.look() == []
    return made


def test_data_that_was_pushed_is_trained_on_before_and_after_it_is_pulled(shared):
    tip = shared.push("1,2,3,1\n")
    (asked,) = shared.look()
    assert asked["data"]["commit"] == tip
    assert asked["reason"] == f"new data of commit {tip[:10]}"
    assert Request.from_dict(asked).rows is None
    made, rows = shared.pin([asked])
    assert made == tip  # nothing of ours takes its place
    assert rows == 1601
    wanted = (shared.theirs / f"{FILE}.dvc").read_bytes()
    assert branch.content(shared.root, made, f"{FILE}.dvc") == wanted
    assert shared.look() == []

    shared.mini.git("pull", "-q")
    assert shared.look() == []  # with the old data still in the work tree
    made, rows = shared.pin([])
    assert branch.content(shared.root, made, f"{FILE}.dvc") == wanted
    assert rows == 1601
    run(shared.root, "dvc", "pull", "-q", f"{FILE}.dvc")
    assert shared.look() == []

    # What is changed here is ours again.
    shared.mini.more_data(seed=3, rows=40)
    (asked,) = shared.look()
    assert asked["rows"] == 40
    assert "commit" not in asked["data"]


def test_what_was_changed_here_is_not_replaced(shared):
    shared.mini.more_data(seed=3, rows=40)
    tip = shared.push("1,2,3,1\n")
    (asked,) = shared.look()
    assert asked["rows"] == 40
    made, rows = shared.pin([{"data": {"commit": tip}}])
    assert rows == 1640
    assert branch.content(shared.root, made, f"{FILE}.dvc") != branch.content(
        shared.root, tip, f"{FILE}.dvc"
    )


def test_older_data_that_somebody_chose_is_trained_on(shared):
    shared.push("1,2,3,1\n")
    (asked,) = shared.look()
    shared.pin([asked])
    shared.mini.git("pull", "-q")
    shared.mini.git("checkout", "-q", "HEAD~1", "--", f"{FILE}.dvc")
    (asked,) = shared.look()
    assert asked["rows"] == 0
    assert shared.pin([asked])[1] == 1600


def test_a_server_that_is_gone_is_told_once(shared):
    away = shared.server.with_name("away.git")
    shared.server.rename(away)
    for _ in range(2):
        assert shared.look() == []
    (told,) = [one for one in shared.told if one.startswith("trouble")]
    assert told.startswith("trouble: main of origin cannot be reached")
    away.rename(shared.server)
    shared.push("1,2,3,1\n")
    assert len(shared.look()) == 1
