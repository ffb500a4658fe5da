"""The schema gate: a data set held against its schema, by pandera; and a first schema inferred."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.errors import ConfigError, PluginError
from penstock.gates.data_schema import ColumnRule, DataSchema, read_schema
from penstock.gates.process import log_tail, watch, without_secrets

_SHOWN = 4
_MANY_VALUES = 20
_KINDS = {"b": "truth", "i": "whole", "u": "whole", "f": "number", "M": "time"}


def schema_gate(frame: pd.DataFrame, schema: DataSchema | Path, *, what: str = "data") -> Verdict:
    """Hold rows against a schema.

    Args:
        frame: the rows.
        schema: read already; or a YAML file; or a Python file with a pandera schema, written
            ``schema.py`` (its only schema) or ``schema.py:Name``. Python runs in its own process.
        what: name of the data set in the verdict.

    Returns:
        Failed with each column and rule that does not hold, how many rows break it and a value
        that does.

    Raises:
        ConfigError: the schema file is wrong, with places.
        PluginError: ``plugins.missing`` without pandera.
    """
    if isinstance(schema, Path):
        if schema.name.partition(":")[0].endswith(".py"):
            return _by_python(frame, schema, what)
        schema = read_schema(schema)
    if len(frame.columns) != len(set(frame.columns)):
        words = "two columns have the same name"
        return Verdict(f"{what} fits its schema", Outcome.FAILED, words, kind="data-test")
    cases = [*_rows(frame, schema), *failures(compile_schema(schema), frame)]
    return _verdict(cases, frame, what)


def compile_schema(schema: DataSchema) -> Any:
    """Turn a schema into a pandera `DataFrameSchema`."""
    pa = _pandera()
    columns = {rule.name: _compile(pa, rule) for rule in schema.columns}
    return pa.DataFrameSchema(columns, strict=not schema.other_columns)


def infer_schema(frame: pd.DataFrame, *, file: str = "the data") -> str:
    """Write down, in YAML for a person to review, what rows look like now.

    Text with at most 20 values lists them; numbers get their bounds with a tenth of the range to
    spare; missing values get the share seen, rounded up to the next percent.
    """
    lines = [
        f"# Inferred from {file} ({len(frame):,} rows). Read every line before you trust it: a",
        "# schema that was inferred from broken data accepts broken data.",
        "columns:",
    ]
    for name in frame.columns:
        parts = ", ".join(_inferred(frame[name]))
        lines.append(f"  {json.dumps(str(name))}: {{{parts}}}")
    lines += ["rows: {min: 1}", "other_columns: allow", ""]
    return "\n".join(lines)


def failures(schema: Any, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what a pandera schema objects to: column, rule, rows, and an example."""
    pa = _pandera()
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        found = error.failure_cases
        grouped = found.groupby(["column", "check"], dropna=False, sort=False, observed=False)
        return [
            {
                "column": None if pd.isna(column) else str(column),
                "rule": str(check),
                "rows": int(group["index"].notna().sum()),
                "example": str(group["failure_case"].iloc[0]),
            }
            for (column, check), group in grouped
        ]
    return []


def _pandera() -> Any:
    try:
        import pandera.pandas as pa
    except ImportError as error:
        raise PluginError(
            "tests of data need pandera, which is not installed",
            code="plugins.missing",
            hint="install it: pip install 'penstock[data]'",
        ) from error
    return pa


def _compile(pa: Any, rule: ColumnRule) -> Any:
    checks = [pa.Check(_type_holds(rule.type), element_wise=False, error=f"type {rule.type}")]
    if rule.missing < 1:
        checks.append(
            pa.Check(
                lambda column, allowed=rule.missing: bool(column.isna().mean() <= allowed),
                ignore_na=False,
                error=f"at most {rule.missing:.2%} missing",
            )
        )
    for word, bound, check in (("min", rule.min, pa.Check.ge), ("max", rule.max, pa.Check.le)):
        if bound is not None:
            value = pd.Timestamp(bound) if rule.type == "time" else bound
            checks.append(check(value, error=f"{word} {bound}"))
    allowed_values = list(rule.values or ())  # noqa: PD011 - not a data frame
    if allowed_values:
        shown = ", ".join(map(str, allowed_values[:_SHOWN]))
        more = ", ..." if len(allowed_values) > _SHOWN else ""
        checks.append(pa.Check.isin(allowed_values, error=f"one of {shown}{more}"))
    if rule.pattern is not None:
        checks.append(
            pa.Check(
                lambda column, pattern=rule.pattern: column.astype(str).str.fullmatch(pattern),
                error=f"pattern {rule.pattern}",
            )
        )
    return pa.Column(
        None, checks, nullable=True, required=rule.required, unique=rule.unique, coerce=False
    )


def _type_holds(wanted: str) -> Any:
    def holds(column: pd.Series[Any]) -> Any:
        kind = _kind(column)
        if wanted in {"any", kind}:
            return True
        if wanted == "number":
            return kind == "whole"
        if wanted == "whole" and kind == "number":  # whole numbers with gaps are stored as floats
            return column.dropna() % 1 == 0
        return False

    return holds


