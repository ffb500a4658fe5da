"""Counting and judging: cells, windows that add up, references that are kept."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from penstock.config.settings import DriftSettings
from penstock.domain.verdict import Outcome
from penstock.errors import StateError
from penstock.monitors import DriftMonitor, Reference, build_reference
from penstock.monitors.cells import fit
from penstock.monitors.window import Window, add_up, count_rows

NUMBERS = st.floats(-1e300, 1e300) | st.just(np.nan)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(8)
    n = 6000
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "gap": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "zeros": np.where(rng.random(n) < 0.7, 0.0, rng.exponential(size=n)),
            "whole": rng.integers(0, 5, n),
            "flag": rng.random(n) < 0.2,
            "name": rng.choice(["a", "b", "c"], n),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10**6, n), "s"),
        }
    )


@pytest.fixture(scope="module")
def reference(table):
    return build_reference(table)


def test_every_row_is_in_one_cell(reference, table):
    for feature in reference.features.values():
        assert feature.counts.sum() == len(table)
        assert len(feature.cells.labels) == feature.cells.size == len(feature.counts)
        assert feature.counts[-1] == table[feature.name].isna().sum()


@settings(max_examples=30, deadline=None)
@given(known=st.lists(NUMBERS, min_size=1, max_size=80), more=st.data())
def test_counting_is_placing_and_adding_up(known, more):
    cells = fit(np.array(known), 100)
    assume(cells is not None)
    asked = np.array(more.draw(st.lists(NUMBERS | st.just(np.inf), max_size=50)))
    values = np.concatenate([asked, known, cells.edges])
    counts, wrong = cells.count(values)
    assert wrong == 0
    assert counts.tolist() == np.bincount(cells.place(values), minlength=cells.size).tolist()


def test_what_is_met_often_has_a_cell_of_its_own(reference, table):
    counts = dict(
        zip(reference.features["zeros"].cells.labels, reference.features["zeros"].counts,
            strict=True)
    )  # fmt: skip
    assert counts["0"] == (table["zeros"] == 0).sum()
    whole = reference.features["whole"]
    assert [int(one) for one in whole.counts if one] == (
        table["whole"].value_counts().sort_index().tolist()
    )


def test_all_forms_of_a_table_are_counted_alike(reference, table):
    expected = count_rows(reference, table)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    columns = {name: table[name].to_numpy() for name in table}
    category = table.assign(name=table["name"].astype("category"))
    for other in (arrow, columns, category, table.assign(name=table["name"].astype(object))):
        found = count_rows(reference, other)
        for name, counts in expected.counts.items():
            assert found.counts[name].tolist() == counts.tolist(), name
        assert found.joint[0] == expected.joint[0]
        assert found.joint[1] == pytest.approx(expected.joint[1])


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 6000), max_size=4), order=st.randoms())
def test_windows_add_up_in_any_order(reference, table, cuts, order):
    edges = [0, *sorted(cuts), len(table)]
    parts = [
        count_rows(reference, table.iloc[a:b], since=a, until=b)
        for a, b in zip(edges, edges[1:], strict=False)  # noqa: RUF007 - two plain lists
    ]
    order.shuffle(parts)
    whole, found = count_rows(reference, table, since=0, until=len(table)), add_up(parts)
    assert found.rows == whole.rows
    assert {k: v.tolist() for k, v in found.counts.items()} == {
        k: v.tolist() for k, v in whole.counts.items()
    }
    assert (found.since, found.until) == (whole.since, whole.until)


def test_a_column_that_only_some_rows_have_is_missing_in_the_others(reference, table):
    part = count_rows(reference, table.head(100).drop(columns="age"))
    both = part + count_rows(reference, table.head(50))
    assert both.counts["age"][-1] == 100
    assert both.absent == ()
    assert (Window() + part).rows == 100


def test_a_reference_is_kept_as_plain_values(reference, table):
    text = json.dumps(reference.to_dict())
    again = Reference.from_dict(json.loads(text))
    assert len(text) < 40_000
    live = table.sample(2000, random_state=1)
    assert DriftMonitor(again).judge(live) == DriftMonitor(reference).judge(live)


def test_a_category_that_json_made_a_number_is_the_same(table):
    reference = build_reference({"code": np.array(["1", "2", "3"] * 100, object)})
    counts = count_rows(reference, {"code": [1.0, 2.0, 2.0]}).counts["code"]
    assert sorted(counts.tolist()) == [0, 0, 0, 1, 2]


def test_thousands_of_categories_take_bounded_room():
    rng = np.random.default_rng(1)
    cells = fit(np.array([f"id{k}" for k in rng.integers(0, 10**6, 20_000)], object), 5000)
    assert cells.size < 1100
    assert not cells.complete
    assert cells.labels[-2] == "all others"


def test_features_that_nobody_wants_are_not_watched(reference, table):
    shifted = table.assign(age=table["age"] + 20)
    names = [one.name for one in DriftMonitor(reference).judge(shifted)]
    assert "drift of age" in names
    without = DriftMonitor(reference, DriftSettings(exclude=("age",))).judge(shifted)
    assert "drift of age" not in [one.name for one in without]
    only = DriftMonitor(reference, DriftSettings(features=("whole",))).judge(table)
    assert [one.name for one in only if one.name.startswith("drift of ")][-1] == "drift of whole"


def test_few_rows_are_no_evidence(reference, table):
    (verdict,) = DriftMonitor(reference).judge(table.head(150))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.needs == 50


def test_a_real_difference_too_small_to_matter_is_no_alarm():
    rng = np.random.default_rng(4)
    reference = build_reference({"x": rng.normal(size=100_000)})
    monitor = DriftMonitor(reference)
    (shift,) = monitor.shifts(monitor.count({"x": rng.normal(0.04, 1, 100_000)}))
    assert shift.adjusted < 1e-6
    assert 0 < monitor.exceedance(shift) < 1
    assert monitor.judge({"x": rng.normal(0.04, 1, 100_000)})[0].outcome is Outcome.PASSED


def test_a_reference_without_rows_is_refused(tmp_path):
    with pytest.raises(StateError, match="has no rows"):
        build_reference(pd.DataFrame({"x": []}))
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(StateError, match="cannot read"):
        build_reference(tmp_path / "x.parquet")


def test_a_change_of_unit_is_named(world):
    world.champion("1")
    world.traffic(2002, change=lambda t: t.assign(age=t["age"] * 1.609344))
    verdicts = world.look()
    assert verdicts[0].outcome is Outcome.FAILED
    (alert,) = [one for one in world.watcher().state().alerts.values() if one["key"] == "drift"]
    assert "age" in alert["cause"]


def windows_of(reference, seed, shifts, rows=1000):
    rng = np.random.default_rng(seed)
    return [count_rows(reference, {"x": rng.normal(shift, 1, rows)}) for shift in shifts]


def judged(monitor, windows):
    """Return the exceedance of each window, judged with those before it."""
    found = []
    for number, window in enumerate(windows):
        (shift,) = monitor.shifts(window, windows[:number])
        found.append(monitor.exceedance(shift))
    return found


def test_a_small_shift_that_lasts_is_seen_in_windows_together_and_ends_with_them():
    reference = build_reference({"x": np.random.default_rng(1).normal(size=100_000)}, window=1000)
    monitor = DriftMonitor(reference, DriftSettings(level=0.0001))
    windows = windows_of(reference, 2, [0.0] * 6 + [0.11] * 8 + [0.0] * 6)
    alone = [monitor.exceedance(monitor.shifts(one)[0]) > 1 for one in windows]
    together = [one > 1 for one in judged(monitor, windows)]
    assert sum(alone) <= 4
    assert not any(together[:6])
    assert all(together[10:14])
    assert not any(together[15:])
    verdicts = monitor.judge(windows[12], windows[:12])
    assert "in the last 5,000 rows" in verdicts[0].words
    assert verdicts[1].evidence[0].n == 5000


def test_windows_together_are_no_longer_than_what_the_reference_knows():
    rng = np.random.default_rng(1)
    short = DriftMonitor(build_reference({"x": rng.normal(size=65_000)}, window=1000))
    windows = windows_of(short.reference, 3, [0.1] * 5)
    assert short.lasting(windows[4], windows[:4]).rows == 3000  # 20 blocks of 3,248 are known
    assert short.lasting(windows[0], []) is None
    large = windows_of(short.reference, 3, [0.1] * 2, rows=3000)
    assert short.lasting(large[1], large[:1]) is None
    few = DriftMonitor(build_reference({"x": rng.normal(size=1500)}, window=1000))
    assert few.lasting(windows[4], windows[:4]) is None


def test_counts_of_a_window_are_kept_as_plain_values(reference, table):
    window = count_rows(reference, table.drop(columns="name").head(500), since=1.0, until=2.0)
    again = Window.from_dict(json.loads(json.dumps(window.to_dict())))
    monitor = DriftMonitor(reference)
    assert monitor.shifts(again) == monitor.shifts(window)
    assert (again.rows, again.since, again.until, again.absent) == (500, 1.0, 2.0, ("name",))


def test_what_varies_by_itself_is_said_to_be_hardly_watched():
    rng, days = np.random.default_rng(1), np.linspace(0, 2 * np.pi, 60_000)
    season = 10 * np.sin(days)
    table = {
        "month": np.array([f"m{k}" for k in range(12)], object).repeat(5000),
        "temperature": season + rng.normal(size=60_000),
        "age": rng.normal(size=60_000),
    }
    monitor = DriftMonitor(build_reference(table, window=3000))
    for start in range(0, 60_000, 3000):  # the reference's own blocks are no drift from it
        block = {name: values[start : start + 3000] for name, values in table.items()}
        verdict = monitor.judge(block)[0]
        assert verdict.outcome is Outcome.PASSED
    assert list(verdict.evidence[0].details["blind"]) == ["month", "temperature"]
    said = "what varies by itself is hardly watched: month, temperature (above "
    assert said in verdict.words
    # Less what is usual for the season, it is watched like any other feature.
    monitor = DriftMonitor(build_reference({**table, "temperature": table["temperature"] - season}))
    warmer = {**block, "temperature": rng.normal(0.4, 1, 3000)}
    verdict = monitor.judge(warmer)[0]
    assert verdict.evidence[0].details["drifted"] == ["temperature"]
    assert list(verdict.evidence[0].details["blind"]) == ["month"]
