"""A journal with one whole story: a run, its judgement, its version and its rollout."""

import math

import pytest

from penstock.domain.artifact import Artifact
from penstock.domain.event import Event, EventType
from penstock.domain.revision import Revision
from penstock.domain.rollout import Strategy
from penstock.domain.run import Candidate, Run, RunOutcome, StageOutcome, StageRun
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.domain.version import Bundle, ModelVersion
from penstock.journal import Journal

NOW = 1_763_900_000.0
COMMIT = "4f1c2e9d8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e"


def artifact(path, size=1000):
    return Artifact(path, f"{abs(hash(path)):032x}"[:32], size)


def stage(name, deps, outs, outcome=StageOutcome.RAN, seconds=1.0, **more):
    return StageRun(
        name,
        outcome,
        reasons=("data/flights/2013-04.parquet is new",) if outcome is StageOutcome.RAN else (),
        seconds=seconds if outcome is StageOutcome.RAN else 0.0,
        exit_code=0,
        peak_memory=210_000_000,
        deps=tuple(map(artifact, deps)),
        outs=tuple(map(artifact, outs)),
        **more,
    )


def make_run(run_id="20261124-221003-abcd", outcome=RunOutcome.SUCCEEDED, **more):
    months = ("2013-01", "2013-02", "2013-03", "2013-04")
    test = Verdict("tests/test_train.py", Outcome.PASSED, "4 tests passed in 1.2 s", "stage-test")
    old = StageOutcome.UNCHANGED
    stages = (
        stage("weather", ["data/weather.csv"], ["data/weather.parquet"], old),
        *(
            stage(
                f"clean@{month}",
                [f"data/flights/{month}.parquet", "data/weather.parquet"],
                [f"data/clean/{month}.parquet"],
                StageOutcome.RAN if month == "2013-04" else old,
                1.31,
            )
            for month in months
        ),
        stage(
            "prepare",
            [f"data/clean/{month}.parquet" for month in months],
            ["data/train.parquet", "data/test.parquet"],
            seconds=1.42,
        ),
        stage("profile", ["data/train.parquet"], ["reports/profile.json"], seconds=0.9),
        stage("train", ["data/train.parquet"], ["models/model"], seconds=7.3, verdicts=(test,)),
        stage("evaluate", ["models/model", "data/test.parquet"], ["metrics.json"], seconds=2.1),
    )
    return Run(
        run_id,
        Revision(COMMIT, "main", dirty=False, subject="April has come"),
        started=NOW,
        outcome=outcome,
        finished=NOW + 12.4,
        stages=stages,
        lock_sha256="9b" * 32,
        **more,
    )


VERDICTS = (
    Verdict("model files", Outcome.PASSED, "nothing dangerous in 7 files", "scan", seconds=0.2),
    Verdict(
        "candidate.roc_auc > 0.85 +/- 0.02",
        Outcome.PASSED,
        "roc_auc is 0.914, surely above 0.85",
        evidence=(
            Evidence("candidate.roc_auc", 0.9144, 0.9071, 0.9215, 0.85, ">", 20804, "delong"),
        ),
        seconds=0.31,
    ),
    Verdict(
        "candidate.accuracy - champion.accuracy > -0.01 +/- 0.01",
        Outcome.PASSED,
        "accuracy changed by +0.0012, surely by more than -0.01",
        evidence=(
            Evidence(
                "candidate.accuracy - champion.accuracy",
                0.0012,
                -0.0021,
                0.0043,
                -0.01,
                ">",
                20804,
                "exact paired",
            ),
        ),
        seconds=0.5,
    ),
)


def curves():
    grid = [k / 20 for k in range(21)]
    good = {
        "false_positive_rate": grid,
        "true_positive_rate": [math.sqrt(math.sqrt(x)) for x in grid],
    }
    fair = {"false_positive_rate": grid, "true_positive_rate": [math.sqrt(x) for x in grid]}
    bins = [
        {"predicted": p, "seen": s, "low": s - 0.03, "high": s + 0.03, "n": 900}
        for p, s in ((0.05, 0.04), (0.3, 0.33), (0.6, 0.58), (0.9, 0.93))
    ]
    return {
        "task": "classification",
        "n": 20804,
        "target": "late",
        "classes": ["0", "1"],
        "positive": "1",
        "models": {
            "candidate": {
                "roc": good,
                "calibration": bins,
                "confusion": [[14983, 622], [1551, 3648]],
            },
            "champion": {"roc": fair},
        },
    }


