"""Names of one model's data streams, so that models never share an index, a policy or a dashboard.

Elastic's naming scheme is ``logs-DATASET-NAMESPACE``; the namespace is the model.
"""

from __future__ import annotations

from hashlib import sha256

DATASETS = ("penstock.predictions", "penstock.events", "penstock.log")


def namespace(model: str) -> str:
    """Return the namespace of a model: lower case and without ``-``, which the scheme keeps.

    >>> namespace("flights"), namespace("credit-risk")
    ('flights', 'credit.risk')
    >>> namespace("team/Flights")  # what cannot be told apart otherwise gets a mark of its own
    'team.flights.28f8a2'
    """
    name = model.replace("-", ".").replace("/", ".").lower()
    if model.lower() == model and "/" not in model:
        return name
    return f"{name}.{sha256(model.encode()).hexdigest()[:6]}"


def stream(dataset: str, model: str) -> str:
    """Return the data stream of one of `DATASETS`.

    >>> stream("penstock.events", "flights")
    'logs-penstock.events-flights'
    """
    return f"logs-{dataset}-{namespace(model)}"
