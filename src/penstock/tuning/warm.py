"""Warm starts: what earlier studies of the same objectives know guides a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.tuning.choice import winner
from penstock.tuning.space import Objective, Parameter
from penstock.tuning.studies import optuna

OBJECTIVES = "penstock.objectives"
SPENT = "penstock.seconds"
WARM = "penstock.from"
LOST = "penstock.interrupted"
MOST = 100
"""Trials of earlier studies that are taken over; the newest are."""


def distribution(parameter: Parameter) -> Any:
    """Return a parameter's range as Optuna's."""
    made = optuna().distributions
    if parameter.choices:
        return made.CategoricalDistribution(parameter.choices)
    assert parameter.low is not None
    assert parameter.high is not None
    if parameter.integer:
        low, high = int(parameter.low), int(parameter.high)
        return made.IntDistribution(low, high, log=parameter.log)
    return made.FloatDistribution(float(parameter.low), float(parameter.high), log=parameter.log)


def own(study: Any) -> list[Any]:
    """Return the trials that count in a study's budget: run here, and to their end."""
    states = optuna().trial.TrialState
    ended = (states.COMPLETE, states.PRUNED, states.FAIL)
    return [
        trial
        for trial in study.get_trials(deepcopy=False, states=ended)
        if WARM not in trial.user_attrs and LOST not in trial.user_attrs
    ]


def start(
    study: Any, storage: Any, space: Mapping[str, Parameter], objectives: Sequence[Objective]
) -> None:
    """Add what earlier studies measured to a new study, once.

    Their values come from other data, so they guide the sampler and can never win.
    """
    if study.get_trials(deepcopy=False):
        return
    library = optuna()
    distributions = {key: distribution(one) for key, one in space.items()}
    made = [
        library.trial.create_trial(
            params=trial.params,
            distributions=distributions,
            values=trial.values,
            user_attrs={WARM: name},
        )
        for name, trial in _earlier(storage, study.study_name, space, objectives)[-MOST:]
    ]
    study.add_trials(made)


def best(
    storage: Any, name: str, space: Mapping[str, Parameter], objectives: Sequence[Objective]
) -> list[dict[str, Any]]:
    """Return the best parameters of the newest earlier study, in a list of one, or of none."""
    found = _earlier(storage, name, space, objectives)
    last = [trial for study, trial in found if study == found[-1][0]]
    place = winner([tuple(trial.values) for trial in last], objectives)
    return [] if place is None else [dict(last[place].params)]


def _earlier(
    storage: Any, name: str, space: Mapping[str, Parameter], objectives: Sequence[Objective]
) -> list[tuple[str, Any]]:
    library = optuna()
    states = library.trial.TrialState
    wanted = [one.name for one in objectives]
    ways = [getattr(library.study.StudyDirection, one.direction.upper()) for one in objectives]
    found = []
    for frozen in storage.get_all_studies():
        same = frozen.user_attrs.get(OBJECTIVES) == wanted and list(frozen.directions) == ways
        if frozen.study_name == name or not same:
            continue
        trials = storage.get_all_trials(frozen._study_id, deepcopy=False, states=(states.COMPLETE,))
        found += [
            (frozen.study_name, trial)
            for trial in trials
            if WARM not in trial.user_attrs
            and set(trial.params) == set(space)
            and all(space[key].holds(value) for key, value in trial.params.items())
        ]
    return found
