from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from penstock.cli.gates import gates
from penstock.errors import ConfigError, StateError
from penstock.gates import Ledger
from penstock.gates.sketch import Sketch
from penstock.journal import Journal

SETTINGS = """
model: {name: flights, path: model, test_data: test.parquet, target: late}
gates:
  reliability: 0.9999
  adaptivity: full
  conditions:
    - n > 0.8 +/- 0.05
    - candidate.size < 50MB
"""


def run(*words):
    return CliRunner().invoke(gates, words, standalone_mode=False)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "penstock.yaml").write_text(SETTINGS)
    return tmp_path


def test_conditions_of_the_project_are_sized_under_its_promise(project):
    found = run("size", "-C", str(project), "--json")
    assert found.exception is None
    told = json.loads(found.output)
    assert told["lines"][0]["rows"]["hoeffding"] == 6279
    assert told["adaptivity"] == "full"
    assert "6,279" in run("size", "-C", str(project)).output


def test_conditions_that_were_typed_need_no_project(tmp_path):
    found = run("size", "-C", str(tmp_path), "n - o > 0.1 +/- 0.1", "--reliability", "0.99")
    assert "1,753" in found.output
    with pytest.raises(StateError):
        raise run("size", "-C", str(tmp_path)).exception


def test_a_wrong_condition_is_refused(tmp_path):
    error = run("size", "-C", str(tmp_path), "candidate.acuracy > 1").exception
    assert isinstance(error, ConfigError)
    assert error.span.column == 11


def test_the_ledger_is_shown(project, flights):
    assert "no test set has decided yet" in run("ledger", "-C", str(project)).output
    flights(50).frame.to_parquet(project / "test.parquet")
    with Journal(project / ".penstock" / "journal.db") as journal:
        sketch = Sketch.of(project / "test.parquet")
        Ledger(journal).begin(project / "test.parquet", sketch, "run-7", "answers")
    shown = run("ledger", "-C", str(project)).output
    assert "test.parquet" in shown
    assert "run-7" in shown
    told = json.loads(run("ledger", "-C", str(project), "--json").output)
    assert told["test_sets"][0]["left"] == 31


def test_a_schema_is_inferred_reviewed_and_held_against_the_data(project, flights):
    flights(200).frame.to_parquet(project / "test.parquet")
    place = ("-C", str(project))
    assert '"late": {type: whole, min: 0, max: 1}' in run("schema", *place).output
    assert "read it, correct it" in run("schema", *place, "-o", "rules.yaml").output
    again = run("schema", *place, "-o", "rules.yaml").exception
    assert again.code == "gates.schema-exists"
    assert run("schema", *place, "--check").exception.code == "gates.no-schema"
    settings = SETTINGS + "  data: {schema: rules.yaml}\n"
    (project / "penstock.yaml").write_text(settings)
    fits = run("schema", *place, "--check")
    assert (fits.return_value, "fit" in fits.output) == (0, True)
    rules = (project / "rules.yaml").read_text()
    (project / "rules.yaml").write_text(rules.replace("rows: {min: 1}", "rows: {min: 1000}"))
    broken = run("schema", *place, "--check")
    assert broken.return_value == 1
    assert "at least 1,000 rows are wanted, and there are 200" in broken.output
