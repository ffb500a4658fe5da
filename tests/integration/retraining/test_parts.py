"""Data pinned to commits, a branch that only grows, windows, edits: with real Git and DVC."""

import datetime as dt
import os
import subprocess

import pytest

from penstock.errors import ConfigError, StateError
from penstock.retraining import branch, parameters, sources, window

NAME = "penstock/retrain"


def dvc(mini, *words):
    env = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run(["dvc", *words], cwd=mini.root, check=True, env=env, capture_output=True)


def pinned(mini, wanted, message="Retrain", when=1_700_000_000.0):
    """Commit the data as it is now, and let the branch follow."""
    root = mini.root
    found = sources.find(root, wanted)
    start, parents = branch.foundation(root, mini.git("rev-parse", "HEAD"), NAME)
    files = sources.pin(root, found, start)
    made = branch.commit(root, start, parents, files, message, when)
    if made != start:
        branch.move(root, NAME, made)
    return made, files


def checked_out(mini, commit, place, path):
    """Return a file of DVC as DVC itself gives it at a commit."""
    mini.git("worktree", "add", "-q", "--detach", str(place), commit)
    cache = mini.root / ".dvc/cache"
    env = os.environ | {"DVC_NO_ANALYTICS": "1"}
    words = (["dvc", "cache", "dir", "--local", str(cache)], ["dvc", "checkout", f"{path}.dvc"])
    for one in words:
        subprocess.run(one, cwd=place, check=True, env=env, capture_output=True)
    return (place / path).read_bytes()


def test_data_of_nobody_becomes_dvcs_and_dvc_gives_it_back(mini, tmp_path):
    made, files = pinned(mini, None)  # not named: the pipeline reads it and nobody has it
    assert set(files) == {"data/raw.csv.dvc", "data/.gitignore"}
    assert pinned(mini, "data/raw.csv")[0] == made  # the same again is no new commit
    known = (mini.root / "data/raw.csv").read_bytes()
    assert checked_out(mini, made, tmp_path / "one", "data/raw.csv") == known


def test_data_that_dvc_has_keeps_its_file_and_its_words(mini, tmp_path):
    dvc(mini, "add", "-q", "data/raw.csv")
    file = mini.root / "data/raw.csv.dvc"
    file.write_text(file.read_text() + "desc: all customers  # since 2020\n")
    mini.git("add", "-f", "data/raw.csv.dvc")
    mini.git("commit", "-q", "-m", "Data")
    assert pinned(mini, None)[1] == {}
    before = file.read_text()
    mini.more_data(seed=5)
    made, files = pinned(mini, None)
    assert set(files) == {"data/raw.csv.dvc"}
    text = mini.git("show", f"{made}:data/raw.csv.dvc")
    assert "desc: all customers  # since 2020" in text
    assert file.read_text() == before  # people's own file stays
    known = (mini.root / "data/raw.csv").read_bytes()
    assert checked_out(mini, made, tmp_path / "one", "data/raw.csv") == known


def test_data_in_git_is_committed_as_it_is(mini):
    rows = mini.root / "rows.csv"
    rows.write_text("a\n1\n")
    mini.commit("Rows")
    assert pinned(mini, "rows.csv")[1] == {"rows.csv": b"a\n1\n"}
    rows.write_text("a\n1\n2\n")
    made, _ = pinned(mini, "rows.csv")
    assert mini.git("show", f"{made}:rows.csv") == "a\n1\n2"
    assert mini.git("status", "--short") == "M rows.csv"
    assert sources.rows(mini.root, sources.find(mini.root, "rows.csv").items) == 2