def _kind(column: pd.Series[Any]) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.categories.to_series()
    kind = _KINDS.get(getattr(column.dtype, "kind", "O"))
    if kind is not None:
        return kind
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    names = {
        "boolean": "truth",
        "integer": "whole",
        "floating": "number",
        "mixed-integer-float": "number",
    }
    names |= {"datetime": "time", "datetime64": "time", "date": "time", "string": "text"}
    return names.get(inferred, "text" if inferred == "empty" else "any")


def _rows(frame: pd.DataFrame, schema: DataSchema) -> list[dict[str, Any]]:
    n = len(frame)
    found = []
    if schema.min_rows is not None and n < schema.min_rows:
        found.append({"column": None, "rule": f"at least {schema.min_rows:,} rows", "rows": n})
    if schema.max_rows is not None and n > schema.max_rows:
        found.append({"column": None, "rule": f"at most {schema.max_rows:,} rows", "rows": n})
    return [{**one, "example": f"{n:,} rows"} for one in found]


def _verdict(cases: list[dict[str, Any]], frame: pd.DataFrame, what: str) -> Verdict:
    evidence = Evidence(
        "rules broken",
        float(len(cases)),
        threshold=1.0,
        comparison="<",
        n=len(frame),
        method="pandera",
        details={"failures": cases},
    )
    name = f"{what} fits its schema"
    if not cases:
        words = f"{len(frame):,} rows and {len(frame.columns)} columns fit"
        return Verdict(name, Outcome.PASSED, words, kind="data-test", evidence=(evidence,))
    shown = "; ".join(_say(one) for one in cases[:_SHOWN])
    more = f" and {len(cases) - _SHOWN} more" if len(cases) > _SHOWN else ""
    return Verdict(
        name,
        Outcome.FAILED,
        shown + more,
        kind="data-test",
        evidence=(evidence,),
        hint="correct the data, or the schema where the world has changed",
    )


def _say(case: dict[str, Any]) -> str:
    column, rule, rows, example = case["column"], case["rule"], case["rows"], case["example"]
    if rule == "column_in_dataframe":
        return f"column {example} is missing"
    if rule == "column_in_schema":
        return f"column {example} is not in the schema"
    if rule == "field_uniqueness":
        rule = "unique"
    if rule.endswith(" rows"):
        return f"{rule} are wanted, and there are {rows:,}"
    where = f"{column}: " if column else ""
    count = f" in {rows:,} rows" if rows and column else ""
    return f"{where}{rule} does not hold{count}" + (
        f" ({example})" if example not in {"False", ""} else ""
    )


def _inferred(column: pd.Series[Any]) -> list[str]:
    kind = _kind(column)
    parts = [f"type: {kind}"]
    known = column.dropna()
    if kind in {"whole", "number"} and len(known):
        low, high = float(known.min()), float(known.max())
        spare = 0.0 if kind == "whole" and known.nunique() <= 2 else (high - low) / 10
        least = max(low - spare, 0.0) if low >= 0 else low - spare  # a length stays a length
        bounds = [("min", least), ("max", high + spare)]
        parts += [f"{w}: {int(x) if kind == 'whole' else format(x, '.6g')}" for w, x in bounds]
    elif kind == "text" and 0 < known.nunique() <= _MANY_VALUES:
        parts.append(f"values: {json.dumps(sorted(map(str, known.unique())))}")
    missing = float(column.isna().mean())
    if missing:
        parts.append(f"missing: {min(100, int(missing * 100) + 1)}%")
    return parts


def _by_python(frame: pd.DataFrame, schema: Path, what: str) -> Verdict:
    """Let a pandera schema in Python judge, in a process of its own: it is somebody's code."""
    file = schema.with_name(schema.name.partition(":")[0])
    if not file.is_file():
        raise ConfigError(f"the schema {file} does not exist", code="schema.not-found")
    with tempfile.TemporaryDirectory(prefix="penstock-schema-") as folder:
        data, out, log = (Path(folder) / one for one in ("rows.pkl", "out.json", "log"))
        frame.to_pickle(data)
        command = [sys.executable, "-m", "penstock.gates.schema_process"]
        command += [str(file), schema.name.partition(":")[2], str(data), str(out)]
        trouble = watch(
            command,
            log,
            cwd=file.absolute().parent,
            environment=without_secrets(),
            timeout=600,
            memory=8 * 2**30,
        )
        if trouble is not None or not out.exists():
            last = (log_tail(log) or ("it printed nothing",))[-1]
            raise ConfigError(
                f"the schema {file.name} cannot be used: {last}",
                code="schema.wrong",
                hint="it must define one pandera DataFrameSchema or DataFrameModel",
            )
        return _verdict(json.loads(out.read_text(encoding="utf-8")), frame, what)
