"""Which run a report is about, and its headline."""

from dataclasses import replace

import pytest

from penstock.domain.revision import Revision
from penstock.domain.run import Candidate, Run, RunOutcome, StageOutcome, StageRun
from penstock.domain.verdict import Outcome
from penstock.errors import StateError
from penstock.reports import Story, gather

RUN = Run("r", Revision("c" * 40), 0.0, RunOutcome.SUCCEEDED, 1.0)
CANDIDATE = Candidate("r", "churn", "/m", "d")


def test_the_newest_run_is_told_by_default(journal, tell, tmp_path):
    older = replace(RUN, id="20200101-000000-aaaa")
    newest = tell()
    with journal.transaction() as tx:
        tx.put("run", older.id, older.to_dict())
    assert gather(journal, tmp_path).run.id == newest


@pytest.mark.parametrize("wanted", ["2", "v2"])
def test_a_run_is_found_by_the_version_that_it_made(journal, tell, tmp_path, wanted):
    run_id = tell()
    assert gather(journal, tmp_path, wanted).run.id == run_id


@pytest.mark.parametrize("wanted", [None, "20990101-000000-zzzz", "7"])
def test_a_run_that_is_not_there_is_said_so(journal, tmp_path, wanted):
    with pytest.raises(StateError) as caught:
        gather(journal, tmp_path, wanted)
    assert caught.value.code == "report.no-run"


def test_a_version_belongs_to_its_run_only(journal, tell, tmp_path):
    tell()
    other = replace(RUN, id="20990101-000000-bbbb")
    with journal.transaction() as tx:
        tx.put("run", other.id, other.to_dict())
    story = gather(journal, tmp_path)
    assert story.run.id == other.id
    assert story.version is None
    assert story.rollout is None


@pytest.mark.parametrize(
    ("story", "outcome", "headline"),
    [
        (Story(replace(RUN, outcome=RunOutcome.RUNNING)), Outcome.INCONCLUSIVE, "not ended"),
        (Story(replace(RUN, outcome=RunOutcome.CANCELLED)), Outcome.FAILED, "run cancelled"),
        (Story(RUN), Outcome.INCONCLUSIVE, "was not judged"),
        (Story(RUN, candidate=CANDIDATE, refused=True), Outcome.FAILED, "for churn was refused"),
        (Story(RUN, candidate=CANDIDATE, refused=False), Outcome.PASSED, "passed all gates"),
        (
            Story(
                replace(
                    RUN,
                    outcome=RunOutcome.FAILED,
                    stages=(StageRun("train", StageOutcome.FAILED),),
                )
            ),
            Outcome.FAILED,
            "failed at train",
        ),
    ],
)
def test_the_story_in_a_sentence(story, outcome, headline):
    assert story.outcome is outcome
    assert headline in story.headline


def test_events_are_those_of_run_version_and_rollout(journal, tell, tmp_path):
    tell()
    kinds = [event.type.value for event in gather(journal, tmp_path).events]
    assert kinds == ["run.started"]
