"""The HTML report: whole, alone, safe, and silent about what is not known."""

from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock import reports
from penstock.domain.revision import Revision
from penstock.domain.run import Run, RunOutcome, StageOutcome, StageRun
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.reports import Story

VOID = {"meta", "br", "circle", "line", "path", "rect"}


class Page(HTMLParser):
    """Reads a page; fails on tags that do not match, collects what is interesting."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words, self.links = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_a_page_tells_the_whole_story(journal, tell, tmp_path):
    tell()
    page = Page(reports.html(journal, tmp_path))
    assert "Version 2 of flight-delay is the champion" in page.text
    for title in (
        "Gates",
        "Live traffic",
        "Quality on held-out data",
        "How it was made",
        "Tests of the stages",
        "Where it comes from",
        "What happened",
    ):
        assert title in page.text, title
    assert page.tags.count("svg") == 2 + 1 + 3 + 1, "two intervals, timeline, three plots, graph"
    assert "candidate.roc_auc > 0.85 +/- 0.02" in page.text
    assert "0.9071 … 0.9215" in page.text
    assert "April has come" in page.text


def test_a_page_needs_nothing_from_elsewhere(journal, tell, tmp_path):
    tell()
    text = reports.html(journal, tmp_path)
    page = Page(text)
    assert not page.links
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    for word in ("http:", "https:", "@import", "url(", "javascript:"):
        assert word not in text


def test_a_rollback_is_told_as_one(journal, tell, tmp_path):
    tell(bad=True)
    page = Page(reports.html(journal, tmp_path))
    assert "Version 2 of flight-delay was rolled back on live evidence" in page.text
    assert "28 of 910 at the challenger" in page.text
    assert "rolled back" in page.text


def test_a_refusal_names_the_gate_first(journal, tell, tmp_path):
    fine = Verdict("fine", Outcome.PASSED, "all is well")
    bad = Verdict(
        "candidate.roc_auc > 0.85",
        Outcome.FAILED,
        "roc_auc is 0.72, surely below 0.85",
        evidence=(Evidence("candidate.roc_auc", 0.72, 0.70, 0.75, 0.85, ">", 900, "x"),),
        hint="look at the features",
    )
    tell(refused=True, verdicts=(fine, bad))
    page = Page(reports.html(journal, tmp_path))
    assert "The candidate for flight-delay was refused" in page.text
    assert page.text.index("surely below 0.85") < page.text.index("all is well")
    assert "look at the features" in page.text
    assert "Live traffic" not in page.text


def test_what_is_not_known_is_left_out(journal, tell, tmp_path):
    tell(judged=False)
    page = Page(reports.html(journal, tmp_path))
    assert "The run succeeded; its candidate was not judged" in page.text
    assert "How it was made" in page.text
    for title in ("Gates", "Live traffic", "Quality on held-out data"):
        assert title not in page.text, title


def test_a_run_with_nothing_in_it_makes_a_page():
    run = Run("r", Revision("c" * 40), started=0.0)
    page = Page(reports.page(Story(run)))
    assert "The run has not ended yet" in page.text


def test_a_failed_stage_says_why():
    stage = StageRun("train", StageOutcome.FAILED, error="its command ended with 1", seconds=2.0)
    run = Run("r", Revision("c" * 40), 0.0, RunOutcome.FAILED, 3.0, (stage,), error="train failed")
    page = Page(reports.page(Story(run)))
    assert "The run failed at train" in page.text
    assert "its command ended with 1" in page.text


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_number_that_is_none_draws_no_interval(value):
    shown = Verdict("x", Outcome.ERROR, "cannot be told", evidence=(Evidence("x", value),))
    run = Run("r", Revision("c" * 40), 0.0, RunOutcome.SUCCEEDED, 3.0)
    page = Page(reports.page(Story(run, verdicts=(shown,), refused=True)))
    assert "svg" not in page.tags


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(hostile=st.text(min_size=1, max_size=40), number=st.floats(allow_nan=True))
def test_no_text_breaks_a_page(hostile, number):
    evil = f"</svg></style><script>alert(1)</script>{hostile}"
    shown = Verdict(
        evil,
        Outcome.FAILED,
        evil,
        evil,
        (Evidence(evil, number, -1.0, number, 0.5, ">"),),
        hint=evil,
    )
    stage = StageRun(evil, StageOutcome.RAN, (evil,), 1.0, error=evil, verdicts=(shown,))
    run = Run(evil, Revision("c", evil, subject=evil), 0.0, RunOutcome.FAILED, 1.0, (stage,), evil)
    page = Page(reports.page(Story(run, verdicts=(shown,), refused=True)))
    assert "script" not in page.tags
