"""Retraining with the real command, real Git, real DVC files and the real registry."""

from penstock.domain.event import EventType
from penstock.journal import Journal


def test_data_goes_to_a_branch_the_loop_is_walked_and_nothing_else_moves(mini):
    before = mini.git("rev-parse", "main")
    planned = mini.ask("retrain", "--plan")
    assert planned["rows"] == 1600
    assert planned["sources"] == ["data/raw.csv"]
    first = mini.ask("retrain", "--reason", "first model", "--no-deploy")["retraining"]
    assert first["outcome"] == "registered"
    assert first["version"] == 1

    mini.more_data(seed=1)
    second = mini.ask("retrain", "--reason", "more data", "--no-deploy")["retraining"]
    assert second["outcome"] == "registered"
    assert second["version"] == 2
    assert second["data"] != first["data"]
    assert second["rows"] == 2000

    # The data is in the branch's .dvc file and in the cache; people's branch is untouched.
    assert mini.git("rev-parse", "main") == before
    assert mini.git("status", "--short") == ""
    tracked = mini.git("show", "penstock/retrain:data/raw.csv.dvc")
    assert "md5: " in tracked
    assert "dvc.lock" in mini.git("ls-tree", "--name-only", "penstock/retrain")
    # A second retraining stands on the first one.
    assert first["locked"] in mini.git("rev-list", "penstock/retrain").split()

    with Journal(mini.root / ".penstock/journal.db") as journal:
        registered = list(journal.events(type=EventType.VERSION_REGISTERED))
        chain = [event.type for event in journal.causes(registered[-1].id)]
        assert EventType.RETRAINING_STARTED in chain
        assert chain[-1] is EventType.RETRAINING_REQUESTED

    again = mini.ask("retrain", "--no-deploy")["retraining"]
    assert again["version"] == 2
    shown = mini.penstock("retrain", "--history").stdout
    assert "more data" in shown
    assert "3 retrainings" in shown


def test_a_refused_candidate_is_a_no_and_a_broken_stage_an_error(mini):
    mini.edit("penstock.yaml", "> 0.6", "> 0.99")
    mini.commit("Ask for too much")
    refused = mini.ask("retrain", code=1)["retraining"]
    assert refused["outcome"] == "refused"
    assert refused["gained"] is False
    mini.edit("src/train.py", "strength = ", "raise SystemExit('broken')\nstrength = ")
    mini.commit("Break it")
    assert mini.ask("retrain", code=4)["retraining"]["outcome"] == "failed"


def test_a_branch_in_use_is_refused_with_a_remedy(mini):
    mini.git("checkout", "-q", "-b", "penstock/retrain")
    record = mini.ask("retrain", code=5)["retraining"]
    assert record["error"]["code"] == "retrain.branch-in-use"
