"""Keeps settings that were found valid, under the digest of the files that they were made from."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from penstock.config import settings as shapes
from penstock.config.naming import shown
from penstock.config.settings import Settings
from penstock.config.settings_serve import (
    BreakerSettings,
    CheckSettings,
    FieldLimit,
    ServeSettings,
)
from penstock.domain.rollout import Strategy
from penstock.errors import Span

FORMAT = 4
"""Raised whenever the shape of settings changes."""
_FILE = "settings.json"
_SPAN_FILE = "penstock.yaml"


def load(root: Path, key: str) -> Settings | None:
    """Return the settings kept under a digest, None when there are none that can be read."""
    try:
        kept = json.loads((root / ".penstock" / _FILE).read_bytes())
        if kept["format"] != FORMAT or kept["key"] != key:
            return None
        return _settings(kept["settings"], root)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not kept, or by another version: read the files again


def save(root: Path, key: str, settings: Settings) -> None:
    """Keep settings; where nothing can be kept, nothing is lost but time."""
    directory = root / ".penstock"
    kept = {"format": FORMAT, "key": key, "settings": settings.to_dict()}
    fresh = directory / f"{_FILE}.{os.getpid()}"
    try:
        directory.mkdir(exist_ok=True)
        if not (directory / ".gitignore").exists():
            (directory / ".gitignore").write_text("*\n", encoding="ascii")
        fresh.write_text(json.dumps(kept), encoding="utf-8")
        fresh.replace(directory / _FILE)
    except (OSError, TypeError, ValueError):
        with contextlib.suppress(OSError):
            fresh.unlink()


def _settings(item: dict[str, Any], root: Path) -> Settings:
    file = shown(root / _SPAN_FILE)
    gates, retrain, monitor = item["gates"], item["retrain"], item["monitor"]
    conditions = tuple(
        shapes.ConditionSetting(**{**one, "span": _span(one["span"], file)})
        for one in gates["conditions"]
    )
    tests = tuple(
        shapes.StageTestSetting(**_tuples({**one, "span": _span(one["span"], file)}))
        for one in item["tests"]
    )
    notify = tuple(shapes.NotifierSettings(**one) for one in monitor["notify"])
    return Settings(
        root=root,
        model=shapes.ModelSettings(**_tuples(item["model"])),
        tests=tests,
        gates=shapes.GateSettings(
            **_tuples(gates)
            | {"conditions": conditions, "data": shapes.DataGateSettings(**gates["data"])}
        ),
        serve=_serve(item["serve"]),
        rollout=Strategy.from_dict(item["rollout"]),
        registry=shapes.RegistrySettings(**item["registry"]),
        monitor=shapes.MonitorSettings(
            **_tuples(monitor)
            | {
                "drift": shapes.DriftSettings(**_tuples(monitor["drift"])),
                "quality": shapes.QualitySettings(**monitor["quality"]),
                "notify": notify,
            }
        ),
        retrain=shapes.RetrainSettings(
            **_tuples(retrain) | {"search": shapes.SearchSettings(**retrain["search"])}
        ),
        environments={name: _environment(one) for name, one in item["environments"].items()},
    )


def _serve(item: dict[str, Any]) -> ServeSettings:
    checks = item["checks"]
    fields = {name: FieldLimit(**_tuples(one)) for name, one in checks["fields"].items()}
    breaker = BreakerSettings(**checks["breaker"])
    made = CheckSettings(**_tuples(checks) | {"fields": fields, "breaker": breaker})
    return ServeSettings(**_tuples(item) | {"checks": made})


def _environment(item: dict[str, Any]) -> shapes.EnvironmentSettings:
    return shapes.EnvironmentSettings(
        item["name"], _serve(item["serve"]), Strategy.from_dict(item["rollout"])
    )


def _span(item: dict[str, Any] | None, file: str) -> Span | None:
    return None if item is None else Span(**{**item, "file": file})


def _tuples(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item with its lists as tuples, as the settings have them."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
