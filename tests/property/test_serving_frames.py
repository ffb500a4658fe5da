"""Frames come through however the stream is cut; answers go to their own requests."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.inference import frames
from penstock.inference.frames import Answer, FrameReader
from penstock.inference.labels import label_of
from penstock.serving.rows import RowReader

numbers = st.integers(0, 2**32 - 1)
requests = st.lists(st.tuples(numbers, st.integers(1, 5), st.binary(max_size=50)), max_size=8)
answers = st.lists(
    st.builds(
        Answer,
        number=numbers,
        status=st.integers(100, 599),
        body=st.binary(max_size=50),
        label=st.binary(max_size=10),
        plain=st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(st.lists(st.tuples(requests, answers), max_size=4), st.integers(1, 64))
def test_frames_survive_any_splitting(batches, size):
    stream = b"".join(
        frames.encode_requests(asked) + frames.encode_answers(told) for asked, told in batches
    )
    reader = FrameReader()
    found = []
    for at in range(0, len(stream), size):
        for kind, payload in reader.feed(stream[at : at + size]):
            decode = frames.decode_requests if kind == frames.REQUESTS else frames.decode_answers
            found.append(list(decode(payload)))
    assert found == [part for pair in batches for part in map(list, pair)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b", "columns", "data", "inputs", "instances", "dataframe_split"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(json_values)
def test_no_body_breaks_the_reader(value):
    for reader in (RowReader(("a", "b"), None), RowReader(None, 2), RowReader(None, None)):
        for form in ("inputs", "instances", "dataframe_split", "dataframe_records"):
            rows = reader.read({form: value})
            assert rows is None or all(len(row) == (reader.width or len(row)) for row in rows)
            assert isinstance(reader.complaint({form: value}), str)


@given(json_values)
@example(1.7976931348623157e308)
@example(1.5848931924609685e308)
@example(-1.5e308)
def test_every_prediction_has_a_short_label(value):
    label = label_of(json.loads(json.dumps(value)))
    assert isinstance(label, str)
    assert len(label) <= 64
