"""Small repositories to adopt and to examine."""

import subprocess

import pytest


class Repository:
    """A Git repository in a directory of its own."""

    def __init__(self, root):
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Somebody")
        self.git("config", "user.email", "somebody@example.org")

    def git(self, *words):
        subprocess.run(["git", "-C", self.root, *words], check=True, capture_output=True)

    def add(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "Change")


PIPELINE = """\
stages:
  prepare:
    cmd: python src/prepare.py
    deps: [src/prepare.py]
    outs: [data/train.csv, data/test.csv]
  train:
    cmd: python src/train.py
    deps: [src/train.py, data/train.csv]
    outs: [models/model.pkl]
  evaluate:
    cmd: python src/evaluate.py
    deps: [src/evaluate.py, models/model.pkl, data/test.csv]
    metrics:
      - metrics.json: {cache: false}
"""
TRAIN = """\
import pandas as pd
rows = pd.read_csv("data/train.csv")
y = rows["bought"]
x = rows.drop(columns=["bought"])
"""


@pytest.fixture
def repository(tmp_path):
    """A project that penstock has not adopted yet."""
    found = Repository(tmp_path / "shop-model")
    found.add("dvc.yaml", PIPELINE)
    found.add("src/prepare.py", "")
    found.add("src/train.py", TRAIN)
    found.add("src/evaluate.py", "")
    found.add("data/test.csv", "age,visits,bought\n31,4,0\n52,1,1\n")
    found.add("tests/test_prepare.py", "def test_it(): pass\n")
    found.add("tests/test_train.py", "def test_it(): pass\n")
    found.add(".gitignore", "/data")
    found.commit()
    return found
