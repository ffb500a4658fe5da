"""`penstock demo`: what it refuses, and what it tells."""

import pytest
from click.testing import CliRunner

from penstock.cli.demo import Terminal, demo
from penstock.errors import StateError


def ask(*words, answer=None):
    return CliRunner().invoke(demo, [*map(str, words)], input=answer, standalone_mode=False)


def test_a_directory_of_somebody_else_is_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for words in ((tmp_path,), (tmp_path, "--yes")):
        error = ask(*words).exception
        assert isinstance(error, StateError)
        assert error.code == "demo.not-empty"
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_earlier_demo_is_kept_unless_one_says_otherwise(tmp_path):
    (tmp_path / "src").mkdir()
    for name in ("penstock.yaml", "src/clean.py"):
        (tmp_path / name).write_text("made by a demo")
    error = ask(tmp_path, answer="n\n").exception
    assert isinstance(error, StateError)
    assert (tmp_path / "penstock.yaml").exists()


def test_help_teaches_by_examples():
    text = ask("--help").output
    for word in ("--fast", "--keep-serving", "penstock demo /tmp/flights --fast"):
        assert word in text


def test_a_person_is_told_what_why_how_and_what_holds(capsys):
    voice = Terminal()
    voice.step(3, "A bad commit", "A gate sees what the tests did not.")
    voice.by_hand(["penstock run       # exit code 1"])
    voice.command("penstock run")
    voice.said("The delay is always zero.")
    voice.fact("the champion is untouched", holds=True)
    voice.fact("a very long fact " * 12, holds=False)
    voice.end(["cd /tmp/flights"])
    text = capsys.readouterr().out
    assert "3  A bad commit  ───" in text
    assert "    penstock run       # exit code 1" in text
    assert "$ penstock run" in text
    assert "✓ the champion is untouched" in text
    assert "✗ a very long fact" in text
    assert max(map(len, text.splitlines())) <= 92


@pytest.mark.parametrize("colour", ["FORCE_COLOR", "NO_COLOR"])
def test_colours_are_as_wanted(capsys, monkeypatch, colour):
    monkeypatch.setenv(colour, "1")
    Terminal().fact("it holds", holds=True)
    assert ("\x1b[" in capsys.readouterr().out) is (colour == "FORCE_COLOR")
