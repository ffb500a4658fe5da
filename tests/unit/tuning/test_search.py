"""A search with real Optuna on disk: budget, resuming, warm start, pruning, many goals."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from penstock.errors import ConfigError, UnavailableError
from penstock.tuning import Budget, Job, Measured, Objective, objectives, search, space
from penstock.tuning.coordinator import HOPELESS
from penstock.tuning.studies import FILE, opened

SPACE = space({"x": {"low": -4.0, "high": 4.0}, "n": {"low": 1, "high": 5, "integer": True}})
LOSS = (Objective("loss", "minimize"),)


def loss(job: Job) -> Measured:
    return Measured(((job.params["x"] - 1) ** 2 + job.params["n"] / 10,))


def test_better_parameters_are_found_within_the_budget(tmp_path):
    told = []
    found = search(
        tmp_path, "s", SPACE, LOSS, Budget(25), loss, present={"x": -4.0, "n": 5}, tell=told.append
    )
    assert found.trials == 25
    assert found.before == {"loss": 25.5}
    assert found.values["loss"] < 2
    assert "x" in found.params
    assert told[0].startswith("trial 0: ")
    # Asked again, nothing is run: the study has used its budget.
    again = search(tmp_path, "s", SPACE, LOSS, Budget(25), loss, present={"x": -4.0, "n": 5})
    assert again.params == found.params
    assert again.trials == 25


def test_parameters_at_hand_stay_when_none_are_better(tmp_path):
    found = search(tmp_path, "s", SPACE, LOSS, Budget(6), loss, present={"x": 1.0, "n": 1})
    assert found.params == {}
    assert "at hand are the best" in found.words


def test_trials_run_side_by_side_each_in_its_own_slot(tmp_path):
    busy, most, lock = set(), [], threading.Lock()
    met = threading.Barrier(3, timeout=60)

    def slow(job):
        with lock:
            assert job.slot not in busy
            busy.add(job.slot)
            most.append(len(busy))
        met.wait()
        with lock:
            busy.remove(job.slot)
        met.wait()
        return loss(job)

    assert search(tmp_path, "s", SPACE, LOSS, Budget(6, jobs=3), slow).trials == 6
    assert max(most) == 3


def test_the_time_ends_the_search_and_what_runs(tmp_path):
    def endless(job):
        while not job.stopped():
            time.sleep(0.01)
        return Measured(None, "time is over")

    found = search(tmp_path, "s", SPACE, LOSS, Budget(100, seconds=0.5, jobs=2), endless)
    assert found.trials == 2
    assert found.failed == 2
    assert found.params == {}
    assert "no trial succeeded: time is over" in found.words


def test_a_search_that_cannot_succeed_is_given_up(tmp_path):
    def broken(job):
        return Measured(None, "stage train failed\nno memory")

    found = search(tmp_path, "s", SPACE, LOSS, Budget(100), broken)
    assert found.trials == found.failed == HOPELESS
    assert found.words == "no trial succeeded: stage train failed"


def test_a_metric_that_nobody_measures_ends_the_search_at_its_first_trial(tmp_path):
    tried = []

    def other(job):
        tried.append(job.number)
        return Measured(None, "no metric loss; validation measures accuracy", unmeasured=True)

    with pytest.raises(ConfigError, match="no metric loss") as refused:
        search(tmp_path, "s", SPACE, LOSS, Budget(20), other)
    assert refused.value.code == "tuning.unmeasured"
    assert tried == [0]

    def once(job):  # a trial without it, after one that had it, has merely failed
        return loss(job) if job.number % 2 == 0 else other(job)

    found = search(tmp_path, "t", SPACE, LOSS, Budget(6), once)
    assert (found.trials, found.failed) == (6, 3)


def test_a_value_that_is_no_number_is_a_failed_trial(tmp_path):
    def odd(job):
        return Measured((float("nan"),)) if job.number < 2 else loss(job)

    found = search(tmp_path, "s", SPACE, LOSS, Budget(5), odd)
    assert (found.trials, found.failed) == (5, 2)
    assert found.values["loss"] < 100


def test_an_earlier_study_guides_the_next_but_never_wins(tmp_path):
    first = search(tmp_path, "one", SPACE, LOSS, Budget(10), loss)
    tried = []

    def worse(job):
        tried.append(job.params)
        return Measured((100 + loss(job).values[0],))

    second = search(tmp_path, "two", SPACE, LOSS, Budget(3), worse, present={"x": 0.0, "n": 2})
    assert second.warm == 10
    assert second.trials == 3
    assert tried[0] == {"x": 0.0, "n": 2}
    assert tried[1] == first.params
    assert second.values["loss"] > 100
    # Another range, or other objectives: only what fits is taken over.
    narrow = space({"x": {"low": 3.9, "high": 4.0}, "n": {"low": 1, "high": 5, "integer": True}})
    assert search(tmp_path, "three", narrow, LOSS, Budget(1), loss).warm < 13
    other = (Objective("accuracy", "maximize"),)
    assert search(tmp_path, "four", SPACE, other, Budget(1), loss).warm == 0


def test_a_trial_that_is_behind_is_stopped(tmp_path):
    def stepwise(job):
        for step in range(5):
            if job.report(step, [100.0 if job.number >= 5 else float(job.number)]):
                return Measured(None, pruned=True)
        return Measured((float(job.number),))

    found = search(tmp_path, "s", SPACE, LOSS, Budget(8), stepwise)
    assert found.pruned == 4  # the fourth is behind the median of the first four as well
    assert found.trials == 8


def test_several_objectives_have_one_winner(tmp_path):
    goals = objectives("loss minimize, accuracy maximize", "minimize")

    def both(job):
        x = job.params["x"]
        return Measured(((x - 1) ** 2, -((x - 2) ** 2)))

    found = search(
        tmp_path, "s", SPACE, goals, Budget(25, jobs=2), both, present={"x": -4.0, "n": 1}
    )
    assert set(found.values) == {"loss", "accuracy"}
    assert -1 < found.params["x"] < 4
    assert search(tmp_path, "t", SPACE, goals, Budget(2), both).warm == 25


def test_a_failed_trial_is_told_and_the_search_goes_on(tmp_path):
    def often(job):
        return Measured(None, "stage train failed") if job.number % 2 else loss(job)

    found = search(tmp_path, "s", SPACE, LOSS, Budget(6), often)
    assert (found.trials, found.failed) == (6, 3)
    assert found.params


SCRIPT = """
import pathlib, sys, time
from penstock.tuning import Budget, Measured, Objective, search, space
folder, log = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
def evaluate(job):
    with log.open("a") as out:
        out.write(f"{job.number} {job.params['x']}\\n")
    time.sleep(0.05)
    return Measured((job.params["x"] ** 2,))
