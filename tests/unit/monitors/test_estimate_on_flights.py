"""The estimate without labels on real flights: beside the truth, and with its assumption broken."""

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from penstock.config.settings import QualitySettings
from penstock.demo import data
from penstock.domain.verdict import Outcome
from penstock.monitors.page import page

INPUTS = ["dep_delay", "hour", "distance"]


@pytest.fixture(scope="module")
def flights():
    """Every third flight of January to March: the chance of being late, and how late it was."""
    rows = data.flights()
    rows = rows[(rows["month"] <= 3) & rows["arr_delay"].notna()].iloc[::3]
    rows = rows.sort_values(["month", "day", "dep_time"], kind="stable")
    before, now = rows[rows["month"] < 3], rows[rows["month"] == 3]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(before[INPUTS], before["arr_delay"] >= 15)
    chance = model.predict_proba(now[INPUTS])[:, 1].clip(0.001, 0.999).round(6)
    return pd.DataFrame({"chance": chance, "delay": now["arr_delay"].to_numpy()})


def fly(world, rows):
    """Ask about some flights; return the estimate before their labels, the truth, and what is said
    once the labels are there."""
    ids, score = world.traffic(len(rows), score=rows["chance"].to_numpy())
    before = {one.name: one for one in world.look()}.get("estimated quality")
    label = rows["delay"].to_numpy() >= 15
    world.labels(ids, label)
    after = {one.name: one for one in world.look()}
    return before, float(((score - label) ** 2).mean()), after


def test_where_the_assumption_holds_the_estimate_is_the_truth(world, flights):
    """Flights of a month in random order: how late they are given their features is the same."""
    mixed = flights.sample(frac=1.0, random_state=3)
    world.configure(quality=QualitySettings(metric="brier", decline=0.02))
    world.champion("1")
    fly(world, mixed.iloc[:2002])
    gaps = []
    for start in range(2002, 8000, 1001):
        before, truth, after = fly(world, mixed.iloc[start : start + 1001])
        gaps.append(before.evidence[0].value - truth)
        assert before.outcome is Outcome.PASSED
    # A Brier score of .07 has a standard error of .005 on 1,000 flights.
    assert max(abs(one) for one in gaps) < 0.015
    assert abs(sum(gaps) / len(gaps)) < 0.005
    assert "Labels agree" in after["estimated quality"].words


def test_where_the_assumption_breaks_the_page_says_so(world, flights):
    """The same flights day by day: in a storm those that left in time are late all the same."""
    world.configure(quality=QualitySettings(metric="brier", decline=0.02))
    world.champion("1")
    fly(world, flights.iloc[:2002])
    for start in range(2002, 6006, 1001):
        before, truth, after = fly(world, flights.iloc[start : start + 1001])
    assert before.outcome is Outcome.PASSED  # blind to it, by construction
    assert truth - before.evidence[0].value > 0.03
    said = after["estimated quality"]
    assert said.outcome is Outcome.INCONCLUSIVE
    assert "Labels contradict it, the assumption does not hold" in said.words
    text = page(world.watcher(), css="", now=world.now)
    assert "Labels contradict the estimate: its assumption does not hold now." in text
    assert "assuming that the chance of the label given the features is as it was" in text
    assert 'class="beside"' in text
