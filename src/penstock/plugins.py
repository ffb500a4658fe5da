"""Finds extensions by entry point, by name, without importing one before it is used.

Each kind of extension is a group of entry points; penstock's own parts are registered in the same
way as other people's. In the pyproject.toml of an extension:

    [project.entry-points."penstock.runtimes"]
    keras = "my_package.runtimes:KerasRuntime"
"""

from __future__ import annotations

import difflib
import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from penstock.errors import PluginError

GROUPS: dict[str, str] = {
    "penstock.executors": "where stages run",
    "penstock.gates": "questions put to a candidate",
    "penstock.metrics": "numbers of a model, for conditions",
    "penstock.monitors": "verdicts on live data",
    "penstock.notifiers": "who is told of alarms",
    "penstock.runtimes": "how a kind of model answers",
    "penstock.stores": "where artifacts are kept",
    "penstock.targets": "where bundles serve",
    "penstock.triggers": "what starts a run",
}
"""Groups of entry points and what each extends."""


@functools.cache
def _found(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def names(group: str) -> tuple[str, ...]:
    """Return the names of the extensions of a group, sorted; none of them is imported."""
    return tuple(sorted(_found(group)))


def load(group: str, name: str) -> Any:
    """Import and return an extension.

    Args:
        group: one of `GROUPS`.
        name: of the extension in its group.

    Raises:
        PluginError: ``plugin.not-found``, with near names, or ``plugin.broken``, with the reason.
    """
    point = _found(group).get(name)
    kind = group.removeprefix("penstock.").removesuffix("s")
    if point is None:
        known = names(group)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known) or 'none'}"
        raise PluginError(f"no {kind} is called `{name}`", code="plugin.not-found", hint=hint)
    try:
        return point.load()
    except Exception as error:  # whatever an extension's import raises is the extension's fault
        owner = point.dist.name if point.dist is not None else point.value
        raise PluginError(
            f"the {kind} `{name}` cannot be loaded ({type(error).__name__}: {error})",
            code="plugin.broken",
            hint=f"repair or remove {owner}",
        ) from error
