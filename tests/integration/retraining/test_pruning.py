"""A stage that says how it does while it trains is stopped when it is behind."""

SEARCH = """
  search:
    trials: 9
    metric: validation.json:logloss
    direction: minimize
    params:
      strength: {choices: [0.001, 0.002, 0.003, 0.004, 0.005, 9, 10]}
rollout:
"""
SLOW_SCORE = '''\
"""Say step by step how it goes; a weak model never gets better, and takes its time."""

import json
import os
import time
from pathlib import Path

import yaml

strength = yaml.safe_load(Path("params.yaml").read_text())["strength"]
for step in range(1, 4 if strength < 1 else 40):
    loss = 0.1 + 0.01 * strength / step if strength < 1 else 1.0 + strength
    Path("validation.json.new").write_text(json.dumps({"step": step, "logloss": loss}))
    os.replace("validation.json.new", "validation.json")
    time.sleep(0.3)
'''
VALIDATE = "cmd: python src/score.py data/valid.csv validation.json\n    deps: [src/score.py,"


def test_a_stage_that_is_behind_is_stopped(mini):
    (mini.root / "src/slow.py").write_text(SLOW_SCORE)
    mini.edit(
        "dvc.yaml",
        VALIDATE,
        "cmd: python src/slow.py\n    params: [strength]\n    deps: [src/slow.py,",
    )
    mini.edit("penstock.yaml", "\nrollout:\n", SEARCH)
    mini.commit("A slow validation")
    record = mini.ask("retrain", "--no-deploy")["retraining"]
    found = record["found"]
    assert record["outcome"] == "registered"
    assert found["pruned"] >= 1
    assert found["failed"] == 0
    assert (found["params"].get("strength") or 0.001) < 1
