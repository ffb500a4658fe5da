"""What the OpenAPI document promises, tried by schemathesis: broken input of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from penstock.inference.manner import Limit, Manner

COLUMNS = [
    {"name": "age", "type": "long", "required": True},
    {"name": "fare", "type": "double", "required": True},
    {"name": "city", "type": "string", "required": True},
]
# A schema cannot say that a tensor has as many values as its shape, so a request that fits the
# schema may be refused.
CHECKS = "positive_data_acceptance"


LIMITS = (Limit("age", 18, 99, nulls=False), Limit("city", values=("Köln", "Ulm"), nulls=False))


def test_the_document_is_kept(site):
    """Limits are part of it: what is outside of them is refused as it says."""
    manner = site.folder / "manner.json"
    manner.write_text(json.dumps(Manner("reject", LIMITS).to_dict()))
    made = replace(site.bundle(1), manner=str(manner))
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
