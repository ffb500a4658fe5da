"""A search during a retraining: better parameters from validation data, the test data unseen."""

import json

from penstock.domain.event import EventType
from penstock.journal import Journal

SEARCH = """
  search:
    trials: 6
    jobs: 2
    metric: {metric}
    direction: minimize
    params:
      strength: {{low: 0.001, high: 10, log: true}}
rollout:
"""


def with_search(mini, metric="validation.json:logloss"):
    mini.edit("penstock.yaml", "\nrollout:\n", SEARCH.format(metric=metric))
    mini.commit("Search")


def trained(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_winner_is_trained_once_and_the_test_data_is_never_seen(mini, tmp_path):
    with_search(mini)
    tally = tmp_path / "tally"
    record = mini.ask("retrain", "--no-deploy", env={"TALLY": str(tally)})["retraining"]
    assert record["outcome"] == "registered"
    found = record["found"]
    assert found["trials"] == 6
    assert found["failed"] == 0
    assert found["params"]["strength"] > 0.001
    before, after = (found[name]["validation.json:logloss"] for name in ("before", "values"))
    assert after < before
    text = mini.git("show", "penstock/retrain:params.yaml")
    assert text.startswith("# How strongly to fit.\n")
    assert f"strength: {found['params']['strength']}" in text
    # The best trial's model came from the cache of runs: six trainings, none of them twice.
    runs = trained(tally)
    assert len({one["strength"] for one in runs}) == len(runs) == 6
    assert not any(one["test"] for one in runs)
    with Journal(mini.root / ".penstock/journal.db") as journal:
        assert len(list(journal.events(type=EventType.TESTSET_USED))) == 1  # the gate's own
    left = [path.name for path in (mini.root / ".penstock/worktrees").iterdir()]
    assert not [name for name in left if name.startswith("retraining-")]


def test_searching_by_the_test_data_is_refused(mini):
    with_search(mini, metric="metrics.json:logloss")
    record = mini.ask("retrain", code=3)["retraining"]
    assert record["outcome"] == "failed"
    assert record["error"]["code"] == "tuning.test-data"


def test_a_metric_or_a_file_that_nobody_measures_is_told_at_once(mini):
    with_search(mini, metric="valid.json:logloss")
    record = mini.ask("retrain", code=3)["retraining"]
    assert record["error"]["code"] == "tuning.unknown-file"
    assert "validation.json" in record["error"]["problems"][0]["hint"]
    mini.edit("penstock.yaml", "valid.json:logloss", "validation.json:logless")
    record = mini.ask("retrain", code=3)["retraining"]
    assert record["error"]["code"] == "tuning.unmeasured"
    assert "validation measures accuracy, logloss" in record["words"]
    shown = mini.penstock("retrain", "--history").stdout
    assert "no metric validation.json:logless" in shown
    assert "no stage writes the metrics file valid.json" in shown


CHEAT = """
from penstock.domain.event import Event, EventType
from penstock.journal import Journal
with Journal(Path(os.environ["PROJECT"]) / ".penstock/journal.db") as journal:
    journal.append(Event(EventType.TESTSET_USED, "d1", {"candidate": "a trial"}))
"""


def test_the_ledger_ends_a_search_during_which_the_test_data_was_judged_on(mini):
    with_search(mini)
    with (mini.root / "src/train.py").open("a") as file:
        file.write(CHEAT)
    mini.commit("Cheat")
    env = {"PROJECT": str(mini.root)}
    record = mini.ask("retrain", code=5, env=env)["retraining"]
    assert record["error"]["code"] == "tuning.test-set-used"
    assert record["outcome"] == "failed"
    assert record.get("version") is None
    with Journal(mini.root / ".penstock/journal.db") as journal:
        assert list(journal.events(type=EventType.VERSION_REGISTERED)) == []
