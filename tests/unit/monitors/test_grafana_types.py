"""The dashboard is built by the types that Grafana generates from its own schema."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import (
    bargauge,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
    units,
)
from grafana_foundation_sdk.models.dashboard import Dashboard, RowPanel

from penstock.monitors.exports import dashboard as built
from penstock.monitors.exports.grafana import dashboard

OF_THE_DATA_SOURCE = {"titleFormat", "textFormat", "useValueForTime"}
"""What the Prometheus data source reads and the dashboard's schema of 10.1 does not know."""
OPTIONS = {
    "stat": stat.Options,
    "timeseries": timeseries.Options,
    "bargauge": bargauge.Options,
    "table": table.Options,
    "state-timeline": statetimeline.Options,
}


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


def panels():
    return [one for one in dashboard("mini")["panels"] if one["type"] != "row"]


def test_the_dashboard_that_users_get_is_the_one_that_is_built():
    assert built.PLACE.read_text(encoding="utf-8") == built.text(), (
        "build it anew: python -m penstock.monitors.exports.dashboard"
    )


def test_it_is_read_without_the_types_that_built_it():
    code = (
        "import sys; from penstock.monitors.exports.grafana import dashboard; dashboard('m');"
        "assert not [one for one in sys.modules if one.startswith('grafana_foundation_sdk')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_grafanas_own_types_know_every_field():
    register_default_plugins()
    made = dashboard("mini")
    read = Dashboard.from_json(json.loads(json.dumps(made)))
    again = json.loads(JSONEncoder().encode(read))
    assert {one.rpartition("/")[2] for one in lost(made, again)} == OF_THE_DATA_SOURCE
    shown = [one for one in read.panels if not isinstance(one, RowPanel)]
    assert {type(one) for panel in shown for one in panel.targets} == {prometheus.Dataquery}
    assert {type(panel.options) for panel in shown} == set(OPTIONS.values())
    assert all(type(panel.options) is OPTIONS[panel.type_val] for panel in shown)


def test_a_field_that_grafana_does_not_know_is_found():
    register_default_plugins()
    made = dashboard("mini")
    made["panels"][0]["unheard_of"] = 1
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(made)))
    assert "/panels/0/unheard_of" in set(lost(made, again))


def test_units_are_grafanas():
    known = {value for value in vars(units).values() if isinstance(value, str)}
    used = {one["fieldConfig"]["defaults"]["unit"] for one in panels()}
    used |= {
        change["value"]
        for one in panels()
        for rule in one["fieldConfig"]["overrides"]
        for change in rule["properties"]
        if change["id"] == "unit"
    }
    assert used - known == set()


@pytest.mark.parametrize("panel", panels(), ids=lambda one: one["title"])
def test_every_panel_says_what_it_shows_and_what_emptiness_means(panel):
    assert panel["description"][-1] in ".?"
    assert panel["fieldConfig"]["defaults"]["noValue"]
    assert panel["targets"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}


def test_panels_and_rows_have_numbers_of_their_own():
    numbers = [one["id"] for one in dashboard("mini")["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_each_model_has_a_dashboard_of_its_own():
    one, other = dashboard("team/flight-delay"), dashboard("mini")
    assert one["uid"] == "penstock-team-flight-delay"
    assert one["title"] == "Penstock: team/flight-delay"
    assert other["uid"] != one["uid"]
    assert len(dashboard("m" * 100)["uid"]) <= 40
    chosen = {each["name"]: each.get("current") for each in one["templating"]["list"]}
    assert chosen["model"]["value"] == "team/flight-delay"


def test_the_dashboard_is_in_the_wheel(tmp_path):
    root = Path(__file__).parents[3]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=root, check=True, capture_output=True, env=os.environ,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        assert "penstock/monitors/exports/dashboard.json" in opened.namelist()
