from __future__ import annotations

import pytest

from penstock.errors import UsageError
from penstock.gates import ConditionSpec, GateSpec, size
from penstock.gates.planning import Expectation
from penstock.gates.sizing import sample_size

TABLE = """
.99 .1 404 1340 1753 5496
.99 .05 1615 5358 7012 21984
.99 .025 6457 21429 28045 87933
.99 .01 40355 133930 175282 549581
.999 .1 519 1455 2214 5957
.999 .05 2075 5818 8854 23826
.999 .025 8299 23271 35414 95302
.999 .01 51868 145443 221333 595633
.9999 .1 634 1570 2674 6417
.9999 .05 2536 6279 10696 25668
.9999 .025 10141 25113 42782 102670
.9999 .01 63381 156956 267385 641684
.99999 .1 749 1685 3135 6878
.99999 .05 2996 6739 12538 27510
.99999 .025 11983 26955 50150 110038
.99999 .01 74894 168469 313437 687736
"""


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_the_table_of_the_paper(line):
    reliability, tolerance, *wanted = (float(one) for one in line.split())
    found = [
        sample_size(
            f"{left} > 0.8 +/- {tolerance}",
            reliability=reliability,
            steps=32,
            adaptivity=adaptivity,
        )
        for left in ("n", "n - o")
        for adaptivity in ("none", "full")
    ]
    assert found == wanted
    assert found[2] == sample_size(
        f"n - o > 0 +/- {tolerance}", reliability=reliability, steps=32, adaptivity="firstChange"
    )


@pytest.mark.parametrize(
    ("text", "reliability", "steps", "adaptivity", "method", "rows"),
    [
        ("n > 0.8 +/- 0.05", 0.9999, 32, "full", "hoeffding", 6279),
        ("n - o > 0.1 +/- 0.1", 0.99, 32, "full", "hoeffding", 5496),
        ("n - o > 0.02 +/- 0.02", 0.998, 7, "none", "hoeffding", 44269),
        (
            "d < 0.1 +/- 0.01 /\\ n - o > 0.02 +/- 0.01",
            0.9999,
            32,
            "none",
            "bennett",
            29048,
        ),
        ("n > 0.8 +/- 0.01", 0.9999, 1, "none", "hoeffding", 46052),
        ("n > 0.8 +/- 0.05", 0.9999, 32, "full", "binomial", 5704),
    ],
)
def test_numbers_of_the_paper(text, reliability, steps, adaptivity, method, rows):
    found = sample_size(
        text, reliability=reliability, steps=steps, adaptivity=adaptivity, method=method
    )
    assert abs(found - rows) <= 1


@pytest.mark.parametrize(
    ("adaptivity", "hoeffding", "bennett"),
    [
        ("passes(1)", 10_696, 29_048),
        ("passes(3)", 14_812, 39_674),
        ("passes(5)", 17_843, 47_503),
        ("full", 25_668, 67_706),
    ],
)
def test_retiring_after_a_few_passes(adaptivity, hoeffding, bennett):
    promise = {"reliability": 0.9999, "steps": 32, "adaptivity": adaptivity}
    assert sample_size("n - o > 0 +/- 0.05", **promise) == hoeffding
    two_stages = "d < 0.1 +/- 0.01 and n - o > 0 +/- 0.01"
    assert sample_size(two_stages, **promise, method="bennett") == bennett


@pytest.mark.parametrize(
    "condition",
    [
        "candidate.accuracy > 0.8 +/- 0.02",
        "candidate.accuracy - champion.accuracy > -0.01 +/- 0.02",
        "candidate.recall > 0.7 +/- 0.03",
        "changed < 0.1 +/- 0.02",
    ],
)
def test_ours_never_need_more_than_the_papers(condition):
    (line,) = size([condition], expectation=Expectation(disagree=0.1)).lines
    ours = line.rows["penstock"]
    assert ours < min(rows for method, rows in line.rows.items() if method != "penstock")


def test_what_is_planned_is_what_the_judge_needs(flights):
    from penstock.gates import judge

    report = size(["candidate.accuracy > 0.76 +/- 0.03"])
    found = flights(report.rows["penstock"] + 50)
    (verdict,) = judge(
        GateSpec((ConditionSpec("candidate.accuracy > 0.76 +/- 0.03"),)),
        candidate=found.model(),
        champion=None,
        data=found.frame,
        target="late",
    )
    (evidence,) = verdict.evidence
    assert (evidence.high - evidence.low) / 2 <= 0.03 * 1.02
    assert verdict.outcome != "inconclusive"


def test_what_cannot_be_planned_says_why():
    report = size(["candidate.accuracy > 0.5", "candidate.mcc > 0.5 +/- 0.1", "n + o > 1 +/- 0.1"])
    assert [line.rows.get("penstock") for line in report.lines] == [None, None, None]
    assert "without +/-" in report.lines[0].note
    assert "cannot be planned" in report.lines[1].note
    with pytest.raises(UsageError):
        sample_size("n > 0.5", reliability=0.99, steps=1)


def test_areas_and_losses_are_planned():
    report = size(
        [
            "candidate.roc_auc > 0.65 +/- 0.03",
            "candidate.log_loss - champion.log_loss < 0 +/- 0.02",
            "candidate.ece < 0.05",
        ]
    )
    assert 5000 < report.lines[0].rows["penstock"] < 40_000
    assert 1000 < report.lines[1].rows["penstock"] < 40_000
    assert report.to_dict()["rows"]["penstock"] == report.rows["penstock"]
