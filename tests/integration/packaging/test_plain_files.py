"""Plain model files become MLflow models that name their columns, packages and code."""

import os
import pickle
import shutil
import subprocess
import sys

import pytest

from penstock.errors import StateError
from penstock.gates import evaluate
from penstock.packaging import as_mlflow, resolve
from penstock.probe import measure

ROWS = "age,visits,bought\n" + "".join(f"{n},{n % 3},{n * 2}\n" for n in range(30))
FIT = """\
import sys, joblib, pandas
from sklearn.linear_model import Ridge
rows = pandas.read_csv("data.csv")
joblib.dump(Ridge().fit(rows[["visits", "age"]], rows.bought), sys.argv[1])
"""
OWN = """\
class Doubler:
    def predict(self, rows):
        return rows["age"] * 2
"""


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "a project"
    folder.mkdir()
    (folder / "data.csv").write_text(ROWS, encoding="utf-8")
    return folder


def script(base, text, *words):
    subprocess.run([sys.executable, "-c", text, *words], cwd=base, check=True)


def wrap(base, name):
    data = base / "data.csv"
    return as_mlflow(
        base / name,
        "c0ffee",
        base,
        base=base,
        data=data,
        target="bought",
        timeout=120,
        environment=os.environ,
    )


def test_an_estimator_keeps_its_columns_and_packages(base):
    script(base, FIT, "model.joblib")
    place = wrap(base, "model.joblib")
    assert place == base / ".penstock" / "models" / "c0ffee"
    text = (place / "MLmodel").read_text(encoding="utf-8")
    assert text.index("visits") < text.index("age")
    assert "bought" not in text
    assert "scikit-learn==" in (place / "requirements.txt").read_text(encoding="utf-8")
    assert resolve(place).python == sys.executable
    made = (place / "MLmodel").stat().st_mtime_ns
    assert wrap(base, "model.joblib") == place
    assert (place / "MLmodel").stat().st_mtime_ns == made


def test_code_of_the_project_goes_along(base):
    (base / "src").mkdir()
    (base / "src" / "doubler.py").write_text(OWN, encoding="utf-8")
    make = "import sys, pickle; sys.path.insert(0, 'src'); import doubler\n"
    script(base, make + "pickle.dump(doubler.Doubler(), open('model.pkl', 'wb'))")
    place = wrap(base, "model.pkl")
    assert (place / "code" / "doubler.py").read_text(encoding="utf-8") == OWN
    ask = "import mlflow.pyfunc, pandas; m = mlflow.pyfunc.load_model('.')\n"
    ask += "assert list(m.predict(pandas.DataFrame({'age': [4.0], 'visits': [1.0]}))) == [8.0]"
    script(place, ask)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps({"weights": [1]}), "it holds a dict, which has no `predict`"),
        (b"no pickle at all", "cannot be made a model that is served"),
        (b"cmissing_module\nThing\n.", "No module named 'missing_module'"),
    ],
)
def test_what_cannot_be_served_is_said_with_the_remedy(base, content, words):
    (base / "model.pkl").write_bytes(content)
    with pytest.raises(StateError, match=words) as caught:
        wrap(base, "model.pkl")
    assert caught.value.code == "packaging.not-a-model"
    assert "mlflow" in caught.value.hint
    assert not list((base / ".penstock" / "models").iterdir())


ONNX = """\
import sys, numpy, pandas
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
rows = pandas.read_csv("data.csv")
inputs = rows[["age", "visits"]].to_numpy("float32")
model = LogisticRegression().fit(inputs, rows.bought > 20)
made = to_onnx(model, inputs[:1], options={"zipmap": False})
open(sys.argv[1], "wb").write(made.SerializeToString())
"""


def test_an_onnx_file_is_judged_and_served(base):
    script(base, ONNX, "model.onnx")
    place = wrap(base, "model.onnx")
    found = evaluate(place, sys.executable, base / "data.csv", "bought")
    assert found.ok, found.error
    assert found.n == 30
    p50, p99, memory = measure(place, sys.executable, base / "data.csv", "bought")
    assert 0 < p50 <= p99
    assert memory > 10e6


BOOSTED = """\
import sys, pandas, numpy
import xgboost, lightgbm
rows = pandas.read_csv("data.csv")
x, y = rows[["visits", "age"]].astype(float), (rows.bought > 20).astype(int)
few = {"n_estimators": 3, "max_depth": 2}
small = {"min_data_in_leaf": 2, "verbose": -1, "objective": "binary"}
xgboost.XGBClassifier(**few).fit(x, y).save_model("estimator.json")
booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(x, y), 3)
booster.save_model("booster.ubj")
booster.save_model("booster.json")
xgboost.XGBRegressor(**few).fit(x, rows.bought).save_model("value.json")
lightgbm.train(small, lightgbm.Dataset(x, y), 3).save_model("light.txt")
"""


@pytest.fixture(scope="module")
def boosted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boosted")
    (folder / "data.csv").write_text(ROWS, encoding="utf-8")
    script(folder, BOOSTED)
    return folder


@pytest.mark.parametrize(
    "name", ["estimator.json", "booster.ubj", "booster.json", "value.json", "light.txt"]
)
def test_boosted_trees_in_their_own_formats(base, boosted, name):
    shutil.copy(boosted / name, base)
    target = "bought" if name == "value.json" else "much"
    rows = ["age,visits,bought,much"]
    rows += [f"{n},{n % 3},{n * 2},{int(n > 10)}" for n in range(30)]
    (base / "data.csv").write_text("\n".join(rows), encoding="utf-8")
    place = wrap(base, name)
    text = (place / "MLmodel").read_text(encoding="utf-8")
    assert text.index("visits") < text.index("age")
    for model in (place, base / name):
        found = evaluate(model, sys.executable, base / "data.csv", target, latency_requests=5)
        assert found.ok, found.error
        assert found.n == 30
        assert found.is_classification == (target == "much")


def test_a_file_of_no_known_form_says_which_are(base):
    (base / "model.json").write_text('{"weights": [1, 2]}', encoding="utf-8")
    (base / "model.bin").write_bytes(b"??")
    for name, words in (("model.json", "model.json cannot be made"), ("model.bin", "LightGBM")):
        with pytest.raises(StateError, match=words):
            wrap(base, name)
