"""The six steps of the demo, each with its reason, its commands and what must be true after it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from penstock.demo import changes
from penstock.demo.changes import Change
from penstock.demo.facts import MODEL
from penstock.demo.project import NEXT_MONTH
from penstock.demo.voice import Voice
from penstock.demo.walk import Options, Walk
from penstock.domain.event import EventType
from penstock.domain.rollout import RolloutPhase
from penstock.errors import PenstockError

_RESULTS = "What the run made"


def walk(root: Path, voice: Voice, options: Options) -> Walk:
    """Walk the whole loop in a new repository and return what came of it.

    Args:
        root: where to make the repository: a new or empty directory.
        voice: whom to tell.
        options: how to walk.

    Raises:
        PenstockError: when something could not be done; the repository is left as it is, and
            nothing serves.
    """
    one = Walk(root, voice, options)
    with contextlib.ExitStack() as undo:
        undo.callback(_stop_quietly, one)
        for step in (first_model, new_data, bad_commit, bad_live, roll_back, look_back):
            step(one)
        one.finish()
        undo.pop_all()
    if not options.keep_serving:
        _stop(one)
    voice.end(_farewell(one))
    return one


def _stop_quietly(one: Walk) -> None:
    """Serve no longer after a failure: what went wrong first is what the person must see."""
    with contextlib.suppress(PenstockError):
        _stop(one)


def first_model(one: Walk) -> None:
    """January to March become version 1, which answers requests."""
    one.begin(
        1,
        "First model",
        "Real flights of January to March are committed, a month a file, tracked by DVC. The "
        "pipeline runs, stages side by side where they can; each stage's tests run; the gates of "
        "penstock.yaml ask whether the candidate is good enough. What passes becomes a model "
        "version in MLflow and is deployed.",
    )
    one.voice.by_hand(
        [
            "git init && dvc init",
            "dvc add data/flights/2013-01.parquet ...   # data, month by month",
            "git commit -m 'Predict late arrivals from January to March'",
            "penstock run       # or: penstock run --deploy",
            "penstock deploy",
        ]
    )
    project = one.project
    one.penstock("run")
    project.commit(_RESULTS)
    one.check("every stage ran and the gates passed", holds=_judged(one) == "passed")
    one.check(f"MLflow has {MODEL} version 1", holds=one.read.versions() == [1])
    one.penstock("deploy")
    one.check("alias champion points to version 1", holds=one.read.alias("champion") == 1)
    version, answer = one.ask()
    one.check(f"version {version} answers a request: {answer}", holds=version == "1")


def new_data(one: Walk) -> None:
    """April arrives; only what depends on it runs, and a canary brings version 2."""
    one.begin(
        2,
        "New data",
        "April is committed. Only what depends on it runs. The candidate is compared with the "
        "champion on the same held-out flights, then gets real traffic bit by bit: copies first "
        "(shadow), then 5 %, 25 %, 100 %, watched at every step while April is replayed.",
    )
    one.voice.by_hand(
        [
            f"dvc add data/flights/{NEXT_MONTH}.parquet",
            "git commit -am 'April has come'",
            "penstock plan      # what would run, and why",
            "penstock run && penstock deploy",
        ]
    )
    one.project.add_months([NEXT_MONTH])
    one.project.declare_month(NEXT_MONTH)
    one.project.commit("April has come")
    one.penstock("plan")
    one.penstock("run")
    one.project.commit(_RESULTS)
    outcomes = one.read.outcomes()
    stages = {name: outcome for name, outcome in outcomes.items() if not name.endswith(".dvc")}
    idle = [name for name, outcome in stages.items() if outcome == "unchanged"]
    one.check(
        f"not run again, nothing changed for them: {', '.join(sorted(idle))}",
        holds={"weather", "clean@2013-01", "clean@2013-02", "clean@2013-03"} <= set(idle),
    )
    one.check("the candidate is no worse than the champion", holds=_judged(one) == "passed")
    tally = one.under_traffic("new data", "deploy")
    weights = _weights(one, one.read.rollout()["id"])
    one.check(
        f"traffic of version 2 rose over {', '.join(weights)}",
        holds=weights == ["shadow", "5 %", "25 %", "100 %"],
    )
    one.check("alias champion points to version 2", holds=one.read.alias("champion") == 2)
    one.check(
        f"{tally.failed} of {tally.sent:,} requests failed while versions changed",
        holds=tally.failed == 0 and tally.sent > 0,
    )


def bad_commit(one: Walk) -> None:
    """A plausible bug is stopped by a gate."""
    change = changes.WRONG_COLUMN
    one.begin(
        3,
        "A bad commit",
        f"Somebody commits “{change.message}”. It reads well and all tests pass. But "
        f"{change.truth}. The gate sees what the tests did not.",
    )
    one.voice.by_hand(
        [f"git switch -c {change.branch}", "penstock run       # exit code 1: the answer is no"]
    )
    one.branch(change)
    one.penstock("run", expect=1)
    stopped = [
        verdict["words"]
        for verdict in _verdicts(one)
        if verdict["blocking"] and verdict["outcome"] != "passed"
    ]
    one.check("refused: " + "; ".join(stopped), holds=_judged(one) == "refused")
    one.check("no version was registered", holds=one.read.versions() == [1, 2])
    one.check("the champion is untouched", holds=one.read.alias("champion") == 2)
    one.back_to_main()


def bad_live(one: Walk) -> None:
    """Two models that look good offline are caught on live evidence."""
    one.begin(
        4,
        "Good offline, bad live",
        "Two more commits, and both pass every gate: held-out data cannot show what is wrong. "
        "One model fails on the missing values that live traffic has, the other is far too slow. "
        "The canary sees it on a little traffic, and takes it back without being asked.",
    )
    one.voice.by_hand(["git switch -c ...", "penstock run && penstock deploy   # exit code 1"])
    for version, change in ((3, changes.NO_IMPUTER), (4, changes.LARGE_FOREST)):
        _caught(one, version, change)


def _caught(one: Walk, version: int, change: Change) -> None:
    one.voice.said(f"“{change.message}”: {change.truth}.")
    one.branch(change)
    one.penstock("run")
    one.check("every gate passed", holds=_judged(one) == "passed")
    tally = one.under_traffic(change.branch, "deploy", expect=1)
    rollout = one.read.rollout()
    one.check(
        f"version {version} was rolled back: {rollout['reason']}",
        holds=rollout["phase"] == RolloutPhase.ROLLED_BACK
        and rollout["challenger"]["version"] == str(version),
    )
    seconds = _seconds_to_roll_back(one, rollout["id"])
    one.check(f"… {seconds:.1f} seconds after its first request", holds=seconds < 60)
    one.check("alias champion still points to version 2", holds=one.read.alias("champion") == 2)
    share = tally.failed / tally.sent if tally.sent else 1.0
    one.check(
        f"{tally.failed} of {tally.sent:,} requests failed meanwhile ({share:.2%})",
        holds=share < 0.01,
    )
    one.back_to_main()


def roll_back(one: Walk) -> None:
    """One command returns to the previous version."""
    one.begin(
        5,
        "Rollback",
        "Version 2 is healthy, but suppose that the people at the desk do not like it. One "
        "command returns traffic, registry alias and release tag together.",
    )
    one.voice.by_hand(["penstock rollback --reason 'complaints from the desk'"])
    tally = one.under_traffic("rollback", "rollback", "--reason", "complaints from the desk")
    one.check("alias champion points to version 1", holds=one.read.alias("champion") == 1)
    version, _ = one.ask()
    one.check(f"version {version} answers", holds=version == "1")
    newest = _newest_release(one)
    one.check(f"the newest release tag, {newest[0]}, names version 1", holds=newest[1] == "1")
    one.check(
        f"{tally.failed} of {tally.sent:,} requests failed",
        holds=not tally.failed and tally.sent > 0,
    )


def look_back(one: Walk) -> None:
    """What is, what was, and a report to keep."""
    one.begin(
        6,
        "Looking back",
        "Everything that happened stands in the journal with its cause. The report is one file "
        "that opens anywhere.",
    )
    one.voice.by_hand(["penstock status", "penstock history", "penstock report --open"])
    one.penstock("status")
    one.penstock("history")
    promoted = _promoted_run(one)
    one.penstock("report", *([promoted] if promoted else []))
    written = sorted((one.root / ".penstock" / "reports").glob("*.html"))
    one.report = str(written[-1]) if written else ""
    one.check(f"the report is in {one.report or 'no file'}", holds=bool(written))
    clean = "up to date" in one.project.dvc("status")
    one.check("`dvc status` finds everything up to date", holds=clean)
    dirty = one.project.git("status", "--porcelain").strip()
    one.check("`git status` finds nothing uncommitted", holds=not dirty)


def _judged(one: Walk) -> str:
    judgement = one.read.run()["judgement"]
    return str(judgement["outcome"]) if judgement else ""


def _verdicts(one: Walk) -> list[dict[str, Any]]:
    judgement = one.read.run()["judgement"]
    return list(judgement["verdicts"]) if judgement else []


def _weights(one: Walk, rollout: str) -> list[str]:
    """Return the weights that a rollout went through, in order."""
    steps = [e for e in one.read.events(EventType.ROLLOUT_STEPPED) if e.subject == rollout]
    weights = [e.data["weight"] for e in steps if "weight" in e.data]
    return [f"{weight:g} %" if weight else "shadow" for weight in weights]


def _seconds_to_roll_back(one: Walk, rollout: str) -> float:
    steps = [e for e in one.read.events(EventType.ROLLOUT_STEPPED) if e.subject == rollout]
    ended = [e for e in one.read.events(EventType.ROLLOUT_ROLLED_BACK) if e.subject == rollout]
    return ended[-1].time - steps[0].time if steps and ended else float("inf")


def _newest_release(one: Walk) -> tuple[str, str]:
    """Return the newest tag that puts a version into production, and that version."""
    tags = one.project.git("tag", "--list", f"{MODEL}#production#*").split()
    if not tags:
        return "none", ""
    newest = max(tags, key=lambda tag: int(tag.rpartition("#")[2]))
    message = one.project.git("for-each-ref", "--format=%(contents)", f"refs/tags/{newest}")
    lines = [line for line in message.splitlines() if line.startswith("penstock-version: ")]
    return newest, lines[-1].partition(": ")[2] if lines else ""


def _promoted_run(one: Walk) -> str:
    """Return the run behind version 2: the one whose report has everything to show."""
    registered = one.read.events(EventType.VERSION_REGISTERED)
    runs = [str(e.data["run_id"]) for e in registered if e.data.get("version") == 2]
    return runs[-1] if runs else ""


def _stop(one: Walk) -> None:
    if (one.root / ".penstock" / "serve").exists():
        one.penstock("serve", "--stop")


def _farewell(one: Walk) -> list[str]:
    total = sum(one.seconds.values())
    lines = [f"The whole loop in {total:.0f} seconds. The repository is yours: cd {one.root}"]
    if one.options.keep_serving:
        lines.append(f"It still serves at {one.url}; `penstock serve --stop` ends that.")
    lines.append("Try: penstock why train, penstock history --all, penstock gates, git log --all")
    return lines
