"""The built wheel in a clean environment, with the newest versions of everything it needs."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UV = str(Path(sys.executable).with_name("uv"))


def output(*words, cwd, env=None):
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A clean environment with the wheel, its dependencies and what the small project trains on."""
    folder = tmp_path_factory.mktemp("install")
    output(UV, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT, cwd=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    output(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    words = ("pip", "install", "--quiet", "--compile-bytecode", "--python", python)
    output(UV, *words, wheel, "scikit-learn", "pytest", "uv", cwd=folder)
    return folder / "venv" / "bin"


@pytest.fixture
def project(tmp_path, installed):
    root = tmp_path / "mini"
    shutil.copytree(ROOT / "tests" / "projects" / "mini", root)
    (root / ".gitignore").write_text(".penstock/\nmlflow.db\nmlartifacts/\n__pycache__/\n")
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "A Person"),
        ("config", "user.email", "person@example.org"),
        ("add", "-A"),
        ("commit", "-qm", "First"),
    ):
        output("git", *words, cwd=root)
    yield root
    output(installed / "penstock", "serve", "--stop", cwd=root)


def test_the_command_is_the_same_and_walks_the_loop(installed, project):
    ours = output(sys.executable, "-m", "penstock", "--help", cwd=project)
    theirs = output(installed / "penstock", "--help", cwd=project)
    assert ours == theirs
    assert output(installed / "penstock", "--version", cwd=project).startswith("penstock ")

    alone = {"PATH": f"{installed}:/usr/local/bin:/usr/bin:/bin"}
    done = json.loads(
        output(installed / "penstock", "run", "--deploy", "--json", cwd=project, env=alone)
    )
    assert done["outcome"] == "done"
    assert done["version"]["version"] == 1
    url = json.loads((project / ".penstock/serve/gateway.json").read_text())["url"]
    rows = {"dataframe_split": {"columns": ["age", "visits", "spent"], "data": [[0, 3, 0]]}}
    request = urllib.request.Request(
        f"{url}/invocations", json.dumps(rows).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer) == {"predictions": [1]}
