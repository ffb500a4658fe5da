"""The command line as a whole: help, errors, exit codes, completion."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.cli import failure
from penstock.cli.main import COMMANDS, main
from penstock.errors import ConfigError, ExitCode, PenstockError, Problem, Span, StageError

PENSTOCK = Path(sys.executable).with_name("penstock")


def test_help_shows_every_command_under_its_heading(capsys):
    assert main(["--help"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    for name, verb in COMMANDS.items():
        assert f"  {name:<10}  {verb.help}" in shown
        assert shown.index(f"{verb.section}:") < shown.index(f"  {name:<10}  ")


@pytest.mark.parametrize("words", [[], ["rollout"]])
def test_without_words_it_helps(capsys, words):
    assert main(words) == ExitCode.DONE
    assert capsys.readouterr().out.startswith("Usage: penstock")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["depoly"], "did you mean `deploy`"),
        (["rolback"], "did you mean `rollback`"),
        (["zzz"], "`penstock --help` shows"),
        (["--verison"], "did you mean `--version`?"),
        (["status", "--jsn"], "did you mean `--json`?"),
        (["rollout", "pase"], "did you mean `pause`"),
        (["completion", "tcsh"], "`penstock completion --help`"),
        (["completion"], "missing argument"),
        (["status", "-C", "/no/such/directory"], "does not exist"),
    ],
)
def test_wrong_words_end_with_2_and_a_near_word(capsys, words, said):
    assert main(words) == ExitCode.USAGE
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_errors_as_json_have_one_shape(capsys, tmp_path):
    assert main(["status", "--json", "-C", str(tmp_path)]) == ExitCode.STATE
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "project.not-found"
    assert set(error) == {
        "code", "message", "hint", "exit_code", "retryable", "problems", "log_tail",
    }  # fmt: skip
    assert error["exit_code"] == ExitCode.STATE
    assert main(["stats", "--json"]) == ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage.unknown-command"


def test_the_version_is_that_of_the_package(capsys):
    from importlib.metadata import version

    assert main(["--version"]) == ExitCode.DONE
    assert capsys.readouterr().out == f"penstock {version('penstock')}\n"


def test_a_bug_ends_with_70_and_its_traceback_is_kept(capsys, tmp_path):
    (tmp_path / ".penstock").mkdir()
    error = ValueError("something nobody thought of")
    assert failure.report(error, ["run", "-C", str(tmp_path)]) == ExitCode.BUG
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (kept,) = (tmp_path / ".penstock").glob("crash-*.log")
    assert str(kept) in said
    assert "something nobody thought of" in kept.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), "disk.full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "x"), "disk.full"),
        (OSError(errno.EROFS, "Read-only file system", "x"), "disk.read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "disk.permission"),
        (OSError(errno.EMFILE, "Too many open files"), "disk.open-files"),
        (MemoryError(), "memory.full"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "network.failed"),
        (sqlite3.OperationalError("database or disk is full"), "disk.full"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "disk.permission"),
        (sqlite3.OperationalError("database is locked"), "disk.busy"),
        (
            ModuleNotFoundError("No module named 'optuna'", name="optuna.study"),
            "plugin.not-installed",
        ),
    ],
)
def test_what_a_machine_refuses_is_no_bug(error, code):
    found = failure.explain(error)
    assert found is not None
    assert found.code == code
    assert found.hint


def test_a_missing_extra_is_named():
    error = ModuleNotFoundError("No module named 'optuna'", name="optuna")
    assert failure.explain(error).hint == "pip install 'penstock[tune]'"
    assert failure.explain(ModuleNotFoundError("x", name="penstock.nothing")) is None
    assert failure.explain(ValueError("x")) is None
    assert failure.explain(sqlite3.OperationalError("no such table: x")) is None
    assert failure.explain(OSError(errno.EINVAL, "Invalid argument")) is None


def test_an_error_is_shown_like_a_compilers(tmp_path, monkeypatch):
    from penstock.cli.output import render

    (tmp_path / "penstock.yaml").write_text("serve:\n\tprot: \x1b[31m1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    span = Span("penstock.yaml", 2, 2, 6)
    error = ConfigError("unknown key `prot`", code="x", hint="did you mean `port`?", span=span)
    assert render(error).splitlines() == [
        "penstock.yaml:2:2: error: unknown key `prot`",
        "  2 | \tprot: \N{REPLACEMENT CHARACTER}[31m1",
        "    | \t^^^^",
        "  help: did you mean `port`?",
    ]


def test_the_source_line_is_found_below_the_project(tmp_path):
    from penstock.cli.output import render

    (tmp_path / "dvc.yaml").write_text("a: 1\n", encoding="utf-8")
    error = ConfigError("no", code="x", span=Span("dvc.yaml", 1, 4))
    assert "a: 1" in render(error, root=tmp_path)
    assert "a: 1" not in render(error)


def test_several_problems_and_the_end_of_a_log():
    from penstock.cli.output import render

    problems = [Problem("a", "first"), Problem("b", "second", hint="mend it")]
    shown = render(ConfigError.of(problems)).splitlines()
    assert shown == [
        "error: first",
        "error: second",
        "  help: mend it",
        "error: 2 problems in what you wrote",
    ]
    failed = StageError("stage `x` failed", code="x", hint="look", log_tail=["one", "two"])
    assert render(failed).splitlines() == [
        "error: stage `x` failed",
        "  | one",
        "  | two",
        "  help: look",
    ]


def test_colours_are_asked_for(monkeypatch):
    from penstock.cli.output import render

    error = PenstockError("x", code="x")
    assert "\x1b" not in render(error)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31m" in render(error)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in render(error)


def test_long_lines_are_cut_around_the_place(tmp_path):
    from penstock.cli.output import render

    (tmp_path / "x.yaml").write_text("a" * 500 + "B" + "c" * 500, encoding="utf-8")
    shown = render(ConfigError("no", code="x", span=Span("x.yaml", 1, 501)), root=tmp_path)
    line, caret = shown.splitlines()[1:3]
    assert line[caret.index("^")] == "B"
    assert len(line) < 200


def test_answers_are_always_json(capsys):
    from penstock.cli.output import write_json

    write_json({"a": float("nan"), "b": [float("inf"), 1], ("c", 1): Path("x"), "d": {2}})
    assert json.loads(capsys.readouterr().out) == {
        "a": None,
        "b": [None, 1],
        "('c', 1)": "x",
        "d": [2],
    }


def test_tables_are_as_wide_as_needed():
    from penstock.cli.output import table

    assert table(["name", "n"], [["a", 1], ["long name", 100]], right="b").splitlines() == [
        "name         n",
        "a            1",
        "long name  100",
    ]


def test_a_reader_that_goes_away_is_no_error():
    process = subprocess.Popen([PENSTOCK, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), said) == (ExitCode.DONE, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(capsys, shell):
    assert main(["completion", shell]) == ExitCode.DONE
    assert "_PENSTOCK_COMPLETE" in capsys.readouterr().out


def test_completion_completes():
    words = {"COMP_WORDS": "penstock ro", "COMP_CWORD": "1", "_PENSTOCK_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [PENSTOCK], env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["plain,rollout", "plain,rollback"]


def test_python_dash_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("penstock ")
