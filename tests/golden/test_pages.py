"""What people see, letter for letter. Renew with `PENSTOCK_GOLDEN=write pytest tests/golden`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.cli.main import main

PAGES = Path(__file__).parent / "pages"


def matches(name, text):
    page = PAGES / name
    if os.environ.get("PENSTOCK_GOLDEN") == "write":
        page.write_text(text, encoding="utf-8")
    return text == page.read_text(encoding="utf-8")


def test_help():
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "--help"],
        env=os.environ | {"COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert matches("help.txt", done.stdout)


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.yaml")))
def test_problems_of_penstock_yaml(name, tmp_path, capsys, monkeypatch):
    shutil.copy(PAGES / f"{name}.yaml", tmp_path / "penstock.yaml")
    (tmp_path / "dvc.yaml").write_text("stages:\n  train: {cmd: python train.py}\n")
    monkeypatch.chdir(tmp_path)
    main(["status"])
    assert matches(f"{name}.txt", capsys.readouterr().err)
