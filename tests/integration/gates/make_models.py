"""Trains and saves one small model of each flavour: `python make_models.py FOLDER`."""

import sys
import warnings
from pathlib import Path

CODE = """
import mlflow

class Rule(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return (model_input["a"] > 0).astype(int)

mlflow.models.set_model(Rule())
"""


def main(folder):
    import lightgbm
    import mlflow.lightgbm
    import mlflow.pyfunc
    import mlflow.sklearn
    import mlflow.xgboost
    import pandas as pd
    import xgboost
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression, LogisticRegression

    warnings.simplefilter("ignore")
    rows = pd.read_parquet(folder / "train.parquet")
    x, y, names, value = rows[["a", "b"]], rows["late"], rows["late_name"], rows["value"]
    pickled = {"serialization_format": "cloudpickle"}

    def save(library, name, model, target=y, **more):
        signature = infer_signature(x, target)
        library.save_model(
            model, folder / name, signature=signature, pip_requirements=["scikit-learn"], **more
        )

    logistic = LogisticRegression().fit(x, y)
    save(mlflow.sklearn, "sklearn", logistic, **pickled)
    save(mlflow.sklearn, "sklearn-text", LogisticRegression().fit(x, names), names, **pickled)
    save(mlflow.sklearn, "sklearn-value", LinearRegression().fit(x, value), value, **pickled)
    save(mlflow.sklearn, "proba", logistic, pyfunc_predict_fn="predict_proba", **pickled)

    forest = xgboost.XGBClassifier(n_estimators=4, max_depth=2).fit(x, y)
    save(mlflow.xgboost, "xgboost", forest)
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(x, y), 4)
    save(mlflow.xgboost, "xgboost-booster", booster)

    trees = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(x, y)
    save(mlflow.lightgbm, "lightgbm", trees, **pickled)
    boosted = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(x, y), 4)
    save(mlflow.lightgbm, "lightgbm-booster", boosted)

    (folder / "rule.py").write_text(CODE)
    mlflow.pyfunc.save_model(
        folder / "pyfunc",
        python_model=str(folder / "rule.py"),
        signature=infer_signature(x, y),
        pip_requirements=["pandas"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
