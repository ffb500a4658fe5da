"""The scan: dangerous pickles in every wrapping, harmless models, source code."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from penstock.domain.verdict import Outcome
from penstock.gates.model_scan import scan


class Evil:
    """Runs a command when it is unpickled; nothing in these tests unpickles it."""

    def __reduce__(self):
        return (os.system, ("touch /tmp/penstock-must-not-exist",))


def dumped(value, **how):
    stream = io.BytesIO()
    joblib.dump(value, stream, **how)
    return stream.getvalue()


def zipped(name, data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, data)
    return stream.getvalue()


def array_file(value, save=np.save):
    stream = io.BytesIO()
    save(stream, value)
    return stream.getvalue()


PICKLE = pickle.dumps(Evil())
FILES = {
    "plain.pkl": PICKLE,
    "without-a-telling-name": PICKLE,
    "old-protocol.txt": pickle.dumps(Evil(), protocol=0),
    "second.pkl": pickle.dumps(1) + PICKLE,
    "torch.pt": zipped("archive/data.pkl", PICKLE),
    "nested.zip": zipped("inner.zip", zipped("x.pkl", PICKLE)),
    "gzip.pkl.gz": gzip.compress(PICKLE),
    "bzip.pkl": bz2.compress(PICKLE),
    "xz.pkl": lzma.compress(PICKLE),
    "zlib.pkl": zlib.compress(PICKLE),
    "behind-array.joblib": dumped([np.zeros(1000), Evil()]),
    "behind-array-compressed.joblib": dumped([np.zeros(1000), Evil()], compress=3),
    "behind-record-array.joblib": dumped([np.zeros(9, dtype="f4,i8"), Evil()]),
    "in-object-array.joblib": dumped(np.array([1, Evil()], dtype=object)),
    "objects.npy": array_file(np.array([Evil()], dtype=object)),
    "objects.npz": array_file(np.array([Evil()], dtype=object), np.savez),
}


@pytest.mark.parametrize("name", FILES)
def test_finds_a_command_in_any_wrapping(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    verdict = scan(tmp_path)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.stops
    assert "posix.system" in verdict.words
    assert name in verdict.words
    assert not Path("/tmp/penstock-must-not-exist").exists()


@pytest.mark.parametrize("name", ["codecs.builtins.exec", "decoder.sys.modules"])
def test_finds_what_hides_behind_dots(tmp_path, name):
    """`json.codecs.builtins.exec` is `exec`; a list of modules alone would not know."""
    program = b"\x80\x04\x8c\x04json\x8c%c%s\x93." % (len(name), name.encode())
    (tmp_path / "m.pkl").write_bytes(program)
    assert scan(tmp_path).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("importlib", "import_module"),
        ("joblib", "load"),
        ("pandas", "read_pickle"),
        ("numpy", "load"),
        ("marshal", "loads"),
        ("mlflow.pyfunc", "load_model"),
    ],
)
def test_finds_what_would_load_more(tmp_path, module, name):
    (tmp_path / "m.pkl").write_bytes(f"c{module}\n{name}\n.".encode())
    assert scan(tmp_path).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "data",
    [PICKLE[:-5], b"\x80\x04\x95", pickle.dumps(list(range(100)))[:-20], gzip.compress(b"x")[:-4]],
    ids=["system", "frame", "list", "gzip"],  # gzip writes the time, which has no place in a name
)
def test_what_cannot_be_read_to_its_end_does_not_pass(tmp_path, data):
    (tmp_path / "m.pkl").write_bytes(data)
    assert scan(tmp_path).outcome is Outcome.FAILED


@pytest.mark.parametrize("dump", [pickle.dumps, dumped], ids=["pickle", "joblib"])
def test_real_models_pass(tmp_path, dump):
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = (x[:, 0] > 0).astype(int)
    forest = RandomForestClassifier(n_estimators=3, random_state=0).fit(x, y)
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    for name, one in (("forest.pkl", forest), ("pipe.pkl", pipe)):
        (tmp_path / name).write_bytes(dump(one))
    (tmp_path / "conda.yaml").write_text("channels:\n- conda-forge\n")
    (tmp_path / "requirements.txt").write_text("scikit-learn==1.5\n")
    verdict = scan(tmp_path)
    assert verdict.outcome is Outcome.PASSED, verdict.words
    assert "4 files scanned" in verdict.words


def test_trusted_imports_pass_and_are_told(tmp_path):
    (tmp_path / "m.pkl").write_bytes(PICKLE)
    verdict = scan(tmp_path, allow=["posix.*"])
    assert verdict.outcome is Outcome.PASSED
    assert "that you trust" in verdict.words
    assert verdict.evidence[0].details["trusted"][0]["what"] == "posix.system"


def test_skops_may_not_trust_what_is_dangerous(tmp_path):
    (tmp_path / "MLmodel").write_text(
        "flavors: {sklearn: {skops_trusted_types: [numpy.dtype, posix.system]}}\n"
    )
    verdict = scan(tmp_path)
    assert verdict.outcome is Outcome.FAILED
    assert "trusts posix.system" in verdict.words


def test_source_code_is_told_and_does_not_fail(tmp_path):
    (tmp_path / "model.py").write_text(
        "import subprocess\n\ndef predict(x):\n    return eval(x)\n\nbroken = 'no'\n"
    )
    (tmp_path / "odd.py").write_text("def (:\n")
    verdict = scan(tmp_path)
    assert verdict.outcome is Outcome.PASSED
    assert "starts other programs (line 1: subprocess)" in verdict.words
    assert "evaluates text as code (line 4: eval)" in verdict.words
    assert "odd.py: is not Python" in verdict.words


def test_nothing_to_scan_is_an_error(tmp_path):
    assert scan(tmp_path / "absent").outcome is Outcome.ERROR
