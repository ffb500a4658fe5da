"""Quality on the held-out flights: numbers and curves."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import saved
from columns import FEATURES, TARGET
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score, roc_curve


def metrics(late: pd.Series, scores: np.ndarray) -> dict[str, float]:
    """Return the numbers that describe `scores`, the chances of being late."""
    return {
        "roc_auc": round(float(roc_auc_score(late, scores)), 6),
        "accuracy": round(float(accuracy_score(late, scores > 0.5)), 6),
        "brier": round(float(brier_score_loss(late, scores)), 6),
        "flights": len(late),
    }


def main() -> None:
    flights = pd.read_parquet("data/test.parquet")
    model = saved.load()
    scores = model.predict_proba(flights[FEATURES])[:, 1]
    numbers = metrics(flights[TARGET], scores)
    Path("metrics.json").write_text(json.dumps(numbers, indent=2) + "\n")
    plots = Path("plots")
    plots.mkdir(exist_ok=True)
    fpr, tpr, _ = roc_curve(flights[TARGET], scores)
    grid = np.linspace(0, 1, 101)
    roc = pd.DataFrame({"fpr": grid, "tpr": np.interp(grid, fpr, tpr)})
    roc.to_csv(plots / "roc.csv", index=False, float_format="%.5f")
    observed, predicted = calibration_curve(flights[TARGET], scores, n_bins=10)
    pd.DataFrame({"predicted": predicted, "observed": observed}).to_csv(
        plots / "calibration.csv", index=False, float_format="%.5f"
    )
    print(", ".join(f"{name} {value:g}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