def test_a_directory_is_one_source_and_its_rows_are_counted(mini):
    folder = mini.root / "data/days"
    folder.mkdir()
    (folder / "1.csv").write_text("a\n1\n2\n")
    (folder / "2.jsonl").write_text("{}\n{}\n{}")
    (folder / "README").write_text("days\n")
    first = sources.find(mini.root, "data/days")
    assert sources.rows(mini.root, first.items) == 5
    made, _ = pinned(mini, "data/days")
    assert "nfiles: 3" in mini.git("show", f"{made}:data/days.dvc")
    (folder / "3.csv").write_text("a\n1")
    again = sources.find(mini.root, "data/days")
    assert again.digest != first.digest
    assert sources.rows(mini.root, again.items) == 6
    assert sources.rows(mini.root, sources.find(mini.root, "src").items) is None


def test_what_a_stage_makes_is_no_data_to_watch(mini):
    with pytest.raises(ConfigError) as caught:
        sources.find(mini.root, "data/train.csv")
    assert caught.value.code == "retrain.data-is-output"


def test_the_branch_only_grows_and_joins_what_people_commit(mini):
    first, _ = pinned(mini, None)
    mini.more_data(seed=6)
    second, _ = pinned(mini, None)
    assert mini.git("rev-parse", f"{second}^") == first
    (mini.root / "notes.txt").write_text("people work\n")
    mini.commit("Notes")
    head = mini.git("rev-parse", "HEAD")
    mini.more_data(seed=7)
    third, _ = pinned(mini, None)
    assert mini.git("rev-list", "--parents", "-1", third).split() == [third, head, second]
    assert "notes.txt" in mini.git("ls-tree", "--name-only", third)
    assert mini.git("rev-parse", NAME) == third
    assert mini.git("log", "-1", "--format=%an", third) == "penstock"
    # Somebody who commits to the branch meanwhile is not overwritten.
    with pytest.raises(StateError) as caught:
        branch.move(mini.root, NAME, head)
    assert caught.value.code == "retrain.branch-moved"


def test_the_same_commit_made_again_is_the_same(mini):
    head = mini.git("rev-parse", "HEAD")
    made = {
        branch.commit(mini.root, head, [head], {"a.txt": b"1"}, "Again", 1_700_000_000.5)
        for _ in range(3)
    }
    assert len(made) == 1
    assert branch.commit(mini.root, head, [head], {}, "Nothing", 1.0) == head


def test_a_window_is_written_as_the_present_value_is():
    day = dt.datetime(2026, 11, 24, tzinfo=dt.UTC).timestamp()
    frame = window.choose("sliding", 86_400.0, None, day)
    known = ("window.start", "window.end", "strength")
    written = [
        ("2026-01-01", "2026-11-23"),
        ("2026-01-01 00:00:00", "2026-11-23T00:00:00"),
        (0, int(day - 86_400)),
        (dt.date(2026, 1, 1), dt.date(2026, 11, 23)),
        (dt.datetime(2026, 1, 1), dt.datetime(2026, 11, 23)),
    ]
    for present, wanted in written:
        found = window.changes(frame, known, {"window.start": present})
        assert found["window.start"] == wanted
    assert window.changes(window.choose("expanding", 0, None, day), (), {}) == {}
    with pytest.raises(ConfigError) as caught:
        window.changes(window.choose("since-change", 0, day, day), ("strength",), {})
    assert caught.value.code == "retrain.no-window"


def test_parameters_change_and_comments_stay():
    text = "# Mine\ntrain:\n  rate: 0.1   # slow\n  name: 'x'\nother: [1, 2]\n"
    found = parameters.edit(text, {"train.rate": 0.25}, "params.yaml")
    assert found == text.replace("0.1 ", "0.25")
    assert parameters.edit('{"a": {"b": 1}}', {"a.b": 2}, "p.json") == (
        '{\n  "a": {\n    "b": 2\n  }\n}\n'
    )
    for file, name, code in (
        ("params.yaml", "train.nothing", "retrain.unknown-param"),
        ("params.yaml", "other.x", "retrain.unknown-param"),
        ("params.toml", "train.rate", "retrain.params-file"),
    ):
        with pytest.raises(ConfigError) as caught:
            parameters.edit(text, {name: 1}, file)
        assert caught.value.code == code
