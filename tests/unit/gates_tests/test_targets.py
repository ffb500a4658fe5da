"""Pytest targets and stage names, before anything runs."""

import pytest

from penstock.errors import ConfigError, Span
from penstock.gates import StageTest, StageTests

SPAN = Span("penstock.yaml", 7, 11)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  prepare: {cmd: 'true'}\n  train: {cmd: 'true'}\n"
    )
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_prepare.py").write_text(
        "class Test:\n    def test_in(self): pass\n\nclass TestMore(Test): pass\n\n"
        "def test_one(): pass\n\nif True:\n    def test_two(): pass\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [
        "tests",
        "tests/test_prepare.py",
        "tests/test_prepare.py::test_one",
        "tests/test_prepare.py::test_one[a-b]",
        "tests/test_prepare.py::test_two",
        "tests/test_prepare.py::Test::test_in",
        "tests/test_prepare.py::TestMore::test_in",
    ],
)
def test_good_targets(project, target):
    StageTests(project, [StageTest("train", "after", (target,), SPAN)])


@pytest.mark.parametrize(
    ("target", "code", "hint"),
    [
        ("tests/test_prepair.py", "tests.no-target", "did you mean test_prepare.py?"),
        ("tests/test_prepare.py::test_on", "tests.no-target", "did you mean test_one?"),
        ("tests/test_prepare.py::Test::test_inn", "tests.no-target", "did you mean test_in?"),
        ("../elsewhere.py", "tests.outside", None),
        ("tests::test_one", "tests.bad-target", None),
        ("--collect-only", "tests.bad-target", None),
        ("", "tests.bad-target", None),
        ("a\0b", "tests.bad-target", None),
        ("nowhere/test_x.py", "tests.no-target", None),
    ],
)
def test_bad_targets_have_their_place(project, target, code, hint):
    with pytest.raises(ConfigError) as caught:
        StageTests(project, [StageTest("train", "after", (target,), SPAN)])
    (problem,) = caught.value.problems
    assert problem.code == code
    assert problem.span == SPAN
    if hint:
        assert problem.hint == hint


def test_all_problems_at_once(project):
    with pytest.raises(ConfigError) as caught:
        StageTests(
            project,
            [
                StageTest("trian", "after", ("tests",), SPAN),
                StageTest("train", "during", (), SPAN),
            ],
        )
    codes = {one.code for one in caught.value.problems}
    assert codes == {"tests.unknown-stage", "tests.bad-moment", "tests.no-target"}
    assert any(one.hint == "did you mean train?" for one in caught.value.problems)
