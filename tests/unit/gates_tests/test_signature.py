"""The signature gate on hand-written MLmodel files."""

import json

import pytest

from penstock.domain.verdict import Outcome
from penstock.gates.signature import read_signature, signature_gate


def model(folder, inputs, outputs=(("", "long"),), params=None):
    """Write an MLmodel file; a column is (name, type) or (name, type, required)."""
    folder.mkdir(parents=True, exist_ok=True)

    def columns(items):
        return json.dumps(
            [
                {"name": one[0], "type": one[1], "required": (*one, True)[2]}
                if one[0]
                else {"type": one[1]}
                for one in items
            ]
        )

    lines = ["flavors: {}", "signature:", f"  inputs: '{columns(inputs)}'"]
    lines.append(f"  outputs: '{columns(outputs)}'")
    if params:
        lines.append(f"  params: '{json.dumps(params)}'")
    (folder / "MLmodel").write_text("\n".join(lines))
    return folder


OLD = [("a", "double"), ("b", "long"), ("c", "string")]


@pytest.mark.parametrize(
    ("inputs", "outputs", "outcome", "words"),
    [
        (OLD, [("", "long")], Outcome.PASSED, "all 3 inputs"),
        ([*OLD, ("d", "double")], [("", "long")], Outcome.FAILED, "new required input d"),
        ([*OLD, ("d", "double", False)], [("", "long")], Outcome.PASSED, "new optional input d"),
        (OLD[:2], [("", "long")], Outcome.PASSED, "input c is not wanted any more"),
        ([("a", "long"), *OLD[1:]], [("", "long")], Outcome.FAILED, "input a is long, was double"),
        ([OLD[0], ("b", "double"), OLD[2]], [("", "long")], Outcome.PASSED, "all 3"),
        ([OLD[2], OLD[0], OLD[1]], [("", "long")], Outcome.PASSED, "all 3"),
        (OLD, [("", "integer")], Outcome.PASSED, "all 3"),
        (OLD, [("", "double")], Outcome.FAILED, "the output is double, was long"),
        (OLD, [("x", "long"), ("y", "double")], Outcome.FAILED, "output (unnamed) is gone"),
    ],
)
def test_what_callers_notice(tmp_path, inputs, outputs, outcome, words):
    champion = model(tmp_path / "champion", OLD)
    candidate = model(tmp_path / "candidate", inputs, outputs)
    verdict = signature_gate(candidate, champion)
    assert verdict.outcome is outcome
    assert words in verdict.words


def test_optional_that_becomes_required_breaks_callers(tmp_path):
    champion = model(tmp_path / "champion", [("a", "double", False)])
    candidate = model(tmp_path / "candidate", [("a", "double", True)])
    verdict = signature_gate(candidate, champion)
    assert verdict.outcome is Outcome.FAILED
    assert "is required, was optional" in verdict.words


def test_without_champion_nobody_calls(tmp_path):
    verdict = signature_gate(model(tmp_path, OLD), None)
    assert verdict.outcome is Outcome.PASSED


def test_lost_signature_blocks_and_missing_one_only_tells(tmp_path):
    signed = model(tmp_path / "signed", OLD)
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "MLmodel").write_text("flavors: {}\n")
    lost = signature_gate(plain, signed)
    assert lost.outcome is Outcome.INCONCLUSIVE
    assert lost.stops
    never = signature_gate(signed, plain)
    assert never.outcome is Outcome.INCONCLUSIVE
    assert not never.stops
    assert "infer_signature" in never.hint


def test_positional_and_tensor_inputs(tmp_path):
    def tensor(folder, shape):
        folder.mkdir()
        spec = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": shape}}]
        text = f"signature:\n  inputs: '{json.dumps(spec)}'\n"
        (folder / "MLmodel").write_text(text)
        return folder

    old = tensor(tmp_path / "old", [-1, 784])
    assert signature_gate(tensor(tmp_path / "same", [-1, 784]), old).outcome is Outcome.PASSED
    assert signature_gate(tensor(tmp_path / "wide", [-1, -1]), old).outcome is Outcome.PASSED
    assert signature_gate(tensor(tmp_path / "other", [-1, 10]), old).outcome is Outcome.FAILED


def test_parameter_of_another_type_breaks(tmp_path):
    old = model(tmp_path / "o", OLD, params=[{"name": "t", "type": "double", "default": 0.5}])
    new = model(tmp_path / "n", OLD, params=[{"name": "t", "type": "string", "default": "x"}])
    verdict = signature_gate(new, old)
    assert verdict.outcome is Outcome.FAILED
    assert "parameter t is string, was double" in verdict.words


@pytest.mark.parametrize("text", ["", "[", "signature: 3", "signature: {inputs: 'x'}", "\x00"])
def test_broken_files_have_no_signature(tmp_path, text):
    (tmp_path / "MLmodel").write_text(text)
    assert read_signature(tmp_path) is None
