"""Data of `dvc import-url` and `dvc import`: its source is asked, and real DVC is the judge."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from penstock.artifacts import Store
from penstock.assembly import Project
from penstock.domain.trigger import Choice, Decision, Request, TriggerKind
from penstock.errors import UnavailableError
from penstock.pipeline import entry as entries
from penstock.retraining import branch, following, sources
from penstock.retraining.following import Fetch
from penstock.retraining.order import PATIENCE, Retrainer
from penstock.retraining.watching import Watch

sys.path.insert(0, str(Path(__file__).parent))  # for Git and DVC
from other_tools import run

NAME = "penstock/retrain"
UPTODATE = "Data and pipelines are up to date."


def rows(number, start=0):
    """Return a table."""
    return "a,b\n" + "".join(f"{one},{one % 2}\n" for one in range(start, start + number))


def dvc(root, *words):
    return run(root, "dvc", *words)


class Imported:
    """A project with one import."""

    def __init__(self, mini, data):
        self.mini, self.root, self.data = mini, mini.root, data
        mini.edit("dvc.yaml", "data/raw.csv", data)
        mini.edit("penstock.yaml", "data: data/raw.csv", f"data: {data}")
        mini.edit("penstock.yaml", "min_rows: 0", "min_rows: 100")
        (self.root / "data/raw.csv").unlink()
        mini.git("rm", "-q", "--cached", "--ignore-unmatch", "data/raw.csv")
        self.told = []

    def begin(self):
        self.mini.commit("Import")
        self.project = Project.open(self.root)
        self.watch = Watch(self.project, self.told.append, monitors=False)
        self.now = time.time()
        assert self.look() == []

    def look(self, later=60):
        """Take one look of the watch, some time later; return what asks for a retraining."""
        self.now += later
        return self.watch.look(self.now)["requests"]

    def pin(self):
        """Do what a retraining begins with; return its commit."""
        head = self.mini.git("rev-parse", "HEAD")
        found = following.pinned(self.project, head, wait=True)
        start, parents = branch.foundation(self.root, head, NAME)
        files = sources.pin(self.root, found, start)
        made = branch.commit(self.root, start, parents, files, "Retrain", self.now)
        if made != start:
            branch.move(self.root, NAME, made)
        with self.project.journal.transaction() as tx:
            known = {"data": found.digest, "rows": sources.rows(self.root, found.items)}
            record = {"started": self.now, "finished": self.now, "keys": [], "asked": False}
            name = f"retraining-{self.now}"
            tx.put("retraining", name, {**record, **known, "id": name, "gained": None})
        return made

    def as_dvc_updates(self, commit, tmp_path, name, verb="checkout"):
        """Compare a commit with `dvc update` on a twin, byte for byte, and ask DVC itself."""
        twin, ours = tmp_path / f"twin{name}", tmp_path / f"ours{name}"
        shutil.copytree(self.root, twin, symlinks=True)
        dvc(twin, "update", "-q", f"{self.data}.dvc")
        wanted = (twin / f"{self.data}.dvc").read_bytes()
        assert branch.content(self.root, commit, f"{self.data}.dvc") == wanted
        self.mini.git("worktree", "add", "-q", "--detach", str(ours), commit)
        dvc(ours, "cache", "dir", "--local", str(self.root / ".dvc/cache"))
        dvc(ours, verb, "-q", f"{self.data}.dvc")
        place, theirs = ours / self.data, twin / self.data
        if place.is_dir():
            names = [sorted(one.name for one in top.iterdir()) for top in (place, theirs)]
            assert names[0] == names[1]
        else:
            assert place.read_bytes() == theirs.read_bytes()
        assert dvc(ours, "status", f"{self.data}.dvc") == UPTODATE
        dvc(ours, "unfreeze", f"{self.data}.dvc")
        assert dvc(ours, "status", f"{self.data}.dvc") == UPTODATE


def old(path):
    """Let a file have been written long ago."""
    for one in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(one, (time.time() - 600,) * 2)


@pytest.fixture
def directory(mini, tmp_path):
    source = tmp_path / "outside"
    source.mkdir()
    (source / "one.csv").write_text(rows(200))
    made = Imported(mini, "data/days")
    dvc(mini.root, "import-url", "-q", str(source), "data/days")
    made.source = source
    made.begin()
    return made


def test_new_files_of_a_directory_are_asked_for_and_recorded_as_dvc_does(directory, tmp_path):
    file = directory.root / "data/days.dvc"
    before = file.read_bytes()
    assert directory.look() == []

    (directory.source / "two.csv").write_text(rows(150, 200))
    old(directory.source)
    (asked,) = directory.look()
    assert asked["rows"] == 150
    assert directory.look() == []  # asked once
    commit = directory.pin()
    directory.as_dvc_updates(commit, tmp_path, "one")

    # The project's own files are as they were, and what was trained on is no news.
    assert file.read_bytes() == before
    assert not (directory.root / "data/days/two.csv").exists()
    assert [one.name for one in (directory.root / ".penstock/incoming").iterdir()] == ["lock"]
    assert directory.look() == []
    assert directory.pin() == commit

    # Nor is it when the branch is merged, whether or not the data was checked out.
    directory.mini.git("merge", "-q", NAME)
    assert directory.look() == []
    dvc(directory.root, "checkout", "-q", "data/days.dvc")
    assert directory.look() == []

    # The next change is; too few rows wait.
    (directory.source / "three.csv").write_text(rows(50, 900))
    old(directory.source)
    (asked,) = directory.look()
    assert asked["rows"] == 50
    assert (
        "50 new labelled rows, 100 are wanted"
        in directory.watch.look(directory.now)["decision"]["reason"]
    )


def test_what_is_being_written_waits(directory):
    (directory.source / "two.csv").write_text(rows(150, 200))
    directory.now = time.time() - 1
    assert directory.look(later=0) == []
    (directory.source / "three.csv").write_text(rows(150, 400))
    assert directory.look(later=0) == []
    (asked,) = directory.look(later=0)  # the same twice
    assert asked["rows"] == 300


def test_a_source_that_is_gone_is_told_once_and_asked_again(directory):
    away = directory.source.with_name("away")
    directory.source.rename(away)
    for _ in range(3):
        assert directory.look() == []
    words = f"trouble: there is nothing at {directory.source}"
    assert [one for one in directory.told if "trouble" in one] == [words]
    with pytest.raises(UnavailableError, match="there is nothing at"):
        directory.pin()
    asked = directory.mini.ask("watch", "--once", "--no-monitors", code=6)
    assert asked["troubles"] == [f"there is nothing at {directory.source}"]

    (away / "two.csv").write_text(rows(150, 200))
    away.rename(directory.source)
    old(directory.source)
    assert [one["rows"] for one in directory.look()] == [150]


def test_a_retraining_waits_for_its_source(directory):
    request = Request("person:1", TriggerKind.PERSON, "by hand", directory.now)
    retrainer = Retrainer(directory.project)
    retrainer.inbox.submit(request)
    name = retrainer.start(Decision(Choice.START, "by hand", (request.key,)))
    away = directory.source.with_name("away")
    directory.source.rename(away)
    for _ in range(PATIENCE + 1):
        record = retrainer.drive(name, wait=False)
        assert (record["phase"], record["finished"]) == ("started", None)
    with pytest.raises(UnavailableError, match="a retraining cannot begin: there is nothing at"):
        retrainer.drive(name)
    away.rename(directory.source)
    (directory.source / "two.csv").write_text(rows(150, 200))
    found = following.pinned(directory.project, directory.mini.git("rev-parse", "HEAD"), wait=True)
    assert sources.rows(directory.root, found.items) == 350


def test_nothing_is_fetched_while_no_retraining_may_start(directory):
    settings = directory.root / "penstock.yaml"
    settings.write_text(settings.read_text().replace("cooldown: 0s", "cooldown: 1h"))
    directory.project = Project.open(directory.root)
    directory.watch = Watch(directory.project, directory.told.append, monitors=False)
    directory.pin()
    (directory.source / "two.csv").write_text(rows(150, 200))
    old(directory.source)
    for _ in range(2):
        assert directory.look() == []
        assert not (directory.root / ".penstock/incoming").exists()
    words = f"data/days: {directory.source} has something newer, which is fetched when"
    assert [one.startswith(words) for one in directory.told] == [True]
    assert following.follow(directory.project, Fetch.NO, 0.0).unfetched
    (asked,) = directory.look(later=7200)
    assert asked["rows"] == 150


def test_what_was_fetched_and_lost_is_fetched_again(directory, tmp_path):
    (directory.source / "two.csv").write_text(rows(150, 200))
    old(directory.source)
    assert directory.look()
    shutil.rmtree(directory.root / ".penstock/incoming")
    directory.as_dvc_updates(directory.pin(), tmp_path, "lost")


def test_a_download_that_was_killed_is_no_obstacle(directory, tmp_path):
    (directory.source / "two.csv").write_text(rows(150, 200))
    old(directory.source)
    assert directory.look()
    (place,) = (directory.root / ".penstock/incoming").glob("*/days")
    (place / "two.csv").write_text("half")
    (place.parent / ".0123.tmp").mkdir()
    (directory.source / "three.csv").write_text(rows(10, 2000))
    old(directory.source)
    assert [one["rows"] for one in directory.look()] == [160]
    directory.as_dvc_updates(directory.pin(), tmp_path, "killed")


@pytest.mark.parametrize("kind", ["s3", "ssh"])
def test_directories_of_storage(mini, tmp_path, request, kind):
    service = request.getfixturevalue(kind)
    service.put("days/one.csv", rows(200).encode())
    made = Imported(mini, "data/days")
    with (mini.root / ".dvc/config").open("a") as out:
        out.write(service.remote("far"))
    dvc(mini.root, "import-url", "-q", "remote://far/days", "data/days")
    made.begin()
    service.put("days/two.csv", rows(150, 200).encode())
    assert made.look() == []  # a directory must look the same twice
    (asked,) = made.look()
    assert asked["rows"] == 150
    made.as_dvc_updates(made.pin(), tmp_path, kind)
    assert made.look() == []


def test_storage_that_keeps_versions(mini, tmp_path, s3, s3_server):
    import boto3

    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1", **keys)
    bucket = s3.url.split("/")[2]
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.close()
    s3.put("days/one.csv", rows(200).encode())
    made = Imported(mini, "data/days")
    with (mini.root / ".dvc/config").open("a") as out:
        out.write(s3.remote("far"))
    dvc(mini.root, "import-url", "-q", "--version-aware", "remote://far/days", "data/days")
    made.begin()
    s3.put("days/two.csv", rows(150, 200).encode())
    assert made.look() == []
    (asked,) = made.look()
    assert asked["rows"] == 150
    commit = made.pin()
    assert b"version_id" in branch.content(mini.root, commit, "data/days.dvc")
    # DVC itself takes what has versions from where it came from, not from the cache.
    made.as_dvc_updates(commit, tmp_path, "versions", verb="pull")
    with contextlib.closing(Store.open(mini.root)) as store:
        text = branch.content(mini.root, commit, "data/days.dvc")
        assert store.has(entries.recorded(yaml.safe_load(text)["outs"][0]))  # a run restores it
    assert made.look() == []


@pytest.mark.parametrize("name", ["a.csv", "plain.csv"])
def test_files_of_web_servers(mini, tmp_path, web, name):
    (web.folder / name).write_text(rows(200))
    old(web.folder / name)
    made = Imported(mini, "data/days.csv")
    dvc(mini.root, "import-url", "-q", f"{web.url}/{name}", "data/days.csv")
    made.begin()
    web.asked.clear()
    assert made.look() == []
    assert {method for method, _ in web.asked} == {"HEAD"}
    (web.folder / name).write_text(rows(350))
    (asked,) = made.look()
    assert asked["rows"] == 150
    made.as_dvc_updates(made.pin(), tmp_path, "web")

    # The same bytes under another date are no new data.
    os.utime(web.folder / name, (time.time() - 60,) * 2)
    assert made.look() == []
    assert made.look() == []


def test_an_import_follows_the_branch_of_a_repository(mini, tmp_path):
    origin = tmp_path / "origin"
    origin.mkdir()
    for words in (["git", "init", "-q", "-b", "main"], ["dvc", "init", "-q"]):
        subprocess.run(words, cwd=origin, check=True)
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qam", "x"]

    def publish(text, note="n"):
        (origin / "days.csv").unlink(missing_ok=True)
        (origin / "days.csv").write_text(text)
        (origin / "note").write_text(note)
        dvc(origin, "add", "-q", "days.csv")
        subprocess.run(["git", "add", "-A"], cwd=origin, check=True)
        subprocess.run(commit, cwd=origin, check=True)

    publish(rows(200))
    made = Imported(mini, "data/days.csv")
    dvc(mini.root, "import", "-q", "../origin", "days.csv", "-o", "data/days.csv")
    made.begin()
    publish(rows(200), "another")  # a commit with the same data
    assert made.look() == []
    publish(rows(350), "third")
    (asked,) = made.look()
    assert asked["rows"] == 150
    made.as_dvc_updates(made.pin(), tmp_path, "repo")
    assert made.look() == []
    origin.rename(tmp_path / "away")
    assert made.look() == []
    assert any("cannot be reached" in one for one in made.told)


def test_the_watch_retrains_on_what_the_source_has(mini, tmp_path):
    source = tmp_path / "customers.csv"
    shutil.move(mini.root / "data/raw.csv", source)
    dvc(mini.root, "import-url", "-q", str(source), "data/raw.csv")
    mini.commit("Import")
    assert mini.ask("watch", "--once")["retraining"] is None
    assert mini.ask("retrain")["retraining"]["outcome"] == "promoted"
    text = (mini.root / "data/raw.csv").read_text()
    source.write_text(text + "".join(text.splitlines(keepends=True)[1:401]))
    old(source)
    assert mini.ask("retrain", "--plan")["newer"]
    seen = mini.ask("watch", "--once")
    assert [one["rows"] for one in seen["requests"]] == [400]
    deadline = time.monotonic() + 120
    while not (shown := mini.ask("retrain", "--history")["retrainings"])[0]["outcome"]:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert shown[0]["outcome"] in ("promoted", "refused", "rolled-back")
    assert mini.ask("watch", "--once")["requests"] == []
    assert (mini.root / "data/raw.csv").read_text() == text
