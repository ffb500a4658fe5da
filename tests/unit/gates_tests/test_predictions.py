"""Predictions as a value."""

import numpy as np
import pytest

from penstock.errors import StateError
from penstock.gates import Predictions


def test_save_and_load(tmp_path):
    made = Predictions(
        ok=True,
        labels=np.array(["no", "yes"]),
        scores=np.array([[0.7, 0.3], [0.2, 0.8]]),
        classes=np.array(["no", "yes"]),
        n=2,
        latency_p99=0.001,
        log_tail=("hello",),
    )
    made.save(tmp_path / "p.npz")
    read = Predictions.load(tmp_path / "p.npz")
    assert read.facts() == made.facts()
    assert read.labels.tolist() == ["no", "yes"]
    assert read.is_classification


def test_score_of_picks_the_class():
    made = Predictions(ok=True, scores=np.array([[0.7, 0.3]]), classes=np.array(["no", "yes"]), n=1)
    assert made.score_of().tolist() == [0.3]
    assert made.score_of("no").tolist() == [0.7]
    assert made.score_of("maybe") is None
    values = Predictions(ok=True, scores=np.array([1.5]))
    assert values.score_of().tolist() == [1.5]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x04."])
def test_a_damaged_file_is_an_error_in_words(tmp_path, data):
    (tmp_path / "p.npz").write_bytes(data)
    with pytest.raises(StateError, match="does not hold predictions"):
        Predictions.load(tmp_path / "p.npz")
