"""Runs with real processes: failures, limits, retries, time limits, tests around stages."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import ConfigError, StateError, UnavailableError, UsageError
from penstock.journal import Journal
from penstock.pipeline import execute, metrics, params, plan, revision

CHAIN = """\
stages:
  first:
    cmd: cp a b
    deps: [a]
    outs: [b]
  second:
    cmd: {cmd}
    deps: [b]
    outs: [c]
  third:
    cmd: cp c d
    deps: [c]
    outs: [d]
  other:
    cmd: cp a e
    deps: [a]
    outs: [e]
"""


def written(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def until(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def chain(make_project, cmd: str):
    return make_project(files={"dvc.yaml": CHAIN.format(cmd=cmd), "a": "1\n"})


def test_a_failed_stage_tells_where_how_and_its_last_lines(make_project):
    project = chain(make_project, "'echo before; echo the reason >&2; exit 3'")
    run = project.run(keep_going=True)
    assert run.outcome == "failed"
    ended = {one.stage: one for one in run.stages}
    assert {name: one.outcome.value for name, one in ended.items()} == {
        "first": "ran",
        "second": "failed",
        "third": "blocked",
        "other": "ran",
    }
    second = ended["second"]
    assert second.exit_code == 3
    assert second.error is not None
    assert second.error.startswith("dvc.yaml:6:3: stage second failed with exit code 3 (after ")
    assert "  | the reason" in second.error
    assert second.log is not None
    assert project.read(second.log) == "before\nthe reason\n"
    assert "second" in (ended["third"].error or "")
    # What had finished stays finished.
    assert project.outcomes(keep_going=True)["first"] == "unchanged"


def test_without_keep_going_nothing_new_starts_after_a_failure(make_project):
    project = chain(make_project, "'false'")
    outcomes = project.outcomes(jobs=1, targets=["third"])
    assert outcomes == {"first": "ran", "second": "failed", "third": "blocked"}


@pytest.mark.parametrize(
    ("cmd", "words"),
    [
        ("kill -SEGV $$", "stage second was killed by SIGSEGV"),
        ("'true'", "its output c does not exist"),
        ("echo x >> b; cp b c", "b, an output of stage first, was changed by stage "),
    ],
)
def test_what_can_go_wrong_is_named(make_project, cmd, words):
    run = chain(make_project, cmd).run()
    assert run.outcome == "failed"
    assert any(words in (one.error or "") for one in run.stages), run


def test_a_missing_dependency_names_the_line(make_project):
    project = chain(make_project, "cp b c")
    (project.root / "a").unlink()
    run = project.run(keep_going=True)
    errors = {one.stage: one.error or "" for one in run.stages}
    assert errors["first"].startswith("dvc.yaml:4:12: stage first needs a, which does not exist")


def test_time_limits_retries_and_environment(make_project):
    text = """\
stages:
  slow:
    cmd: sleep 60 & echo started; wait
    meta: {penstock: {timeout: 0.3}}
  flaky:
    cmd: echo try >> tries; test $(wc -l < tries) -ge 3 && echo $WORD > word
    outs: [word]
    meta: {penstock: {retries: {times: 2, delay: 10ms}, env: {WORD: yes}}}
