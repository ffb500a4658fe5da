"""Monitors and notifiers are found by name; penstock's own take the exam of all others."""

import pytest

from penstock import plugins
from penstock.config.settings import NotifierSettings
from penstock.errors import PluginError
from penstock.monitors import unknown
from penstock.testing.monitors import MonitorExam


class TestDrift(MonitorExam):
    @pytest.fixture
    def factory(self):
        return plugins.load("penstock.monitors", "drift")


class TestData(MonitorExam):
    @pytest.fixture
    def factory(self):
        return plugins.load("penstock.monitors", "data")


def test_our_own_parts_are_registered_as_others_are():
    assert set(plugins.names("penstock.monitors")) >= {"drift", "data"}
    assert set(plugins.names("penstock.notifiers")) >= {"log", "webhook", "slack", "email"}


def test_a_further_monitor_judges_and_alerts(world):
    world.configure(more=("data",))  # any monitor by its name; this one is at hand
    world.champion("1")
    world.traffic(1001, change=lambda table: table.assign(age=None))
    verdicts = world.look()
    assert [one for one in verdicts if one.name == "columns"][1].outcome == "failed"
    assert "data: columns" in world.watcher().state().alerts


def test_a_name_that_nobody_provides(world):
    world.configure(notify=(NotifierSettings("slak", "x"),))
    with pytest.raises(PluginError, match="slak") as refused:
        unknown.refuse(world.root, world.settings, world.journal)
    assert refused.value.hint == "did you mean `slack`?"
