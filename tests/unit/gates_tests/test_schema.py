"""Schemas: what is read, what is inferred, what pandera objects to."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from penstock.domain.verdict import Outcome
from penstock.errors import ConfigError
from penstock.gates import infer_schema, read_schema, schema_gate

ROWS = pd.DataFrame(
    {
        "delay": np.linspace(-5, 50, 100),
        "carrier": ["AA", "UA"] * 50,
        "late": [0, 1] * 50,
        "id": range(100),
        "when": pd.date_range("2013-01-01", periods=100),
        "gaps": [1.0, np.nan] * 50,
    }
)

SCHEMA = """
columns:
  delay: {type: number, min: -60, max: 100}
  carrier: {type: text, values: [AA, UA]}
  late: {type: whole, values: [0, 1]}
  id: {type: whole, unique: true}
  when: {type: time, min: "2013-01-01"}
  gaps: {type: whole, missing: 50%}
  remark: {type: text, required: false}
rows: {min: 100, max: 200}
other_columns: refuse
"""


def test_rows_that_fit():
    verdict = schema_gate(ROWS, read_schema(SCHEMA))
    assert verdict.outcome is Outcome.PASSED, verdict.words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"delay": ROWS.delay + 70}, "delay: max 100 does not hold in 36 rows"),
        ({"carrier": ["AA", "ZZ"] * 50}, "carrier: one of AA, UA does not hold in 50 rows (ZZ)"),
        ({"late": [0.5, 1] * 50}, "late: type whole does not hold"),
        ({"id": [1] * 100}, "id: unique does not hold"),
        ({"gaps": [np.nan] * 100}, "gaps: at most 50.00% missing does not hold"),
        ({"carrier": range(100)}, "carrier: type text does not hold"),
        ({"when": "yesterday"}, "when: type time does not hold"),
        ({"more": 1}, "column more is not in the schema"),
    ],
)
def test_what_does_not_fit_is_named(change, words):
    verdict = schema_gate(ROWS.assign(**change), read_schema(SCHEMA))
    assert verdict.outcome is Outcome.FAILED
    assert words in verdict.words


def test_missing_columns_and_rows():
    verdict = schema_gate(ROWS.drop(columns="id").head(50), read_schema(SCHEMA))
    assert "column id is missing" in verdict.words
    assert "at least 100 rows are wanted, and there are 50" in verdict.words


def test_an_inferred_schema_fits_what_it_came_from():
    text = infer_schema(ROWS, file="train.parquet")
    assert "# Inferred from train.parquet (100 rows)" in text
    schema = read_schema(text)
    assert schema_gate(ROWS, schema).outcome is Outcome.PASSED
    rules = {one.name: one for one in schema.columns}
    assert asdict(rules["carrier"])["values"] == ("AA", "UA")
    assert rules["gaps"].missing == 0.51
    assert (rules["late"].min, rules["late"].max) == (0, 1)
    assert schema_gate(ROWS.assign(delay=9999.0), schema).outcome is Outcome.FAILED


WRONG = """columns:
  a: {typ: number, min: x}
  b: {type: nmber, missing: 200%}
  c: {type: text, pattern: '(', min: 3}
  d: 3
  e: {min: 3, max: 1}
row: 3
rows: {min: -1}
other_columns: perhaps
"""


def test_all_mistakes_at_once_with_their_places():
    with pytest.raises(ConfigError) as caught:
        read_schema(WRONG, file="schema.yaml")
    found = {(one.span.line, one.span.column): one for one in caught.value.problems}
    assert found[2, 7].hint == "did you mean type?"
    assert found[3, 13].message.endswith("did you mean number?")
    assert set(found) >= {(3, 29), (4, 28), (4, 38), (5, 6), (6, 20), (7, 1), (8, 13), (9, 16)}
    assert all(one.span.file == "schema.yaml" for one in caught.value.problems)


@pytest.mark.parametrize("text", ["", "3", "columns: 3", "columns: [a]", "columns:\n  a: [1]"])
def test_what_is_no_schema(text):
    with pytest.raises(ConfigError):
        read_schema(text)


def test_a_pandera_schema_in_python_runs_elsewhere(tmp_path):
    file = tmp_path / "schema.py"
    file.write_text(
        "import pandera.pandas as pa\n"
        "class Rows(pa.DataFrameModel):\n    delay: float = pa.Field(le=40)\n"
        "Other = pa.DataFrameSchema({'late': pa.Column(int)})\n"
    )
    verdict = schema_gate(ROWS, tmp_path / "schema.py:Rows")
    assert verdict.outcome is Outcome.FAILED
    assert "delay: less_than_or_equal_to(40) does not hold in 18 rows" in verdict.words
    with pytest.raises(ConfigError, match="name one as"):
        schema_gate(ROWS, file)
