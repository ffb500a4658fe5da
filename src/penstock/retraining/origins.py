"""Where imports came from: asked whether it changed, and fetched when it did.

A path or URL is asked for its state (`etag`, checksum, digest), a repository for the commit that a
branch is at; neither costs a download. What is fetched waits in ``.penstock/incoming`` until a
retraining puts it into the cache; the project's own files are never touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.artifacts.dvcremote import run_dvc
from penstock.artifacts.external import External, is_reached, is_url
from penstock.artifacts.home import own_directory
from penstock.domain.pipeline import Stage
from penstock.errors import UnavailableError
from penstock.pipeline import imports, places

_PATIENCE = 60.0
"""Seconds that a Git server has to name its commits."""
_INCOMING = ".penstock/incoming"
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True, slots=True)
class State:
    """What a source is at one moment.

    Attributes:
        value: that tells it from any other state.
        facts: what the ``.dvc`` file says of it; empty for a repository.
        outline: what is as cheap to ask as it can be, where the state itself costs a read of all
            the bytes; "" elsewhere.
    """

    value: str
    facts: dict[str, Any]
    outline: str = ""

    @property
    def grows(self) -> bool:
        """Whether it may be seen half written: a directory, whose files come one by one."""
        return self.value.endswith(".dir")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came from a source.

    Attributes:
        place: where the data is.
        out: what the ``.dvc`` file will say of the output.
        dep: what it will say of the source.
    """

    place: Path
    out: dict[str, Any]
    dep: dict[str, Any]


class Origin:
    """The source of one import.

    Args:
        root: of the project.
        store: of the project.
        stage: the import.
        dep: what its file says of the source.
    """

    def __init__(self, root: Path, store: Store, stage: Stage, dep: Mapping[str, Any]) -> None:
        self.root = root
        self.store = store
        self.stage = stage
        self.dep = dep
        self.repo: Mapping[str, Any] | None = dep.get("repo")
        name = hashlib.sha256(stage.outs[0].full.encode()).hexdigest()[:16]
        self.folder = root / _INCOMING / name

    @classmethod
    def of(cls, root: Path, store: Store, stage: Stage) -> Origin | None:
        """Return the source of an import, None where there is none that can be asked."""
        dep = imports.recorded(root, stage)
        if dep is None or "db" in dep or not stage.outs[0].cache:
            return None
        path = str(dep["path"])
        if "repo" not in dep and is_url(path) and not is_reached(path):
            return None
        return cls(root, store, stage, dep)

    @property
    def words(self) -> str:
        """What the source is called."""
        path = str(self.dep["path"])
        return f"{path} of {self.repo['url']}" if self.repo else path

    @property
    def place(self) -> Path:
        """Where the data waits once it was fetched."""
        out = self.stage.outs[0].full
        return self.folder / (out if self._by_dvc else os.path.basename(out))  # noqa: PTH119

    @property
    def here(self) -> Path | None:
        """Where it is, when it is a path of this machine."""
        path = imports.origin(self.stage, self.dep).full
        return None if self.repo is not None or is_url(path) else self.root / path

    @property
    def _by_dvc(self) -> bool:
        """Whether only DVC itself knows how to record it."""
        return self.repo is not None or not {"version_id", "files"}.isdisjoint(self.dep)

    def ask(self, before: Mapping[str, Any] | None = None) -> State:
        """Return the state of the source now.

        Args:
            before: ``seen`` and ``outline`` of the last time, so that nothing is read again.

        Raises:
            UnavailableError: it cannot be reached, or is not there.
        """
        if self.repo is not None:
            return State(self._commit(self.repo), {})
        origin = imports.origin(self.stage, self.dep)
        outline = ""
        if is_url(origin.full):
            outline = External(self.store.config, self.store).outline(origin.full)
            if outline and before and before.get("outline") == outline:
                return State(str(before["seen"]), dict(before.get("facts") or {}), outline)
        (found,) = places.look(self.store, self.root, [origin])
        if found is None:
            raise UnavailableError(
                f"there is nothing at {self.words}",
                code="retrain.source-gone",
                hint="was it moved, or is a disk not mounted?",
            )
        return State(found.md5, imports.facts(found), outline)

    @property
    def recorded(self) -> str | None:
        """The state that the project's file records."""
        if self.repo is not None:
            return str(self.repo.get("rev_lock"))
        known = imports.content(self.dep)
        return next((str(known[key]) for key in ("md5", "etag", "checksum") if key in known), None)

    def fetch(self, state: State) -> Fetched:
        """Bring what the source has to `place`; what an earlier attempt left there is removed.

        Raises:
            UnavailableError: it cannot be reached, or changed meanwhile.
        """
        with _alone(self.root):
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            try:
                return self._updated() if self._by_dvc else self._copied(state)
            except OSError as error:
                raise UnavailableError(
                    f"{self.words} cannot be copied: {error.strerror or error}: {error.filename}",
                    code="retrain.source-unread",
                    hint="is it readable, and is there room on the disk?",
                ) from error

    def _copied(self, state: State) -> Fetched:
        imports.fetch(self.store, self.root, imports.origin(self.stage, self.dep), self.place)
        made = self.store.hash(self.place, name=self.stage.outs[0].path)
        if made is None or self.ask().value != state.value:
            raise UnavailableError(
                f"{self.words} changed while it was fetched",
                code="retrain.source-moving",
                hint="it is fetched again at the next look",
            )
        return Fetched(self.place, imports.facts(made), state.facts)

    def _updated(self) -> Fetched:
        """Let the user's DVC do it, in a project of its own that has our cache."""
        file = self.folder / self.stage.file
        file.parent.mkdir(parents=True, exist_ok=True)
        (self.folder / ".dvc" / "tmp").mkdir(parents=True)
        self._configure(self.folder / ".dvc" / "config.local")
        url = str(self.repo["url"]) if self.repo else ""
        text = (self.root / self.stage.file).read_text(encoding="utf-8")
        file.write_text(_elsewhere(text, self._absolute(url)), encoding="utf-8")
        run_dvc(["update", self.stage.file], self.folder, f"an import of {self.words}")
        (self.folder / ".dvc" / "config.local").unlink()
        found = imports.recorded(self.folder, self.stage)
        out = imports.entry(self.folder, self.stage)
        assert found is not None
        dep = imports.content(found)
        if self.repo:
            dep["repo"] = {**found["repo"], "url": url}
        return Fetched(self.place, imports.content(out), dep)

    def _configure(self, path: Path) -> None:
        """Write DVC's settings: our cache, and our remotes where the source may be on one."""
        config = self.store.config
        lines = ["[core]", "no_scm = true", "[cache]", f"dir = {config.cache_dir}"]
        lines += [f"type = {','.join(config.cache_types)}"] + ["shared = group"] * config.shared
        for one in config.remotes.values() if self.repo is None else ():
            lines += [f"['remote \"{one.name}\"']", f"url = {one.url}"]
            lines += [f"{key} = {value}" for key, value in one.options.items()]
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _absolute(self, url: str) -> str:
        """Return the address of a repository as seen from anywhere."""
        here = self.root / url
        return str(here.resolve()) if url and not is_url(url) and here.exists() else url

    def _commit(self, repo: Mapping[str, Any]) -> str:
        """Return the commit that a repository is at, without fetching it."""
        rev = str(repo.get("rev") or "HEAD")
        locked = str(repo.get("rev_lock") or "")
        if _COMMIT.match(rev):
            return rev
        refs = git_refs(self.root, self.words, self._absolute(str(repo["url"])), rev)
        names = (f"refs/tags/{rev}^{{}}", f"refs/tags/{rev}", f"refs/heads/{rev}", rev)
        # A short commit, or one that no branch has, stays what it is.
        return next((refs[name] for name in names if name in refs), locked)


