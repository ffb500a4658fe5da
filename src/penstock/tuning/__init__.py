"""Tuning: parameters -> better parameters, within a budget, on validation data alone.

`Search` is the only one to speak to Optuna (the extra ``tune``); how a trial is run is the
caller's business.
"""

from penstock.tuning.coordinator import Budget, Found, Job, Measured, search
from penstock.tuning.space import Objective, Parameter, objectives, space

__all__ = [
    "Budget",
    "Found",
    "Job",
    "Measured",
    "Objective",
    "Parameter",
    "objectives",
    "search",
    "space",
]
