"""Which room may import which, and what a start may not load."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
HEAVY = ("pydantic", "numpy", "pandas", "mlflow", "rich", "sqlalchemy", "scipy", "pyarrow", "yaml")


def test_rooms_import_downwards_only():
    done = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def loaded(code, *, cwd=ROOT):
    """Return which heavy packages a program has loaded when it ends."""
    program = f"""
import sys
try:
    {code}
finally:
    print("LOADED", *({{name.partition('.')[0] for name in sys.modules}} & {set(HEAVY)!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["completion", "bash"]])
def test_help_loads_nothing_heavy(words):
    assert loaded(f"from penstock.cli.main import main; main({words!r})") == set()


@pytest.mark.parametrize(
    "module", ["penstock", "penstock.errors", "penstock.config", "penstock.cli.options"]
)
def test_light_modules_stay_light(module):
    assert loaded(f"import {module}") == set()


def test_settings_that_are_known_to_be_valid_load_no_parser(tmp_path):
    text = "model: {name: m1, path: m, test_data: t.csv, target: y}\n"
    (tmp_path / "penstock.yaml").write_text(text, encoding="utf-8")
    code = "from pathlib import Path; from penstock.config import load_settings as l; l(Path())"
    assert loaded(code, cwd=tmp_path) == {"pydantic", "yaml"}
    assert loaded(code, cwd=tmp_path) == set()


def test_a_run_with_nothing_to_do_loads_nothing_heavy(tmp_path):
    text = "model: {name: m1, path: made, test_data: dvc.yaml, target: y}\n"
    (tmp_path / "penstock.yaml").write_text(text, encoding="utf-8")
    text = "stages: {make: {cmd: echo x > made, outs: [made]}}\n"
    (tmp_path / "dvc.yaml").write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "commit", "-qm", "x"], cwd=tmp_path, check=True)
    code = "from penstock.cli.main import main; assert main(['run', 'make']) == 0"
    assert "yaml" in loaded(code, cwd=tmp_path)
    loaded(code, cwd=tmp_path)
    assert loaded(code, cwd=tmp_path) == set()


DATA_PLANE = ("pydantic", "yaml", "mlflow", "pandas", "penstock.config", "penstock.journal")


@pytest.mark.parametrize(
    "module", ["penstock.gateway", "penstock.gateway.app", "penstock.serving.worker"]
)
def test_the_data_plane_is_light(module):
    code = f"import {module}, sys; print([n for n in sys.modules if n in {DATA_PLANE!r}])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