found = search(folder, "s", space({"x": {"low": -1.0, "high": 1.0}}),
               (Objective("loss", "minimize"),), Budget(12, jobs=2), evaluate)
print(found.trials, found.failed)
"""


def test_killed_at_any_moment_a_search_goes_on_where_it_stood(tmp_path):
    log = tmp_path / "log"
    words = [sys.executable, "-c", SCRIPT, str(tmp_path / "studies"), str(log)]
    for kill in range(3):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            lines = log.read_text().splitlines() if log.exists() else []
            if len(lines) >= 3 * (kill + 1):
                break
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    # A line that was cut short by the kill must not stop the next one.
    with (tmp_path / "studies" / FILE).open("ab") as out:
        out.write(b'{"op_code": 4, "worker')
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["12", "0"]
    tried = [line.split()[1] for line in log.read_text().splitlines()]
    # Only what was running at a kill (two at most) was run again, and nothing else twice.
    assert 12 <= len(tried) <= 12 + 3 * 2
    assert len(set(tried)) == 12


def test_one_process_searches_at_a_time(tmp_path):
    with opened(tmp_path), pytest.raises(UnavailableError) as caught:
        search(tmp_path, "s", SPACE, LOSS, Budget(1), loss)
    assert caught.value.code == "tuning.busy"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"low": 1},
        {"low": 2, "high": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": 0, "high": 1, "choices": (1, 2)},
    ],
)
def test_a_range_that_is_none_is_an_error(given):
    with pytest.raises(ConfigError) as caught:
        space({"x": given})
    assert caught.value.code == "tuning.parameter"


@pytest.mark.parametrize("metric", ["", "a up", "a minimize maximize", "a,"])
def test_a_metric_that_cannot_be_read_is_an_error(metric):
    with pytest.raises(ConfigError):
        objectives(metric, "minimize")
