"""Release tags in Git, in the format of GTO: the state of releases, offline and auditable.

``churn@v3.0.0`` registers model version 3 at a commit; ``churn#production#7`` says that from now on
the version registered at that commit is in production. Tags are never moved: a rollback is a new
tag, so the history of tags is the history of production.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import StateError

_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-/_=]*[a-zA-Z0-9])?"
_REGISTER = re.compile(rf"^(?P<name>{_NAME})@v(?P<version>\d+\.\d+\.\d+)(?P<undo>!)?(?:#\d+)?$")
_ASSIGN = re.compile(rf"^(?P<name>{_NAME})#(?P<stage>[a-zA-Z0-9-]+)(?P<undo>!)?#(?P<counter>\d+)$")


@dataclass(frozen=True, slots=True)
class ReleaseTag:
    """A tag, read.

    Attributes:
        tag: as it stands in Git.
        name: of the artifact (the model).
        action: ``register``, ``deregister``, ``assign`` or ``unassign``.
        version: SemVer without the ``v``, of a registration.
        stage: environment, of an assignment.
        counter: rises with every assignment of the artifact to the stage.
    """

    tag: str
    name: str
    action: str
    version: str = ""
    stage: str = ""
    counter: int = 0


def parse(tag: str) -> ReleaseTag | None:
    """Read a tag; None when it is not one of GTO's.

    >>> parse("churn#production#2")
    ReleaseTag(tag='churn#production#2', name='churn', action='assign', version='', \
stage='production', counter=2)
    >>> parse("churn@v3.0.0").version
    '3.0.0'
    >>> parse("v1.2") is None
    True
    """
    if found := _REGISTER.match(tag):
        action = "deregister" if found["undo"] else "register"
        return ReleaseTag(tag, found["name"], action, version=found["version"])
    if found := _ASSIGN.match(tag):
        action = "unassign" if found["undo"] else "assign"
        counter = int(found["counter"])
        return ReleaseTag(tag, found["name"], action, stage=found["stage"], counter=counter)
    return None


def artifact_name(model: str) -> str:
    """Make the model's name one that a tag can hold.

    >>> artifact_name("flight delay (v2)")
    'flight-delay-v2'
    """
    return re.sub(r"[^a-zA-Z0-9/_-]+", "-", model).strip("-/_") or "model"


class ReleaseTags:
    """Release tags of one project.

    Every call may be repeated: a tag that says the same already is left alone. In a repository
    without a commit to point to, or for a version whose commit is not in this clone, no tag is
    written and False is returned: the registry and the journal still know.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def all(self) -> list[ReleaseTag]:
        """Return all tags of GTO's form."""
        names = self._git("tag", "--list").stdout.splitlines()
        return [one for one in map(parse, names) if one is not None]

    def register(self, model: str, version: int, commit: str) -> bool:
        """Tag a commit as the one that made a version."""
        tag = f"{artifact_name(model)}@v{version}.0.0"
        message = f"Registering artifact {artifact_name(model)} version v{version}.0.0"
        return self._write(tag, message, commit)

    def assign(
        self, model: str, version: int, commit: str, environment: str, reason: str, key: str
    ) -> bool:
        """Tag a commit as the one that is in an environment from now on.

        Args:
            model: name of the model.
            version: of the model; written into the message.
            commit: that made the version.
            environment: such as ``production``; GTO's stage.
            reason: why, for people.
            key: of the operation: the same key never writes a second tag.
        """
        name = artifact_name(model)
        mine = _of_stage(self.all(), name, environment)
        line = f"penstock-key: {key}"
        if mine and line in self._message(mine[-1].tag):
            return True
        counter = mine[-1].counter + 1 if mine else 1
        message = (
            f"Assigning stage {environment} to artifact {name} version v{version}.0.0\n\n"
            f"{reason}\n\npenstock-version: {version}\n{line}"
        )
        return self._write(f"{name}#{environment}#{counter}", message, commit)

    def current(self, model: str, environment: str) -> int | None:
        """Return the version that the newest tag puts into an environment, None for none."""
        mine = _of_stage(self.all(), artifact_name(model), environment)
        if not mine or mine[-1].action == "unassign":
            return None
        found = re.search(r"^penstock-version: (\d+)$", self._message(mine[-1].tag), re.MULTILINE)
        return int(found[1]) if found else None

    def _message(self, tag: str) -> str:
        return self._git("for-each-ref", "--format=%(contents)", f"refs/tags/{tag}").stdout

    def _write(self, tag: str, message: str, commit: str) -> bool:
        if self._git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}").returncode == 0:
            return True
        if self._git("cat-file", "-e", f"{commit}^{{commit}}").returncode != 0:
            return False
        made = self._git("tag", "--annotate", "--cleanup=verbatim", "-m", message, tag, commit)
        if made.returncode != 0:
            raise StateError(
                f"git cannot write the release tag {tag}: {made.stderr.strip()}",
                code="registry.tag-refused",
                hint="git config user.name and user.email must be set, and the repository writable",
            )
        return True

    def _git(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *words], cwd=self.root, capture_output=True, text=True, check=False
        )


def _of_stage(tags: Iterable[ReleaseTag], name: str, stage: str) -> list[ReleaseTag]:
    mine = [one for one in tags if one.name == name and one.stage == stage]
    return sorted(mine, key=lambda one: one.counter)