def drop(root: Path, place: str) -> None:
    """Remove what was fetched, once the cache has it; `place` is relative to the project."""
    if place.startswith(f"{_INCOMING}/"):
        with _alone(root):
            shutil.rmtree(root / _INCOMING / place.split("/")[2], ignore_errors=True)


@contextlib.contextmanager
def scratch(root: Path, path: str) -> Iterator[Path]:
    """Give a place of the same name as a path of the project, for a while."""
    folder = root / _INCOMING / f"look-{os.getpid()}"
    own_directory(root)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder / os.path.basename(path)  # noqa: PTH119
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one process at a time fetch."""
    own_directory(root)
    (root / _INCOMING).mkdir(exist_ok=True)
    lock = root / _INCOMING / "lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def git_refs(root: Path, what: str, url: str, ref: str) -> dict[str, str]:
    """Return the commits that a repository has a name for, by the name.

    Args:
        root: of the project, for addresses that are relative.
        what: is asked, for messages.
        url: of the repository, or the name of a remote.
        ref: whose name to ask for; tags come with the commit that they are at.

    Raises:
        UnavailableError: ``retrain.source-unreached``.
    """
    said = git_quietly(root, what, "ls-remote", "--", url, ref, f"{ref}^{{}}")
    return {name: commit for commit, _, name in (line.partition("\t") for line in said)}


def git_quietly(root: Path, what: str, *words: str) -> list[str]:
    """Run git, which asks a server but nobody for a password; return the lines that it prints.

    Raises:
        UnavailableError: ``retrain.source-unreached``, also when it takes too long.
    """
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=root,
            env={**quiet, **os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unreached(what, str(error)) from error
    if done.returncode:
        raise _unreached(what, (done.stderr.strip().splitlines() or ["git failed"])[-1])
    return done.stdout.splitlines()


def _unreached(what: str, why: str) -> UnavailableError:
    return UnavailableError(
        f"{what} cannot be reached: {why}",
        code="retrain.source-unreached",
        hint="is the address right, and may you read it?",
    )


def _elsewhere(text: str, url: str) -> str:
    """Return the text of an import's file with the address of its repository made absolute."""
    if not url:
        return text
    import io

    from ruamel.yaml import YAML

    yaml = YAML()
    data = yaml.load(text)
    data["deps"][0]["repo"]["url"] = url
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()
