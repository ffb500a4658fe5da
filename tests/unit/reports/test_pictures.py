"""The graph of a pipeline, intervals and timelines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.artifact import Artifact
from penstock.domain.event import Event, EventType
from penstock.domain.run import StageOutcome, StageRun
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.reports.curves import calibration, confusion, residuals, roc
from penstock.reports.intervals import drawable, interval
from penstock.reports.pipeline_graph import layers, needs, pipeline_graph
from penstock.reports.slices import by_slice
from penstock.reports.svg import Scale, ticks
from penstock.reports.timeline import timeline


def stage(name, deps=(), outs=(), outcome=StageOutcome.RAN):
    files = [tuple(Artifact(path, "0" * 32, 1) for path in paths) for paths in (deps, outs)]
    return StageRun(name, outcome, seconds=1.0, deps=files[0], outs=files[1])


def test_a_stage_needs_those_whose_outputs_it_reads():
    stages = [
        stage("prepare", ["raw"], ["data/clean"]),
        stage("train", ["data/clean/train.csv"], ["model"]),
        stage("report", ["data", "model"], ["report.html"]),
    ]
    assert needs(stages) == {"prepare": [], "train": ["prepare"], "report": ["prepare", "train"]}


def test_names_that_begin_alike_are_not_the_same_path():
    stages = [stage("a", [], ["data/a"]), stage("b", ["data/ab"], ["x"])]
    assert needs(stages)["b"] == []


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=3), min_size=1
    )
)
def test_every_stage_stands_in_one_column_even_in_a_circle(edges):
    columns = layers(edges)
    assert sorted(name for column in columns for name in column) == sorted(edges)


@given(st.permutations("abcdef"))
def test_what_is_needed_stands_further_left(order):
    edges = {name: list(order[:k])[-2:] for k, name in enumerate(order)}
    columns = layers(edges)
    place = {name: k for k, column in enumerate(columns) for name in column}
    assert all(place[a] < place[b] for b in edges for a in edges[b])


def test_the_graph_shows_every_stage_with_its_outcome():
    stages = (stage("prepare", [], ["d"]), stage("a-very-long-name-of-a-stage", ["d"], ["m"]))
    drawn = pipeline_graph(stages)
    assert drawn.count('class="node ran"') == 2
    assert drawn.count('class="edge"') == 1
    assert "a-very-long-name…" in drawn
    assert "a-very-long-name-of-a-stage" in drawn, "in the tip"
    assert pipeline_graph(()) == ""


finite = st.floats(-1e6, 1e6)


@given(finite, finite, st.one_of(st.none(), finite), st.one_of(st.none(), finite))
def test_an_interval_is_drawn_within_its_picture(value, threshold, low, high):
    evidence = Evidence("x", value, low, high, threshold, ">")
    assert drawable(evidence) is (low is not None or high is not None)
    drawn = interval(evidence, Outcome.PASSED)
    assert drawn.startswith("<svg")
    assert "nan" not in drawn


def test_an_evidence_without_threshold_is_not_drawn():
    assert not drawable(Evidence("x", 0.5))
    assert not drawable(Evidence("x", float("nan"), 0.1, 0.9, 0.5))


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_round_and_inside(low, span):
    high = low + span
    if high <= low:
        return
    found = ticks(low, high)
    assert len(found) <= 12
    slack = span * 1e-6 + abs(low) * 1e-9 + 1e-9
    assert all(low - slack <= one <= high + slack for one in found)


def test_a_scale_keeps_to_its_range():
    scale = Scale(0, 10, 100, 200)
    assert [scale(v) for v in (-5, 0, 5, 10, 99)] == [100, 100, 150, 200, 200]
    assert Scale(1, 1, 0, 10)(1) == 5


@pytest.mark.parametrize("curves", [{}, {"models": {}}, {"models": {"candidate": {}}}])
def test_curves_that_are_not_there_are_not_drawn(curves):
    assert roc(curves) == calibration(curves) == confusion(curves) == residuals(curves) == ""


def test_a_regression_shows_its_errors():
    found = {"edges": [-2.0, -1.0, 0.0, 1.0, 2.0], "counts": [1, 5, 7, 2]}
    drawn = residuals({"models": {"candidate": {"residuals": found}}})
    assert drawn.count('class="column"') == 4


def test_a_confusion_of_too_many_classes_is_left_out():
    rows = [[1] * 20 for _ in range(20)]
    assert confusion({"models": {"candidate": {"confusion": rows}}}) == ""


def look(time, weight, phase="stepping", **evidence):
    return {"time": time, "weight": weight, "phase": phase, "requests": 1, "evidence": evidence}


def test_a_timeline_names_the_steps_and_marks_the_alarm():
    looks = [
        look(1, 0.0, errors=0.1),
        look(5, 5.0, errors=0.5),
        look(9, 25.0, errors=1.2),
        look(10, 0.0, "rolled-back"),
    ]
    drawn = timeline({"started": 0.0, "looks": looks})
    for name in ("shadow", "5 %", "25 %", "rolled back", "rolls back"):
        assert f">{name}<" in drawn, name
    assert drawn.count('class="alarm"') == 1


def test_turns_are_taken_from_the_events_when_looks_are_thinned_out():
    looks = [look(1, 0.0), look(9, 100.0)]
    steps = [(1, 0.0), (3, 5.0), (5, 25.0), (7, 100.0)]
    events = [
        Event(EventType.ROLLOUT_STEPPED, "r", {"weight": weight}, time=time)
        for time, weight in steps
    ]
    other = Event(EventType.ROLLOUT_STEPPED, "another", {"weight": 77.0}, time=4)
    drawn = timeline({"id": "r", "looks": looks}, [*events, other])
    for name in ("shadow", "5 %", "25 %", "100 %"):
        assert f">{name}<" in drawn, name
    assert "77 %" not in drawn


def test_a_long_probation_does_not_squeeze_the_rollout():
    looks = [look(k, 5.0) for k in range(10)] + [
        look(k, 100.0, "probation") for k in range(10, 900)
    ]
    assert ">8<" in timeline({"started": 0.0, "looks": looks})
    assert ">800<" not in timeline({"started": 0.0, "looks": looks})


def test_a_return_during_the_probation_is_shown():
    looks = [look(k, 5.0) for k in range(10)] + [look(k, 100.0, "probation") for k in range(10, 90)]
    drawn = timeline({"started": 0.0, "looks": [*looks, look(90, 0.0, "rolled-back")]})
    assert ">80<" in drawn
    assert ">rolled back<" in drawn


def test_a_single_look_is_no_timeline():
    assert timeline({"looks": [look(1, 0.0)]}) == timeline({}) == ""


def on_slice(where, value, outcome=Outcome.PASSED, comparison=">"):
    evidence = Evidence(
        "candidate.accuracy",
        value,
        value - 0.1,
        None if value > 1 else value + 0.1,
        threshold=0.7,
        comparison=comparison,
        n=200,
        details={"slice": where},
    )
    return Verdict(f"accuracy on slice {where}", outcome, "said", evidence=(evidence,))


def test_slices_of_a_condition_stand_below_each_other_the_worst_on_top():
    verdicts = [
        on_slice(None, 0.8),
        on_slice("carrier=UA", 0.9),
        on_slice("carrier=<b>", 0.5, Outcome.FAILED),
        on_slice("carrier=other", 1.4, Outcome.INCONCLUSIVE),
        on_slice("origin=JFK", 0.9),
    ]
    ((caption, drawn),) = by_slice(verdicts)
    assert caption == "candidate.accuracy by carrier"
    assert drawn.index("&lt;b&gt;") < drawn.index("UA") < drawn.index("other")
    assert [drawn.count(f'class="interval {one}"') for one in ("passed", "failed")] == [1, 1]
    assert "0.7" in drawn
    assert by_slice(verdicts[:2]) == []


def test_of_very_many_slices_the_worst_are_drawn():
    verdicts = [on_slice(f"route={k}", 1 - k / 100, comparison="<") for k in range(45)]
    ((_, drawn),) = by_slice(verdicts)
    assert drawn.count('class="dot"') == 30
    assert "and 15 more" in drawn
    assert ">0: 1, 200 rows<" in drawn
    assert ">44: " not in drawn