def look(second, weight, phase, requests, failed, **evidence):
    return {
        "time": NOW + 20 + second,
        "weight": weight,
        "phase": phase,
        "requests": requests,
        "errors": failed,
        "evidence": evidence,
    }


def looks(*, bad=False):
    found = [look(0, 0.0, "starting", 0, 0)]
    for k in range(1, 25):
        second = k / 2
        weight = 0.0 if second < 3 else 5.0 if second < 6 else 25.0 if second < 9 else 100.0
        errors = int(k * 4) if bad else 0
        value = min(k / 6, 1.4) if bad else -0.04 * k
        one = look(second, weight, "stepping", k * 130, errors, errors=value, latency=-0.02 * k)
        found.append(one)
        if bad and value >= 1:
            return [*found, look(second + 0.5, 0.0, "rolled-back", k * 130, errors)]
    return [*found, look(12.5, 100.0, "promoted", 3300, 0, errors=-1.0, latency=-0.5)]


def rollout(*, bad=False):
    def bundle(number):
        return Bundle("flight-delay", number, f"/models/{number}", "/env/bin/python", "e1" * 32)

    worst = Outcome.FAILED if bad else Outcome.PASSED
    words = "errors: 28 of 910 at the challenger, 0 of 1,802 at the champion: e-value 90 > 40"
    return {
        "id": "r-20261124-221030",
        "model": "flight-delay",
        "operation": "rollout",
        "strategy": Strategy().to_dict(),
        "champion": bundle("1").to_dict(),
        "challenger": bundle("2").to_dict(),
        "phase": "rolled-back" if bad else "promoted",
        "reason": words if bad else "all steps passed",
        "started": NOW + 20,
        "updated": NOW + 33,
        "requests": 910 if bad else 3300,
        "errors": 28 if bad else 0,
        "control_requests": 1802,
        "verdicts": [
            Verdict("errors", worst, words, "analysis").to_dict(),
            Verdict("latency", Outcome.INCONCLUSIVE, "12 of 910 over 9 ms", "analysis").to_dict(),
        ],
        "looks": looks(bad=bad),
    }


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / ".penstock" / "journal.db") as journal:
        yield journal


@pytest.fixture
def tell(journal):
    """Write a story down: `tell(bad=True)` ends in a rollback, `tell(refused=True)` at a gate."""

    def write(*, bad=False, refused=False, verdicts=VERDICTS, run=None, judged=True, deployed=True):
        run = run or make_run()
        candidate = Candidate(
            run.id,
            "flight-delay",
            "/p/models/model",
            "ab" * 16,
            {"roc_auc": 0.914},
            {"trees": "60"},
        )
        with journal.transaction() as tx:
            started = tx.append(Event(EventType.RUN_STARTED, run.id, {"commit": COMMIT}))
            tx.put("run", run.id, run.to_dict())
            if not judged:
                return run.id
            tx.put(
                "judgement",
                run.id,
                {
                    "candidate": candidate.to_dict(),
                    "verdicts": [one.to_dict() for one in verdicts],
                    "outcome": "refused" if refused else "passed",
                    "champion": 1,
                    "curves": curves(),
                },
            )
            if refused or not deployed:
                return run.id
            version = ModelVersion(
                "flight-delay", 2, "ab" * 16, run.id, COMMIT, "/p/mlartifacts/2", NOW + 15
            )
            tx.put("version", "flight-delay/2", {**version.to_dict(), "event": 7})
            record = rollout(bad=bad)
            tx.put("rollout", record["id"], record)
            if not bad:
                tx.append(
                    Event(
                        EventType.CHAMPION_CHANGED,
                        "flight-delay",
                        {"version": "2", "reason": "all steps passed"},
                        cause=started.id,
                    )
                )
        return run.id

    return write
