"""Which stage starts next, and which changes make a stage run: pure decisions on plain values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Dependency, Output, ParamsFile, Pipeline, Resources, Stage
from penstock.pipeline import entry as entries
from penstock.pipeline import graph, schedule
from penstock.pipeline.decide import Action, Facts, decide
from penstock.pipeline.planning import combine

PLACE = ("dvc.yaml", 1, 1)


def stage(name: str, deps=(), outs=None, **more) -> Stage:
    outs = [name] if outs is None else outs
    return Stage(
        name, name, "dvc.yaml", ".", f"make {name}", PLACE,
        tuple(Dependency(dep, dep, PLACE) for dep in deps),
        outs=tuple(Output(out, out, PLACE) for out in outs),
        **more,
    )  # fmt: skip


def pipeline(*stages: Stage) -> Pipeline:
    by_name = {one.address: one for one in stages}
    upstream, problems = graph.connect(by_name)
    assert not problems
    return Pipeline(by_name, upstream)


def test_the_longest_path_starts_first():
    made = pipeline(stage("a"), stage("b"), stage("c", ["b"]), stage("d", ["c"]))
    weights = schedule.priorities(made, {"a": 2.5, "b": 0.5})
    assert weights == {"d": 1.0, "c": 2.0, "b": 2.5, "a": 2.5}
    weights = schedule.priorities(made, {"a": 1.0, "c": 10.0})
    capacity = schedule.Capacity(2, 100)
    ranked = schedule.startable([made.stages["a"], made.stages["b"]], capacity, weights)
    assert [one.address for one in ranked] == ["b", "a"]
    assert schedule.remaining(made, made.stages, {"c": 10.0}, 2) == 12.0
    assert schedule.remaining(made, ["a", "b"], {}, 1) == 2.0


def test_nothing_starts_without_its_resources():
    capacity = schedule.Capacity(2, 100, ["0", "1"])
    two = Resources(cpus=2, memory=60, gpus=1, limits=(("db", 1),))
    assert capacity.take(two) == ["0"]
    assert not capacity.fits(Resources())
    assert not capacity.fits(Resources(cpus=0, memory=50))
    assert not capacity.fits(Resources(cpus=0, gpus=2))
    assert not capacity.fits(Resources(cpus=0, limits=(("db", 1),)))
    assert capacity.fits(Resources(cpus=0, memory=40, gpus=1, limits=(("db", 2),)))
    capacity.give(two, ["0"])
    # More than the machine has: alone, but not never.
    assert capacity.fits(Resources(cpus=64, memory=10**15))
    assert not capacity.fits(Resources(gpus=3))


@st.composite
def graphs(draw):
    """Stages whose dependencies are outputs of stages with a lower number."""
    size = draw(st.integers(1, 12))
    return pipeline(
        *(
            stage(
                f"s{at}",
                sorted({f"s{draw(st.integers(0, at - 1))}" for _ in range(draw(st.integers(0, 3)))})
                if at
                else (),
            )
            for at in draw(st.permutations(range(size)))
        )
    )


@given(graphs())
def test_an_order_puts_everything_after_what_it_needs(made):
    order = graph.order(made.upstream)
    assert sorted(order) == sorted(made.stages)
    for address, sources in made.upstream.items():
        assert all(order.index(source) < order.index(address) for source in sources)
        assert set(sources) == {dep.path for dep in made.stages[address].deps}
    weights = schedule.priorities(made, {})
    for address, sources in made.upstream.items():
        assert all(weights[source] > weights[address] for source in sources)


ONE, TWO = Artifact("a", "1" * 32, 1), Artifact("a", "2" * 32, 1)


def facts(**changes) -> Facts:
    made = stage("b", ["a"], params=(ParamsFile("params.yaml", "params.yaml", PLACE, ("lr",)),))
    entry = entries.make(made, {"a": ONE}, {"params.yaml": {"lr": 1}}, {"b": TWO})
    given_facts = {
        "stage": made,
        "entry": entry,
        "deps": {"a": ONE},
        "params": {"params.yaml": {"lr": 1.0}},
        "outs": {"b": TWO},
    }
    return Facts(**{**given_facts, **changes})


def test_decisions_and_their_reasons():
    assert decide(facts()).action is Action.UNCHANGED
    cases = {
        "it has not run before": facts(entry=None),
        "a changed": facts(deps={"a": TWO}),
        "a is missing": facts(deps={"a": None}),
        "the parameter lr changed": facts(params={"params.yaml": {"lr": 2}}),
        "params.yaml is missing": facts(params={"params.yaml": None}),
        "its command changed": facts(entry={**(facts().entry or {}), "cmd": "x"}),
    }
    for reason, known in cases.items():
        decision = decide(known)
        assert (decision.action, decision.reasons) == (Action.RUN, (reason,))
    for reason, known in {
        "b is missing": facts(outs={"b": None}),
        "b was changed by hand": facts(outs={"b": ONE}),
    }.items():
        decision = decide(known)
        assert (decision.action, decision.reasons) == (Action.RESTORE, (reason,))
    assert decide(facts(), force=True).reasons == ("forced",)


def test_a_plan_says_what_may_follow():
    made = pipeline(stage("a", ["x"]), stage("b", ["a"]), stage("c", ["b"]), stage("d"))
    known = {name: decide(Facts(one, {"cmd": one.cmd})) for name, one in made.stages.items()}
    stages = {one.stage: one for one in combine(made, known, {"a": 3.0})}
    assert {name: one.action for name, one in stages.items()} == {
        "a": "run", "b": "run", "c": "run", "d": "restore",
    }  # fmt: skip
    unchanged = decide(facts())
    stages = {
        one.stage: one
        for one in combine(made, {**dict.fromkeys("abcd", unchanged), "a": known["a"]}, {"a": 3.0})
    }
    assert {name: one.action for name, one in stages.items()} == {
        "a": "run", "b": "maybe", "c": "maybe", "d": "unchanged",
    }  # fmt: skip
    assert stages["c"].reasons == ("b may run",)
    assert stages["a"].expected_seconds == 3.0
