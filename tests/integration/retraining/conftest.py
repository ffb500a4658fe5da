"""A real project to retrain: the small one, with data of its own that DVC tracks."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECTS = Path(__file__).parents[2] / "projects"
ENV = {"NO_COLOR": "1", "DVC_NO_ANALYTICS": "1"}

DVC_YAML = """\
stages:
  split:
    cmd: python src/split.py
    deps: [src/split.py, data/raw.csv]
    outs: [data/train.csv, data/valid.csv, data/test.csv]
  train:
    cmd: python src/train.py
    deps: [src/train.py, data/train.csv]
    params: [strength]
    outs: [models/model.pkl]
  validate:
    cmd: python src/score.py data/valid.csv validation.json
    deps: [src/score.py, models/model.pkl, data/valid.csv]
    metrics:
      - validation.json: {cache: false}
  evaluate:
    cmd: python src/score.py data/test.csv metrics.json
    deps: [src/score.py, models/model.pkl, data/test.csv]
    metrics:
      - metrics.json: {cache: false}
"""
PENSTOCK_YAML = """\
model:
  name: mini
  path: models/model.pkl
  test_data: data/test.csv
  target: bought
gates:
  - candidate.accuracy > 0.6 +/- 0.1
  - candidate.accuracy - champion.accuracy > -0.1 +/- 0.1
serve: {port: 0}
retrain:
  triggers: [data]
  data: data/raw.csv
  cooldown: 0s
  per_day: 50
  min_rows: 0
rollout:
  steps: [100%]
  probation: 0s
"""
SPLIT = '''\
"""Divide the customers."""

import numpy as np
import pandas as pd

frame = pd.read_csv("data/raw.csv")
part = np.arange(len(frame)) % 4
frame[part < 2].to_csv("data/train.csv", index=False)
frame[part == 2].to_csv("data/valid.csv", index=False)
frame[part == 3].to_csv("data/test.csv", index=False)
'''
TRAIN = '''\
"""Fit a logistic regression by hand: quick to start, and deterministic."""

import json
import os
import pickle
from pathlib import Path

import pandas as pd
import yaml
from sklearn.linear_model import LogisticRegression

strength = yaml.safe_load(Path("params.yaml").read_text())["strength"]
frame = pd.read_csv("data/train.csv")
model = LogisticRegression(C=strength).fit(frame.drop(columns="bought"), frame["bought"])
Path("models").mkdir(exist_ok=True)
Path("models/model.pkl").write_bytes(pickle.dumps(model))
tally = os.environ.get("TALLY")
if tally:
    with open(tally, "a") as out:
        out.write(json.dumps({"strength": strength, "rows": len(frame), "where": os.getcwd(),
                              "test": Path("data/test.csv").exists()}) + "\\n")
'''
SCORE = '''\
"""Write accuracy and log loss on some rows."""

import json
import pickle
import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import log_loss

model = pickle.loads(Path("models/model.pkl").read_bytes())
frame = pd.read_csv(sys.argv[1])
inputs, target = frame.drop(columns="bought"), frame["bought"]
scores = {
    "accuracy": float((model.predict(inputs) == target).mean()),
    "logloss": float(log_loss(target, model.predict_proba(inputs)[:, 1])),
}
Path(sys.argv[2]).write_text(json.dumps(scores) + "\\n")
'''


@dataclass
class Commands:
    """Runs `penstock` and `git` in a project as a user would."""

    root: Path

    def penstock(self, *words, code=0, env=None):
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | ENV | (env or {}),
            timeout=240,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def ask(self, *words, code=0, env=None):
        return json.loads(self.penstock(*words, "--json", code=code, env=env).stdout)

    def git(self, *words):
        done = subprocess.run(
            ["git", *words], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def edit(self, path, old, new):
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def more_data(self, seed, rows=400):
        write_rows(self.root / "data/raw.csv", seed, rows)


def write_rows(path, seed, rows):
    import numpy as np
    import pandas as pd

    drawn = np.random.default_rng(seed)
    frame = pd.DataFrame(drawn.normal(size=(rows, 3)), columns=["age", "visits", "spent"])
    logit = 2 * frame["visits"] - frame["age"] + 0.5 * frame["spent"]
    frame["bought"] = (logit + drawn.logistic(size=rows) > 0).astype(int)
    old = pd.read_csv(path) if path.exists() else frame.iloc[:0]
    path.parent.mkdir(exist_ok=True)
    pd.concat([old, frame]).to_csv(path, index=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("retraining") / "mini"
    (root / "src").mkdir(parents=True)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("# How strongly to fit.\nstrength: 0.001\n")
    (root / "penstock.yaml").write_text(PENSTOCK_YAML)
    for name, text in (("split", SPLIT), ("train", TRAIN), ("score", SCORE)):
        (root / "src" / f"{name}.py").write_text(text)
    commands = Commands(root)
    commands.git("init", "-q", "-b", "main")
    commands.git("config", "user.name", "A Person")
    commands.git("config", "user.email", "person@example.org")
    subprocess.run(["dvc", "init", "-q"], cwd=root, check=True, env=os.environ | ENV)
    (root / ".gitignore").write_text(
        ".penstock/\nmlflow.db\nmlartifacts/\n__pycache__/\n/data/*.csv\n/data/days\nmodels/\n*.json\n"
    )
    write_rows(root / "data/raw.csv", seed=0, rows=1600)
    commands.commit("First")
    return root


@pytest.fixture
def mini(template, tmp_path):
    root = tmp_path / "mini"
    shutil.copytree(template, root)
    commands = Commands(root)
    yield commands
    subprocess.run(
        [sys.executable, "-m", "penstock", "serve", "--stop"],
        cwd=root,
        capture_output=True,
        check=False,
        timeout=60,
    )
