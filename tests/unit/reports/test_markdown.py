"""Markdown for pull requests: found again, never too long, never markup by accident."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.reports import markdown
from penstock.reports.markdown import GITHUB_COMMENT, marker


def test_a_comment_begins_with_its_hidden_mark(journal, tell, tmp_path):
    tell()
    assert markdown(journal, tmp_path).startswith("<!-- penstock:report:flight-delay -->\n")
    named = markdown(journal, tmp_path, pipeline="nightly")
    assert named.startswith("<!-- penstock:report:nightly -->\n")


def test_a_mark_cannot_be_closed_early():
    assert marker("a-->b") == "<!-- penstock:report:ab -->"


def test_gates_stand_in_a_table_with_interval_and_threshold(journal, tell, tmp_path):
    tell()
    text = markdown(journal, tmp_path)
    assert "### ✅ Version 2 of flight-delay is the champion" in text
    row = next(line for line in text.splitlines() if "candidate.roc\\_auc \\>" in line)
    assert "| ✅ |" in row
    assert "0.9071 … 0.9215" in row
    assert "\\> 0.85" in row


def test_what_stopped_the_candidate_stands_first(journal, tell, tmp_path):
    bad = Verdict("auc", Outcome.FAILED, "auc is 0.7, below 0.85", evidence=(Evidence("auc"),))
    tell(refused=True, verdicts=(Verdict("fine", Outcome.PASSED, "well"), bad))
    text = markdown(journal, tmp_path)
    assert "> auc is 0.7, below 0.85" in text
    assert text.index("| ❌ | auc") < text.index("| ✅ | fine")


def test_the_rollout_is_told(journal, tell, tmp_path):
    tell(bad=True)
    text = markdown(journal, tmp_path)
    assert "**Rollout** rolled-back" in text
    assert "910 requests of the challenger, 28 failed" in text


@pytest.mark.parametrize("limit", [400, 1_000, 3_000])
def test_a_long_report_is_cut_and_says_so(journal, tell, tmp_path, limit):
    many = tuple(Verdict(f"gate {k}", Outcome.PASSED, "x" * 50) for k in range(3_000))
    tell(verdicts=many)
    link = "https://example.org/report.html"
    text = markdown(journal, tmp_path, limit=limit, link=link)
    assert len(text) <= limit
    assert "Cut short" in text
    assert f"[The whole report]({link})" in text
    assert len(markdown(journal, tmp_path)) <= GITHUB_COMMENT


def test_a_report_that_fits_is_not_cut(journal, tell, tmp_path):
    tell()
    text = markdown(journal, tmp_path)
    assert "Cut short" not in text
    assert "dvc.lock sha256" in text


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(min_size=1, max_size=30))
def test_a_table_stays_a_table_whatever_a_gate_is_called(journal, tell, tmp_path, name):
    tell(verdicts=(replace(Verdict("x", Outcome.PASSED, "w"), name=name),))
    rows = [line for line in markdown(journal, tmp_path).splitlines() if line.startswith("| ✅")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 6
