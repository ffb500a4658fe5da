"""Tables in plain arrays come back as they went."""

import numpy as np
import pandas as pd
import pytest

from penstock.gates.plain_table import SUFFIX, read_plain, write_plain

COLUMNS = {
    "whole": [1, 2, 3],
    "small": np.array([1, 2, 3], dtype=np.int8),
    "number": [1.5, np.nan, -2.0],
    "truth": [True, False, True],
    "text": ["a", "", "\u00e4\u20ac"],
    "text with gaps": ["a", None, "c"],
    "truth with gaps": [True, None, False],
    "gaps": pd.array([1, None, 3], dtype="Int64"),
    "category": pd.Categorical(["x", None, "y"], categories=["y", "x"]),
    "numbered category": pd.Categorical([3, 1, 3]),
    "time": pd.to_datetime(["2013-01-01 12:30", None, "2014-01-01 00:00"]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_each_kind_of_column(tmp_path, name):
    frame = pd.DataFrame({name: COLUMNS[name]})
    path = str(tmp_path / f"rows{SUFFIX}")
    write_plain(frame, path)
    read = read_plain(path)
    assert list(read.columns) == [name]
    was, now = frame[name], read[name]
    assert now.isna().tolist() == was.isna().tolist()
    assert now.dropna().tolist() == was.dropna().tolist()
    if name not in {"text", "text with gaps", "time"}:
        assert str(now.dtype) == str(was.dtype)


def test_no_rows_and_no_columns(tmp_path):
    path = str(tmp_path / "x")
    write_plain(
        pd.DataFrame({"a": pd.Series([], dtype=float), "b": pd.Series([], dtype=str)}), path
    )
    assert read_plain(path).shape == (0, 2)
    write_plain(pd.DataFrame(), path)
    assert read_plain(path).empty
