"""A month of the year of flights, a quarter of them: the real command, nobody touching anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.gateway import GatewayClient
from penstock.journal import Journal


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    root = tmp_path_factory.mktemp("year") / "flights"
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "demo", str(root), "--year", "--fast", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=os.environ | {"NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return root, json.loads(done.stdout)


def test_no_request_and_no_label_is_lost(year):
    _, found = year
    traffic = found["traffic"]
    assert traffic["requests"] > 1500
    assert (traffic["failed"], traffic["labels_refused"]) == (0, 0)
    assert traffic["logged_requests"] == traffic["requests"]
    assert traffic["logged_labels"] == traffic["labels"] > 4000


def test_swapped_columns_pass_the_gates_and_end_on_live_labels(year):
    _, found = year
    (bad,) = found["planted"]
    assert bad["name"] == "swapped columns"
    assert bad["version"] == "2"
    assert not bad["promoted"]
    assert bad["largest_share"] <= 0.25
    assert bad["stopped"][0].startswith("quality: right on ")


def test_new_data_is_answered_by_one_retraining(year):
    root, found = year
    (retraining,) = found["retrainings"]
    assert "data" in retraining["kinds"]
    assert retraining["version"] == 3
    assert retraining["predicted"]["metric"] == "brier_score"
    with Journal(root / ".penstock/journal.db") as journal:
        (record,) = journal.records("retraining")
    assert record.value["rows"] > 13_000


def test_all_policies_are_scored_on_the_same_flights(year):
    _, found = year
    policies = found["policies"].values()
    assert len({one["flights"] for one in policies}) == 1
    assert all(0.1 < one["log_loss"] < 0.5 for one in policies)
    # Version 1 answered everything so far: what was served is what is computed without a gateway.
    never, mine = (found["policies"][name] for name in ("never", "penstock"))
    assert mine["log_loss"] == pytest.approx(never["log_loss"], abs=2e-5)


def test_the_page_has_the_picture(year):
    _, found = year
    page = Path(found["report"])
    assert "<svg" in page.read_text()
    assert json.loads((page.parent / "year.json").read_text())["days"] == found["days"]


def test_nothing_serves_any_more(year):
    root, _ = year
    assert not GatewayClient(root / ".penstock/serve").status().running
