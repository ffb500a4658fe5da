"""`penstock report`: files, forms and refusals."""

import json
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from penstock.cli.report import report

SETTINGS = """\
model: {name: flight-delay, path: models/model, test_data: data/test.parquet, target: late}
"""


@pytest.fixture
def ask(tmp_path, journal):
    (tmp_path / "penstock.yaml").write_text(SETTINGS)

    def run(*words):
        return CliRunner().invoke(report, ["-C", str(tmp_path), *words], standalone_mode=False)

    return run


def test_a_page_is_written_below_the_project(ask, tell, tmp_path):
    run_id = tell()
    answer = ask()
    assert answer.exception is None
    path = tmp_path / ".penstock" / "reports" / f"{run_id}.html"
    assert answer.output.strip() == str(path)
    assert path.read_text().startswith("<!doctype html>")
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_the_suffix_chooses_the_form(ask, tell, tmp_path):
    tell()
    ask("-o", str(tmp_path / "out" / "report.md"))
    ask("-o", str(tmp_path / "out" / "gates.xml"))
    assert (tmp_path / "out" / "report.md").read_text().startswith("<!-- penstock:report:")
    suite = ET.parse(tmp_path / "out" / "gates.xml").getroot()[0]
    assert suite.get("tests") == "4", "three gates and one test of a stage"


def test_a_form_may_be_chosen_and_printed(ask, tell):
    tell()
    answer = ask("--format", "markdown", "-o", "-", "--link", "https://example.org/r")
    assert "[The whole report](https://example.org/r)" in answer.output


def test_json_tells_where_it_is(ask, tell):
    run_id = tell()
    told = json.loads(ask("--json", "2").output)
    assert told["run"] == run_id
    assert told["headline"] == "Version 2 of flight-delay is the champion"


def test_a_place_that_cannot_be_written_is_said_so(ask, tell, tmp_path):
    tell()
    (tmp_path / "file").write_text("in the way")
    error = ask("-o", str(tmp_path / "file" / "report.html")).exception
    assert error.code == "report.cannot-write"
    assert "a part of this path is a file" in error.hint
