"""Settings of a project: penstock.yaml, checked, with every problem at once and its place."""

from penstock.config.load import FILE, check, find_project, json_schema, load_settings, place_of
from penstock.config.settings import (
    ConditionSetting,
    DataGateSettings,
    DriftSettings,
    EnvironmentSettings,
    GateSettings,
    ModelSettings,
    MonitorSettings,
    NotifierSettings,
    QualitySettings,
    RegistrySettings,
    RetrainSettings,
    SearchSettings,
    Settings,
    StageTestSetting,
)
from penstock.config.settings_serve import ServeSettings

__all__ = [
    "FILE",
    "ConditionSetting",
    "DataGateSettings",
    "DriftSettings",
    "EnvironmentSettings",
    "GateSettings",
    "ModelSettings",
    "MonitorSettings",
    "NotifierSettings",
    "QualitySettings",
    "RegistrySettings",
    "RetrainSettings",
    "SearchSettings",
    "ServeSettings",
    "Settings",
    "StageTestSetting",
    "check",
    "find_project",
    "json_schema",
    "load_settings",
    "place_of",
]
