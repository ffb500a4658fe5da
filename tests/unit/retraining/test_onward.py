"""What counts as getting on: a trial that ended, a stage that ran."""

from penstock.domain.run import StageOutcome, StageRun
from penstock.pipeline import Progress
from penstock.retraining import onward


def test_each_trial_and_each_stage_that_ran_moves_a_step_on():
    moved, heard = [], []
    tell = onward.after_trials(heard.append, lambda: moved.append("trial"))
    tell("trial 0: strength=1: loss 2")
    assert (heard, moved) == (["trial 0: strength=1: loss 2"], ["trial"])
    listen = onward.after_stages(heard.append, lambda: moved.append("stage"))
    for outcome in StageOutcome:
        listen(Progress("stage-finished", stage_run=StageRun("train", outcome)))
    listen(Progress("plan"))
    assert moved == ["trial", "stage"]
    assert len(heard) == 1 + len(StageOutcome) + 1
    onward.after_stages(None, lambda: None)(Progress("plan"))
