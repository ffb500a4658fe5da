"""The dashboard goes through the types that Grafana generates from its own schema, unchanged."""

import json
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models import prometheus, stat, timeseries
    from grafana_foundation_sdk.models.dashboard import Dashboard

from penstock.monitors.exports.grafana import dashboard

OF_THE_DATA_SOURCE = {"/annotations/list/0/titleFormat"}
"""What the Prometheus data source reads and the dashboard's schema does not know."""


def lost(before, after, place=""):
    """Yield where something that we wrote is gone or was changed."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            here = f"{place}/{name}"
            yield from lost(value, after[name], here) if name in after else [here]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from lost(*pair, f"{place}/{index}")
    elif before != after:
        yield place


def test_grafanas_own_types_know_every_field():
    register_default_plugins()
    made = dashboard("mini")
    read = Dashboard.from_json(json.loads(json.dumps(made)))
    again = json.loads(JSONEncoder().encode(read))
    assert set(lost(made, again)) == OF_THE_DATA_SOURCE
    assert {type(one) for panel in read.panels for one in panel.targets} == {prometheus.Dataquery}
    assert {type(panel.options) for panel in read.panels} == {stat.Options, timeseries.Options}


def test_a_field_that_grafana_does_not_know_is_found():
    register_default_plugins()
    made = dashboard("mini")
    made["panels"][0]["unheard_of"] = 1
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(made)))
    assert "/panels/0/unheard_of" in set(lost(made, again))