"""
    project = make_project(files={"dvc.yaml": text})
    ended = {one.stage: one for one in project.run(keep_going=True).stages}
    assert "took longer than its limit of 0.3 s" in (ended["slow"].error or "")
    assert (ended["flaky"].outcome, ended["flaky"].attempts) == ("ran", 3)
    assert project.read("word") == "yes\n"
    assert "attempt 1 failed; again in 0.01 s" in project.read(ended["flaky"].log or "")


def test_numeric_libraries_get_as_many_threads_as_a_stage_has_cpus(make_project, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    lines = ["stages:"]
    stages = (
        ("none", "{}"),
        ("some", "{cpus: 1.5}"),
        ("own", "{cpus: 2, env: {OMP_NUM_THREADS: 9}}"),
    )
    for name, wanted in stages:
        shown = "$OMP_NUM_THREADS/$OMP_THREAD_LIMIT/$MKL_NUM_THREADS/$OPENBLAS_NUM_THREADS"
        lines += [f"  {name}:", f"    cmd: echo {shown} > {name}", f"    outs: [{name}]"]
        lines += [f"    meta: {{penstock: {wanted}}}"]
    project = make_project(files={"dvc.yaml": "\n".join(lines) + "\n"})
    assert project.run().outcome == "succeeded"
    assert project.read("none") == "///7\n"
    assert project.read("some") == "2/2/2/7\n"  # what the environment says stands
    assert project.read("own") == "9//2/7\n"


def test_independent_stages_meet_and_limited_ones_never_do(make_project):
    wait = (
        "touch {0}; n=0; until test -e {1};"
        " do sleep 0.01; n=$((n+1)); test $n -lt 6000 || exit 1; done"
    )
    alone = "mkdir busy && sleep 0.02 && rmdir busy && touch {0}"
    lines = ["stages:"]
    lines += [
        "  left:",
        f"    cmd: {wait.format('l', 'r')}",
        "  right:",
        f"    cmd: {wait.format('r', 'l')}",
    ]
    for number in range(6):
        lines += [
            f"  alone{number}:",
            f"    cmd: {alone.format(f'x{number}')}",
            f"    outs: [x{number}]",
            "    meta: {penstock: {limit: {database: 1}, cpus: 0}}",
        ]
    project = make_project(files={"dvc.yaml": "\n".join(lines) + "\n"})
    run = project.run(jobs=8)
    assert run.outcome == "succeeded", run.error


def test_peak_memory_of_a_stage_is_known(make_project):
    # A command is only measured where it takes more than the process that starts it.
    size = 300_000_000 + 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code = f"x = bytearray({size}); x[::4096] = x[::4096]"
    text = f"stages:\n  big:\n    cmd: python -c '{code}'\n"
    (stage,) = make_project(files={"dvc.yaml": text}).run().stages
    assert stage.outcome == "ran", stage.error
    assert stage.peak_memory is not None
    assert stage.peak_memory > size


class Judge:
    """Says no to what it is told to, and notes what it was asked."""

    def __init__(self, refuse: str = "") -> None:
        self.asked: list[str] = []
        self._refuse = refuse

    def before(self, stage: str):
        return self._judge(f"before {stage}")

    def after(self, stage: str):
        return self._judge(f"after {stage}")

    def _judge(self, what: str):
        self.asked.append(what)
        outcome = Outcome.FAILED if what == self._refuse else Outcome.PASSED
        return (Verdict(f"test_{what.replace(' ', '_')}", outcome, "rows: 0"),)


def test_a_failed_test_stops_the_line_and_is_never_hidden(make_project):
    project = chain(make_project, "cp b c")
    hooks = Judge(refuse="before second")
    run = project.run(hooks=hooks, keep_going=True)
    ended = {one.stage: one for one in run.stages}
    assert ended["second"].outcome == "failed"
    assert "test_before_second" in (ended["second"].error or "")
    assert ended["second"].exit_code is None
    assert ended["third"].outcome == "blocked"

    hooks = Judge(refuse="after second")
    run = project.run(hooks=hooks)
    assert [one.outcome.value for one in run.stages if one.stage == "second"] == ["failed"]
    # The stage itself is finished: mending the test does not run it again.
    run = project.run(hooks=Judge(refuse="after second"))
    (second,) = [one for one in run.stages if one.stage == "second"]
    assert (second.outcome, second.exit_code) == ("failed", None)
    assert [verdict.outcome.value for verdict in second.verdicts] == ["passed", "failed"]
    hooks = Judge()
    outcomes = project.outcomes(hooks=hooks)
    assert outcomes["second"] == "unchanged"
    assert {"before first", "after first", "before third", "after third"} <= set(hooks.asked)


PROGRAM = """
import sys
from pathlib import Path
from penstock.pipeline import execute
def tell(progress):
    if progress.kind in ("waiting", "stage-started"):
        print(progress.kind, progress.stage, progress.text, flush=True)
