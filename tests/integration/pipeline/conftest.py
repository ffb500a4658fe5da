"""Projects for the pipeline, and real DVC beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.pipeline import execute


class Project:
    """A Git repository with DVC in it, in a directory of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: dict[str, str | bytes]) -> Project:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)
        return self

    def read(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    def git(self, *arguments: str) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", "-C", str(self.root), *identity, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )
        return done.stdout

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def dvc(self, *arguments: str, check: bool = True) -> str:
        env = {
            **os.environ,
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.root.parent / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(self.root.parent / "global"),
            "DVC_SYSTEM_CONFIG_DIR": str(self.root.parent / "system"),
        }
        # No pipe to a daemon that DVC may leave behind.
        out = self.root.parent / "dvc.out"
        with out.open("wb") as stream:
            done = subprocess.run(
                [sys.executable, "-m", "dvc", *arguments],
                cwd=self.root,
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                check=False,
                env=env,
            )
        text = out.read_text(encoding="utf-8", errors="replace")
        assert done.returncode == 0 or not check, text
        return text

    def run(self, **options):
        return execute(self.root, **options)

    def outcomes(self, **options) -> dict[str, str]:
        return {stage.stage: stage.outcome.value for stage in self.run(**options).stages}

    def files(self, folder: str) -> dict[str, bytes]:
        top = self.root / folder
        return {
            path.relative_to(top).as_posix(): path.read_bytes()
            for path in sorted(top.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def make_project(tmp_path):
    def make(name: str = "project", files: dict[str, str | bytes] | None = None) -> Project:
        root = tmp_path / name
        (root / ".dvc" / "tmp").mkdir(parents=True)
        project = Project(root)
        project.write({".dvc/config": "", ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"})
        project.write({".gitignore": "/.penstock\n"})
        project.git("init", "-q", "-b", "main")
        if files:
            project.write(files)
        project.commit("begin")
        return project

    return make
