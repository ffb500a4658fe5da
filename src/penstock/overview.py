"""What is true now of a project: asked of the registry, the gateway and Git, not remembered."""

from __future__ import annotations

import time
from typing import Any

from penstock import pipeline
from penstock.assembly import Project
from penstock.domain.rollout import RolloutPhase
from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.domain.version import ModelVersion
from penstock.errors import PenstockError, UnavailableError

_STALE = 15.0
"""Seconds after which a rollout that nobody has looked at stands still."""


def status(project: Project) -> dict[str, Any]:
    """Return champion, traffic, rollout and last run as plain values.

    ``warnings`` names whatever does not agree, with the remedy. While the registry cannot be
    reached, versions are as the journal has them.
    """
    silent: UnavailableError | None = None
    try:
        versions, champion = project.registry.versions(project.model), project.champion()
    except UnavailableError as error:
        (versions, champion), silent = _recorded(project), error
    previous = project.previous() if champion is not None or silent is None else None
    observed = project.observe()
    table = project.wanted_table()
    state: dict[str, Any] = {
        "model": project.model,
        "root": str(project.root),
        "revision": _revision(project),
        "champion": _version(champion),
        "previous": _version(previous),
        "newest": _version(versions[0] if versions else None),
        "versions": len(versions),
        "traffic": _traffic(observed, table),
        "rollout": _rollout(project),
        "run": _run(project),
    }
    state["warnings"] = _warnings(state, champion, table)
    if silent is not None:
        told = f"versions are as the journal has them: {silent.message}"
        state["warnings"].append({"message": told, "hint": silent.hint or ""})
    return state


def _recorded(project: Project) -> tuple[list[ModelVersion], ModelVersion | None]:
    """Return the versions, newest first, and the champion, as the journal has them."""
    names = [one.id.partition("/") for one in project.journal.records("version")]
    numbers = sorted((int(n) for model, _, n in names if model == project.model), reverse=True)
    holder = project.champion_number()
    versions = [project.recorded_version(str(number)) for number in numbers]
    return versions, project.recorded_version(holder) if holder else None


def _revision(project: Project) -> str:
    try:
        return pipeline.revision(project.root).short
    except PenstockError as error:
        return f"unknown: {error.message}"


def _version(version: ModelVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    names = ("version", "digest", "run_id", "commit", "created")
    return {name: getattr(version, name) for name in names}


def _traffic(observed: TargetStatus, table: TrafficTable | None) -> dict[str, Any]:
    split: dict[str, float] = {}
    if table is not None and table.champion is not None:
        split[table.champion] = 100.0 - table.weight
        if table.challenger is not None and table.weight:
            split[table.challenger] = table.weight
    answered = [one for one in observed.counters if one.role != "shadow"]
    return {
        "running": observed.running,
        "url": observed.url,
        "split": split,
        "shadow": table.challenger if table is not None and table.shadow else None,
        "ready": sorted(observed.ready),
        "failed": observed.failed,
        "generation": observed.generation,
        "requests": sum(one.requests for one in answered),
        "errors": sum(one.errors for one in answered),
    }


def _rollout(project: Project) -> dict[str, Any] | None:
    for record in project.journal.records("rollout", limit=1):
        value = record.value
        return {
            "id": record.id,
            "version": value["challenger"]["version"],
            "phase": value["phase"],
            "ended": RolloutPhase(value["phase"]).ended,
            "weight": value["weight"],
            "watched": time.time() - value["updated"]
            < max(_STALE, 10 * value["strategy"]["interval"]),
            "words": value["reason"] or value["words"],
        }
    return None


def _run(project: Project) -> dict[str, Any] | None:
    for record in project.journal.records("run", limit=1):
        value = record.value
        judgement = project.journal.get("judgement", record.id)
        return {
            "id": record.id,
            "outcome": value["outcome"],
            "revision": value["revision"]["commit"][:10]
            + ("+" if value["revision"]["dirty"] else ""),
            "candidate": judgement.value["outcome"] if judgement else None,
            "version": judgement.value.get("version") if judgement else None,
        }
    return None


def _warnings(
    state: dict[str, Any],
    champion: ModelVersion | None,
    table: TrafficTable | None,
) -> list[dict[str, str]]:
    found = []
    run = state["run"]
    if run is not None and run["outcome"] == "running":
        found.append(
            {
                "message": f"run {run['id']} has not ended: it is under way, or it was killed",
                "hint": "`penstock run` waits for it, or carries on from the stages it finished",
            }
        )
    if run is not None and run["candidate"] == "passed" and run["version"] is None:
        found.append(
            {
                "message": f"the candidate of run {run['id']} passed and is not registered",
                "hint": "`penstock run` registers it; nothing is computed twice",
            }
        )
    rollout = state["rollout"]
    under_way = (
        rollout is not None
        and not rollout["ended"]
        and rollout["phase"] != RolloutPhase.PROBATION.value
    )
    if rollout is not None and under_way:
        if not rollout["watched"]:
            found.append(
                {
                    "message": f"rollout {rollout['id']} has not ended, and nobody moves it on",
                    "hint": "`penstock rollout drive` carries on; "
                    "`penstock rollback` takes it back",
                }
            )
    elif table is not None and champion is not None and table.champion != str(champion.version):
        found.append(
            {
                "message": f"the registry's champion is version {champion.version}, but version "
                f"{table.champion} has the traffic",
                "hint": f"`penstock rollback --to {champion.version}` or `penstock deploy`",
            }
        )
    return found
