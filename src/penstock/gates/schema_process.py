"""The process that lets a pandera schema written in Python judge rows.

`python -m penstock.gates.schema_process FILE NAME ROWS OUT`; NAME is "" for the only schema.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from penstock.gates.pandera_schema import failures


def main(argv: list[str]) -> int:
    """Load the schema, judge the rows, write what does not hold as JSON."""
    file, name, rows, out = argv
    schema = _find(_load(Path(file)), name)
    frame = pd.read_pickle(rows)  # noqa: S301 - written by the process that started this one
    Path(out).write_text(json.dumps(failures(schema, frame)), encoding="utf-8")
    return 0


def _load(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{file} is not a Python file")
    sys.path.insert(0, str(file.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def _find(module: Any, name: str) -> Any:
    found = {key: value for key, value in vars(module).items() if _is_schema(value)}
    if name:
        if name not in found:
            raise SystemExit(f"there is no schema {name}; there are {', '.join(found) or 'none'}")
        return _ready(found[name])
    if len(found) != 1:
        raise SystemExit(f"{len(found)} schemas in the file: name one as FILE.py:NAME")
    return _ready(next(iter(found.values())))


def _is_schema(value: Any) -> bool:
    import pandera.pandas as pa

    if isinstance(value, type):
        return issubclass(value, pa.DataFrameModel) and value is not pa.DataFrameModel
    return isinstance(value, pa.DataFrameSchema)


def _ready(value: Any) -> Any:
    return value.to_schema() if hasattr(value, "to_schema") else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
