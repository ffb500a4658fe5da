"""Names of all metrics, so that a condition is checked without loading any mathematics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricName:
    """What is known of a metric before anything is measured.

    Attributes:
        name: our name.
        kind: ``classification``, ``regression``, ``ranking``, ``fairness``, ``cost`` or ``flips``.
        guarantee: ``exact``, ``finite-sample``, ``approximate`` or ``measured``.
        unit: ``s``, ``bytes`` or "".
        arguments: how many positional arguments it must have.
        help: what it is, in a few words.
        bounded: whether its values lie between 0 and 1.
    """

    name: str
    kind: str
    guarantee: str
    help: str
    unit: str = ""
    arguments: int = 0
    bounded: bool = True


_C, _R, _K, _F = "classification", "regression", "ranking", "fairness"
_EXACT, _FINITE, _APPROX = "exact", "finite-sample", "approximate"

_ALL = (
    MetricName("accuracy", _C, _EXACT, "share of rows with the right class"),
    MetricName("error_rate", _C, _EXACT, "share of rows with the wrong class"),
    MetricName("precision", _C, _EXACT, "share of predicted positives that are positive"),
    MetricName("recall", _C, _EXACT, "share of positives that are found"),
    MetricName("specificity", _C, _EXACT, "share of negatives that are called negative"),
    MetricName("false_positive_rate", _C, _EXACT, "share of negatives called positive"),
    MetricName("false_negative_rate", _C, _EXACT, "share of positives called negative"),
    MetricName("positive_rate", _C, _EXACT, "share of rows called positive"),
    MetricName("f1", _C, _EXACT, "harmonic mean of precision and recall"),
    MetricName("jaccard", _C, _EXACT, "true positives among all called or being positive"),
    MetricName("balanced_accuracy", _C, _EXACT, "mean of the recall of each class"),
    MetricName("top_k_accuracy", _C, _EXACT, "share of rows with the class among the k likeliest"),
    MetricName("roc_auc", _C, _FINITE, "chance that a positive scores above a negative"),
    MetricName("log_loss", _C, _FINITE, "mean surprise, cut off at `clip`", bounded=False),
    MetricName("brier_score", _C, _FINITE, "mean squared error of the probability"),
    MetricName("ece", _C, _FINITE, "expected calibration error in 10 bins"),
    MetricName("mcc", _C, _EXACT, "Matthews correlation", bounded=False),
    MetricName("average_precision", _C, _FINITE, "area under precision over recall"),
    MetricName("mae", _R, _APPROX, "mean absolute error; with clip= finite-sample", bounded=False),
    MetricName("mse", _R, _APPROX, "mean squared error; with clip= finite-sample", bounded=False),
    MetricName("rmse", _R, _APPROX, "root of the mean squared error", bounded=False),
    MetricName("mape", _R, _APPROX, "mean relative error; with clip= finite-sample", bounded=False),
    MetricName("bias", _R, _APPROX, "mean of predicted minus true", bounded=False),
    MetricName("within", _R, _EXACT, "share of rows whose error is at most the argument", "", 1),
    MetricName("median_absolute_error", _R, _EXACT, "median of the absolute error", bounded=False),
    MetricName("r2", _R, _APPROX, "share of the variance explained", bounded=False),
    MetricName("max_error", _R, "measured", "largest absolute error seen", bounded=False),
    MetricName("ndcg", _K, _FINITE, "normalised discounted gain per query", "", 1),
    MetricName("mrr", _K, _FINITE, "mean reciprocal rank of the first relevant row", "", 1),
    MetricName("map", _K, _FINITE, "mean average precision per query", "", 1),
    MetricName("precision_at", _K, _FINITE, "relevant among the first k per query", "", 2),
    MetricName("recall_at", _K, _FINITE, "relevant rows found among the first k per query", "", 2),
    MetricName("hit_rate", _K, _FINITE, "queries with a relevant row in the first k", "", 2),
    MetricName("demographic_parity", _F, _EXACT, "gap of positive rates over groups", "", 1),
    MetricName("equal_opportunity", _F, _EXACT, "gap of recall over groups", "", 1),
    MetricName("equalized_odds", _F, _EXACT, "larger gap of recall and false alarms", "", 1),
    MetricName("accuracy_gap", _F, _EXACT, "gap of accuracy over groups", "", 1),
    MetricName("changed", "flips", _EXACT, "share of predictions that differ from the champion's"),
    MetricName("latency_p50", "cost", "measured", "seconds for one row, median", "s"),
    MetricName("latency_p99", "cost", "measured", "seconds for one row, 99th percentile", "s"),
    MetricName("load_seconds", "cost", "measured", "seconds to load", "s"),
    MetricName("predict_seconds", "cost", "measured", "seconds for the whole test set", "s"),
    MetricName("memory", "cost", "measured", "bytes held while answering", "bytes"),
    MetricName("memory_peak", "cost", "measured", "bytes, the most of the evaluation", "bytes"),
    MetricName("size", "cost", "measured", "bytes on disk", "bytes"),
)

METRICS: dict[str, MetricName] = {one.name: one for one in _ALL}
"""Every metric that penstock computes itself."""

ALIASES: dict[str, str] = {
    "accuracy_score": "accuracy",
    "precision_score": "precision",
    "recall_score": "recall",
    "sensitivity": "recall",
    "true_positive_rate": "recall",
    "f1_score": "f1",
    "jaccard_score": "jaccard",
    "balanced_accuracy_score": "balanced_accuracy",
    "top_k_accuracy_score": "top_k_accuracy",
    "roc_auc_score": "roc_auc",
    "auc": "roc_auc",
    "brier": "brier_score",
    "brier_score_loss": "brier_score",
    "expected_calibration_error": "ece",
    "matthews_corrcoef": "mcc",
    "average_precision_score": "average_precision",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "mean_absolute_percentage_error": "mape",
    "r2_score": "r2",
    "ndcg_score": "ndcg",
    "demographic_parity_difference": "demographic_parity",
    "equal_opportunity_difference": "equal_opportunity",
    "equalized_odds_difference": "equalized_odds",
}
"""Other names by which the field knows a metric."""

SKLEARN: frozenset[str] = frozenset(
    {
        "adjusted_mutual_info_score",
        "adjusted_rand_score",
        "cohen_kappa_score",
        "completeness_score",
        "coverage_error",
        "d2_absolute_error_score",
        "d2_brier_score",
        "d2_log_loss_score",
        "d2_pinball_score",
        "d2_tweedie_score",
        "explained_variance",
        "explained_variance_score",
        "f1_macro",
        "f1_micro",
        "f1_samples",
        "f1_weighted",
        "fowlkes_mallows_score",
        "hamming_loss",
        "hinge_loss",
        "homogeneity_score",
        "jaccard_macro",
        "jaccard_micro",
        "jaccard_samples",
        "jaccard_weighted",
        "label_ranking_average_precision_score",
        "mean_gamma_deviance",
        "mean_pinball_loss",
        "mean_poisson_deviance",
        "mean_squared_log_error",
        "mean_tweedie_deviance",
        "mutual_info_score",
        "neg_brier_score",
        "neg_log_loss",
        "neg_max_error",
        "neg_mean_absolute_error",
        "neg_mean_absolute_percentage_error",
        "neg_mean_gamma_deviance",
        "neg_mean_poisson_deviance",
        "neg_mean_squared_error",
        "neg_mean_squared_log_error",
        "neg_median_absolute_error",
        "neg_negative_likelihood_ratio",
        "neg_root_mean_squared_error",
        "neg_root_mean_squared_log_error",
        "normalized_mutual_info_score",
        "positive_likelihood_ratio",
        "precision_macro",
        "precision_micro",
        "precision_samples",
        "precision_weighted",
        "rand_score",
        "recall_macro",
        "recall_micro",
        "recall_samples",
        "recall_weighted",
        "roc_auc_ovo",
        "roc_auc_ovo_weighted",
        "roc_auc_ovr",
        "roc_auc_ovr_weighted",
        "root_mean_squared_log_error",
        "v_measure_score",
        "zero_one_loss",
    }
)
"""scikit-learn's scorers and metrics that are computed by scikit-learn itself."""

OPTIONS: dict[str, frozenset[str]] = {
    "log_loss": frozenset({"clip"}),
    "mae": frozenset({"clip"}),
    "mse": frozenset({"clip"}),
    "mape": frozenset({"clip"}),
    "bias": frozenset({"clip"}),
    "rmse": frozenset({"clip"}),
    "ece": frozenset({"bins"}),
    "top_k_accuracy": frozenset({"k"}),
    "ndcg": frozenset({"k"}),
    "mrr": frozenset({"k"}),
    "map": frozenset({"k"}),
}
"""Named arguments that a metric knows."""


def known() -> list[str]:
    """Return every name that may stand after ``candidate.``, for suggestions.

    >>> "roc_auc" in known(), "f1_macro" in known()
    (True, True)
    """
    return sorted({*METRICS, *ALIASES, *SKLEARN})
