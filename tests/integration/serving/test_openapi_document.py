"""What the OpenAPI document promises, tried by schemathesis: broken input of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COLUMNS = [
    {"name": "age", "type": "long", "required": True},
    {"name": "fare", "type": "double", "required": True},
    {"name": "city", "type": "string", "required": True},
]
# A schema cannot say that a tensor has as many values as its shape, so a request that fits the
# schema may be refused.
CHECKS = "positive_data_acceptance"


def test_the_document_is_kept(site):
    made = site.bundle(1)
    mlmodel = Path(made.path, "MLmodel")
    signature = {"inputs": json.dumps(COLUMNS)}
    mlmodel.write_text(json.dumps(json.loads(mlmodel.read_text()) | {"signature": signature}))
    site.start()
    site.apply(made, champion="1")
    command = [
        Path(sys.executable).with_name("schemathesis"), "run", f"{site.url}/openapi.json",
        "--generation-deterministic", "--max-examples", "15", "--exclude-checks", CHECKS,
        "--phases", "examples,coverage,fuzzing", "--request-timeout", "60", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=site.folder, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Tested: 11" in done.stdout