run = execute(Path(sys.argv[1]), listener=tell)
print(run.outcome.value, [one.outcome.value for one in run.stages], flush=True)
"""


def start(project) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(project.root)], stdout=subprocess.PIPE, text=True
    )


HELD = "touch started; until test -e go; do sleep 0.01; done; cp b c"


def test_a_second_process_waits_and_readers_do_not(make_project):
    project = chain(make_project, HELD)
    with start(project) as one:
        until((project.root / "started").exists)
        with start(project) as two:
            assert two.stdout is not None
            line = two.stdout.readline()
            assert line.startswith(f"waiting  waiting for process {one.pid} (")
            actions = {each.stage: each.action for each in plan(project.root).stages}
            assert actions["first"] == "unchanged"
            (project.root / "go").touch()
            out, _ = one.communicate(timeout=60)
            assert "succeeded" in out
            out, _ = two.communicate(timeout=60)
            assert out == "succeeded ['unchanged', 'unchanged', 'unchanged', 'unchanged']\n"


@pytest.mark.parametrize("number", [2, 15])
def test_an_interruption_ends_whole_process_groups_and_keeps_what_is_finished(make_project, number):
    project = chain(make_project, "sleep 600 & echo $! > pid; wait; cp b c")
    with start(project) as process:
        pid = project.root / "pid"
        until(lambda: written(pid))
        until((project.root / "e").exists)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    assert out.splitlines()[-1].startswith("cancelled ")
    until(lambda: not Path(f"/proc/{int(pid.read_text())}").exists())
    assert project.outcomes(targets=["first"]) == {"first": "unchanged"}


def test_what_a_killed_run_left_behind_is_ended_first(make_project):
    project = chain(
        make_project, "echo $$ > pid; if test -e fast; then cp b c; else exec sleep 600; fi"
    )
    with start(project) as process:
        pid = project.root / "pid"
        until(lambda: written(pid))
        process.kill()
        process.wait()
    left = int(pid.read_text())
    assert Path(f"/proc/{left}").exists()
    told: list[str] = []
    project.write({"fast": ""})
    project.run(listener=lambda progress: told.append(progress.text))
    assert "ending what a killed run left behind" in told
    until(lambda: not Path(f"/proc/{left}").exists())
    assert project.read("c") == "1\n"


def test_durations_progress_and_values(make_project):
    text = (
        'stages:\n  train:\n    cmd: echo line; echo \'{"auc":0.5,"n":{"rows":2}}\' > m.json\n'
        "    params: [train, p.toml:]\n    metrics: [m.json: {cache: false}]\n"
    ).replace("p.toml:", "{p.toml: [k]}")
    project = make_project(
        files={
            "dvc.yaml": text,
            "params.yaml": "train: {lr: 0.1, deep: true}\n",
            "p.toml": "k = 'v'\n",
        }
    )
    heard = []
    with Journal(project.root / ".penstock" / "journal.db") as journal:
        run = execute(project.root, journal=journal, listener=heard.append)
        assert run.outcome == "succeeded", run.error
        record = journal.get("duration", "train")
        assert record is not None
        assert record.value["seconds"] > 0
    assert [one.kind for one in heard] == [
        "plan", "stage-started", "stage-output", "stage-finished", "run-finished",
    ]  # fmt: skip
    assert heard[2].text == "line"
    assert metrics(project.root) == {"auc": 0.5, "n.rows": 2.0}
    assert params(project.root) == {"train.lr": "0.1", "train.deep": "true", "p.toml:k": "v"}
    (planned,) = plan(project.root, force=True).stages
    assert planned.expected_seconds is not None
    commit = project.commit("the subject")
    assert revision(project.root).to_dict() == {
        "commit": commit, "branch": "main", "dirty": False, "subject": "the subject",
    }  # fmt: skip
    project.write({"params.yaml": ""})
    assert revision(project.root).dirty
    project.git("checkout", "params.yaml")
    (project.root / "dvc.lock").write_text("schema: '2.0'\n", encoding="utf-8")
    assert not revision(project.root).dirty, "a run's own lock file is no change of a person"


def test_what_prevents_running_at_all(make_project, tmp_path):
    project = chain(make_project, "cp b c")
    with pytest.raises(UsageError, match="no stage is called 'firts'") as wrong:
        project.run(targets=["firts"])
    assert wrong.value.hint == "did you mean 'first'?"
    empty = make_project("empty", {"x": ""})
    with pytest.raises(StateError, match=r"there is no dvc\.yaml"):
        empty.run()
    blocked = make_project("blocked", {"dvc.yaml": "stages: {}\n", ".penstock": "a file\n"})
    with pytest.raises(UnavailableError, match="cannot write"):
        blocked.run()
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(StateError, match="has no Git commit"):
        revision(bare)
    project.write({"dvc.lock": "schema: '2.0'\nstages: [1]\n"})
    with pytest.raises(ConfigError, match="not a lock file") as wrong_lock:
        project.run()
    assert str(wrong_lock.value.span) == "dvc.lock:2:9"
    project.write({"dvc.lock": "a\n<<<<<<< HEAD\n"})
    with pytest.raises(ConfigError, match="unresolved merge"):
        project.run()


def test_a_stage_cannot_run_its_own_pipeline(make_project):
    inner = "from penstock.pipeline import execute; from pathlib import Path; execute(Path())"
    project = make_project(files={"dvc.yaml": f"stages:\n  loop:\n    cmd: python -c '{inner}'\n"})
    run = project.run()
    assert "this is called from within a stage" in (run.error or "")
