"""Continuous integration and delivery for machine-learning models: one loop.

        ┌──────────── triggers ◄───────────────────────── monitors ◄─────────────┐
        │ commit, data, schedule, drift       verdict on live data               │
        ▼                                                                        │
     pipeline ──► gates ──► registry ──► packaging ──► rollouts ──► gateway ──► observations
      a run      a verdict   a version     a bundle    a weight     traffic        ▲
      and its                                             ▲            │           │
      candidate                                           └─ analysis ◄┼───────────┤
                                                                       ▼           │
                                                                    serving ───────┘

Each station is a folder; stations pass the nouns of `penstock.domain` and never import each other;
`penstock.loop` alone knows their order. What this module exports is the public interface: it is
imported when it is used, so that `import penstock` costs nothing.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "ConfigError": "errors",
    "ExitCode": "errors",
    "PenstockError": "errors",
    "PluginError": "errors",
    "Problem": "errors",
    "Span": "errors",
    "StageError": "errors",
    "StateError": "errors",
    "UnavailableError": "errors",
    "UsageError": "errors",
    "Artifact": "domain.artifact",
    "Bundle": "domain.version",
    "Candidate": "domain.run",
    "Event": "domain.event",
    "Evidence": "domain.verdict",
    "ModelVersion": "domain.version",
    "Outcome": "domain.verdict",
    "Revision": "domain.revision",
    "Run": "domain.run",
    "StageRun": "domain.run",
    "Strategy": "domain.rollout",
    "TrafficTable": "domain.traffic",
    "Verdict": "domain.verdict",
    "Journal": "journal",
    "Settings": "config",
    "find_project": "config",
    "json_schema": "config",
    "load_settings": "config",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - the table above is the list


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("penstock")
    if name in _PUBLIC:
        return getattr(import_module(f"penstock.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'penstock' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
