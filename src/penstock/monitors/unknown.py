"""What penstock.yaml names for the monitors: found wanting before anything is looked at."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path

from penstock import plugins
from penstock.config import place_of
from penstock.config.settings import DriftSettings, Settings
from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import ConfigError, Problem
from penstock.journal import Journal
from penstock.monitors import origin
from penstock.monitors.drift import PREDICTION

_SHOWN = 6


def refuse(root: Path, settings: Settings, journal: Journal) -> None:
    """Refuse names that nobody knows.

    Features are known once the champion's reference was made.

    Raises:
        ConfigError: ``monitor.unknown-feature``, each with its place in penstock.yaml.
        PluginError: nobody provides a monitor or a notifier of this name.
    """
    for name in settings.monitor.more:
        plugins.load("penstock.monitors", name)
    for one in settings.monitor.notify:
        plugins.load("penstock.notifiers", one.kind)
    holder = origin.champion(journal)
    known = origin.features_of(journal, settings, holder.version) if holder else ()
    if known and (found := features(settings.monitor.drift, known, root)):
        raise ConfigError.of(found)


def features(
    drift: DriftSettings, known: Collection[str], root: Path | None = None
) -> list[Problem]:
    """Return a problem for each feature to watch that there is not.

    One that is not to be watched may be any other column: it is wrong only when it is all but the
    name of a feature.

    Args:
        drift: the settings.
        known: names of the features.
        root: of the project, for the places in penstock.yaml; None leaves them out.
    """
    names = sorted({*known, PREDICTION})
    found = []
    for key, cutoff in (("features", 0.6), ("exclude", 0.85)):
        for index, name in enumerate(getattr(drift, key)):
            near = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
            if name in names or (key == "exclude" and not near):
                continue
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            every = ", ".join(names[:_SHOWN]) + more
            found.append(
                Problem(
                    "monitor.unknown-feature",
                    f"monitor.drift.{key}: the champion has no feature {name!r}",
                    None if root is None else place_of(root, "monitor", "drift", key, index),
                    hint=f"did you mean `{near[0]}`?" if near else f"it has {every}",
                )
            )
    return found


def said(problems: list[Problem]) -> tuple[Verdict, ...]:
    """Return problems as a verdict, for a watch that goes on all the same."""
    return tuple(
        Verdict(
            "drift settings", Outcome.ERROR, one.message, kind="drift", blocking=False,
            hint=one.hint,
        )
        for one in problems
    )  # fmt: skip
