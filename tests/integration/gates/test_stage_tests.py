"""Tests around stages: real pytest runs, remembered verdicts, reports."""

import sys

import pytest

from penstock.domain.verdict import Outcome
from penstock.errors import ConfigError, StateError
from penstock.gates import StageTest, StageTests
from penstock.gates.junit import read_junit
from penstock.gates.subjects import Subjects


@pytest.fixture
def project(tmp_path):
    files = {
        "dvc.yaml": (
            "stages:\n  prepare:\n    cmd: python src/prepare.py\n"
            "    deps: [src/prepare.py, raw.csv]\n    params: [width]\n    outs: [clean.csv]\n"
        ),
        "params.yaml": "width: 3\nunused: 1\n",
        "raw.csv": "a\n1\n",
        "clean.csv": "a\n2\n",
        "src/__init__.py": "",
        "src/prepare.py": "from src.words import double\n\ndef clean(x):\n    return double(x)\n",
        "src/words.py": "def double(x):\n    return 2 * x\n",
        "src/other.py": "",
        "tests/conftest.py": "",
        "tests/test_prepare.py": (
            "from src.prepare import clean\n\n"
            "def test_clean():\n    assert clean(2) == 4\n\n"
            "def test_clean_more():\n    assert clean(0) == 0\n"
        ),
        "tests/test_bad.py": (
            "import pytest\n\n"
            "def test_sum():\n    total = 1 + 1\n    assert total == 3\n\n"
            "@pytest.fixture\ndef broken():\n    raise RuntimeError('no database')\n\n"
            "def test_broken(broken):\n    pass\n\n"
            "class TestMore:\n    def test_words(self):\n        assert 'a' in 'bcd'\n\n"
            "def test_good():\n    pass\n"
        ),
        "tests/test_skips.py": (
            "import unittest\n\ndef test_one():\n    raise unittest.SkipTest('no champion yet')\n"
        ),
        "tests/test_nothing.py": "x = 1\n",
        "tests/test_import.py": "import no_such_module\n",
        "tests/test_ends.py": "import os\n\ndef test_ends():\n    os._exit(7)\n",
        "tests/test_slow.py": "import time\n\ndef test_slow():\n    time.sleep(600)\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def verdict(project, target, *, when="before", **more):
    tests = StageTests(project, [StageTest("prepare", when, (target,), **more)])
    (found,) = getattr(tests, when)("prepare")
    assert getattr(tests, "after" if when == "before" else "before")("prepare") == ()
    return found, tests


def remembered(found):
    return found.evidence[0].details["remembered"]


def test_passed_is_remembered_until_something_it_depends_on_changes(project):
    target = "tests/test_prepare.py"
    first, tests = verdict(project, target)
    assert first.outcome is Outcome.PASSED
    assert first.words == "2 passed"
    assert not remembered(first)
    report = tests.report_path("prepare", "before")
    assert read_junit(report).passed == 2

    report.unlink()
    again, _ = verdict(project, target)
    assert remembered(again)
    assert again.outcome is Outcome.PASSED
    assert read_junit(report).passed == 2

    (project / "src/other.py").write_text("y = 1\n")
    (project / "clean.csv").write_text("new\n")
    (project / "params.yaml").write_text("width: 3\n")
    assert remembered(verdict(project, target)[0])

    (project / "src/words.py").write_text("def double(x):\n    return x + x\n")
    assert not remembered(verdict(project, target)[0])
    (project / "params.yaml").write_text("width: 4\n")
    assert not remembered(verdict(project, target)[0])
    assert remembered(verdict(project, target)[0])


def test_outputs_count_after_the_stage_only(project):
    tests = [StageTest("prepare", "after", ("tests/test_prepare.py::test_clean",))]
    (first,) = StageTests(project, tests).after("prepare")
    (again,) = StageTests(project, tests).after("prepare")
    (project / "clean.csv").write_text("a\n3\n")
    (changed,) = StageTests(project, tests).after("prepare")
    assert [remembered(one) for one in (first, again, changed)] == [False, True, False]
    assert first.words == "1 passed"


def test_failures_are_told_in_words_and_not_remembered(project):
    found, tests = verdict(project, "tests/test_bad.py", when="after")
    assert found.outcome is Outcome.FAILED
    assert found.stops
    assert found.words == (
        "1 passed, 2 failed, 1 could not run; tests/test_bad.py::test_sum: assert 2 == 3; "
        "also tests/test_bad.py::test_broken, tests/test_bad.py::TestMore::test_words"
    )
    failures = found.evidence[0].details["failures"]
    assert [one["line"] for one in failures] == [5, 9, 16]
    assert failures[1]["broken"]
    assert "no database" in failures[1]["message"]
    assert tests.report_path("prepare", "after").with_name("pytest.log").exists()
    assert "pytest.log" in found.hint
    assert not remembered(verdict(project, "tests/test_bad.py", when="after")[0])


@pytest.mark.parametrize(
    ("target", "outcome", "words"),
    [
        ("tests/test_skips.py", Outcome.INCONCLUSIVE, "all 1 tests were skipped: no champion yet"),
        ("tests/test_nothing.py", Outcome.ERROR, "there is no test in tests/test_nothing.py"),
        ("tests/test_import.py", Outcome.FAILED, "No module named 'no_such_module'"),
        ("tests/test_ends.py", Outcome.ERROR, "pytest ended with status 7"),
    ],
)
def test_what_is_neither_passed_nor_failed(project, target, outcome, words):
    found, _ = verdict(project, target)
    assert found.outcome is outcome
    assert words in found.words
    assert found.blocking is (outcome is not Outcome.INCONCLUSIVE)


def test_tests_that_hang_are_stopped(project):
    found, _ = verdict(project, "tests/test_slow.py", timeout=3.0)
    assert found.outcome is Outcome.ERROR
    assert "longer than 3 s" in found.words


def test_an_interpreter_without_pytest_says_so(project, tmp_path):
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    bare.chmod(0o755)
    tests = StageTests(
        project, [StageTest("prepare", "before", ("tests/test_prepare.py",))], python=str(bare)
    )
    (found,) = tests.before("prepare")
    assert found.outcome is Outcome.ERROR
    assert found.words == "pytest is not installed"


def test_an_interpreter_that_is_not_there_is_told(project):
    mapping = [StageTest("prepare", "before", ("tests/test_prepare.py",))]
    with pytest.raises(StateError, match="there is no interpreter nowhere/python") as caught:
        StageTests(project, mapping, python="nowhere/python").before("prepare")
    assert "gates.python" in caught.value.hint


def test_the_champion_comes_with_its_own_interpreter_to_tests_that_ask_for_it(project):
    (project / "tests" / "test_ask.py").write_text(
        "import os\n\n@__import__('pytest').fixture\ndef champion():\n"
        "    return os.environ.get('PENSTOCK_CHAMPION_PYTHON', '')\n\n"
        "def test_asks(champion):\n    assert champion == '/its/own/python'\n"
    )
    asked = []

    def python_of(model):
        asked.append(model)
        return "/its/own/python"

    for target, times in (("tests/test_prepare.py", 0), ("tests/test_ask.py", 1)):
        tests = StageTests(
            project,
            [StageTest("prepare", "before", (target,))],
            subjects=Subjects(project, champion=project / "raw.csv"),
            champion_python=python_of,
        )
        (found,) = tests.before("prepare")
        assert found.outcome is Outcome.PASSED, found.words
        assert len(asked) == times


def test_a_test_of_an_unknown_stage_is_an_error_before_anything_runs(project):
    with pytest.raises(ConfigError, match="no stage prepar"):
        StageTests(project, [StageTest("prepar", "before", ("tests",))])


def test_stages_of_foreach_share_the_tests_of_their_name(project):
    (project / "dvc.yaml").write_text(
        "stages:\n  prepare:\n    foreach: [a, b]\n    do:\n      cmd: echo ${item}\n"
    )
    tests = StageTests(project, [StageTest("prepare", "before", ("tests/test_prepare.py",))])
    (found,) = tests.before("prepare@a")
    assert found.outcome is Outcome.PASSED
    assert found.name == "tests before prepare@a: tests/test_prepare.py"
    (again,) = tests.before("prepare@a")
    assert not remembered(again), "what a templated stage reads is not known before its first run"
