"""The whole loop on one page: which event is answered by which action.

    trigger.fired ──► run ──► run.finished ──► judge ──► candidate.passed ──► register
                                                    └──► candidate.refused      │
       champion.changed ◄── rollout ◄── deploy ◄── version.registered ◄─────────┘

Each action takes the event that asks for it, does its work through one station, appends what
happened (with that event as its cause) and returns it; `Loop.follow` goes on until nobody answers.
An action may be repeated: what is done already is found and not done again, so after a crash the
next command carries on from the journal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock import gates, judgements, pipeline
from penstock.assembly import STATE, Project
from penstock.domain.event import Event, EventType
from penstock.domain.rollout import RolloutPhase
from penstock.domain.run import Candidate, Run
from penstock.domain.version import ModelVersion
from penstock.errors import PenstockError, StateError
from penstock.journal import RunRecorder, exclusive, record_judgement
from penstock.walk import Walk, Wishes


class Loop:
    """Walks the loop of one project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.journal = project.journal

    def walk(self, wishes: Wishes, listener: pipeline.Listener | None = None) -> Walk:
        """Run the pipeline, then follow what comes of it as far as is wished."""
        walk = Walk(wishes, self.project.root)
        self.follow(walk, self._run(walk, listener))
        return walk

    def deploy(self, version: str | None, wishes: Wishes) -> Walk:
        """Roll out a version, by default the newest one."""
        walk = Walk(replace(wishes, deploy=True), self.project.root)
        walk.version = self.project.version(version)
        record = self.journal.get("version", _name(walk.version))
        event_id = record.value.get("event", 0) if record else 0
        self.follow(walk, Event(EventType.VERSION_REGISTERED, _name(walk.version), id=event_id))
        return walk

    def judge_newest(self) -> Walk:
        """Ask the gates about the newest run's candidate; what was judged before is recalled."""
        walk = Walk(Wishes(reason="judged again"), self.project.root)
        walk.run = self.project.newest_run()
        self.follow(walk, Event(EventType.RUN_FINISHED, walk.run.id))
        return walk

    def roll_back(self, version: str | None, wishes: Wishes) -> Walk:
        """Return traffic, alias and release tag to a version, by default the previous champion.

        Raises:
            StateError: ``loop.no-previous`` when there is nothing to return to.
        """
        walk = Walk(wishes, self.project.root, returning=True)
        controller = self.project.controller()
        active = controller.active()
        if active is not None and active.phase is not RolloutPhase.PROBATION and version is None:
            controller.abort(active.id, wishes.reason)
            walk.rollout = self._see_through(controller, active.id, wishes)
            return walk
        walk.version = (
            self.project.recorded_version(version) if version else self.project.previous()
        )
        if walk.version is None:
            raise StateError(
                f"{self.project.model} has no previous champion to return to",
                code="loop.no-previous",
                hint="name a version: `penstock rollback --to N`; `penstock history` shows them",
            )
        bundle = self.project.bundle(walk.version)
        champion = self.project.holder()
        holder = self.project.bundle(champion) if champion else None
        rollout_id = controller.rollback(bundle, wishes.reason, champion=holder)
        walk.rollout = self._see_through(controller, rollout_id, wishes)
        return walk

    def _see_through(self, controller: Any, rollout_id: str, wishes: Wishes) -> dict[str, Any]:
        """Return how a return ended; for who does not wait, it goes on in the background."""
        if wishes.wait:
            try:
                state = controller.run_until(rollout_id, "ended", listener=wishes.listener)
            except KeyboardInterrupt:
                self.project.drive_in_background(rollout_id)
                raise
        else:
            state = controller.step(rollout_id)
            if not state.phase.ended:
                self.project.drive_in_background(rollout_id)
        found: dict[str, Any] = state.to_dict()
        return found

    def follow(self, walk: Walk, event: Event | None) -> None:
        """Answer an event, and what the answer brings, until nobody answers."""
        while event is not None and (answer := ANSWERS.get(event.type)) is not None:
            event = answer(self, walk, event)

    def _run(self, walk: Walk, listener: pipeline.Listener | None) -> Event | None:
        wishes, root = walk.wishes, self.project.root
        gates.check_conditions(self.project.settings.gates, self.journal)
        commit = wishes.commit
        revision = pipeline.revision_of(root, commit) if commit else pipeline.revision(root)
        started = Run(pipeline.new_run_id(), revision, started=time.time())
        recorder = RunRecorder(self.journal, started, wishes.reason, cause=wishes.cause)

        def listen(progress: pipeline.Progress) -> None:
            if progress.kind == "stage-started":
                recorder.begin()
            elif progress.kind == "stage-finished" and progress.stage_run is not None:
                recorder.stage_finished(progress.stage_run)
            if listener is not None:
                listener(progress)

        names = ("targets", "jobs", "force", "keep_going", "executor", "pull", "push")
        how: dict[str, Any] = {name: getattr(wishes, name) for name in names}
        model = self.project.settings.model
        promised = {"model.path": model.path, "model.test_data": model.test_data}
        how |= {"listener": listen, "journal": self.journal, "run_id": started.id}
        how |= {"promised": promised, "needed": tuple(promised.values()) if wishes.pull else None}
        if commit is None:
            hooks = self.project.stage_tests(root)
            walk.run = pipeline.execute(root, revision=revision, hooks=hooks, **how)
        else:
            hooks_at = self.project.stage_tests
            walk.run, walk.base = pipeline.run_commit(root, commit, hooks_at=hooks_at, **how)
        walk.new = recorder.began or walk.failed
        if not walk.new and (
            known := judgements.recall(
                self.project, walk, self.project.candidate(walk.run, walk.base)
            )
        ):
            return known
        return recorder.finish(walk.run)

    def _judge(self, walk: Walk, event: Event) -> Event | None:
        assert walk.run is not None
        if walk.failed:
            return None
        if walk.wishes.targets:
            walk.note = "only some stages were asked for: nothing was judged"
            return None
        candidate = self.project.candidate(walk.run, walk.base)
        with exclusive(self.project.root / STATE / "judging.lock"):
            # Two commands at once judge once: who comes second finds what the first has found.
            known = judgements.recall(self.project, walk, candidate)
            return known or self._ask_gates(walk, candidate, event)

    def _ask_gates(self, walk: Walk, candidate: Candidate, event: Event) -> Event:
        assert walk.run is not None
        walk.candidate, walk.new = candidate, True
        champion = self.project.champion()
        judgement = self.project.judge(candidate, champion, walk.base)
        walk.verdicts = judgement.verdicts
        return record_judgement(
            self.journal,
            candidate,
            judgement.verdicts,
            key=judgements.key(self.project, walk.run, walk.base, candidate),
            champion=champion.version if champion else None,
            curves=judgement.curves,
            cause=event.id or None,
        )

    def _register(self, walk: Walk, event: Event) -> Event | None:
        with exclusive(self.project.root / STATE / "registering.lock"):
            return self._register_once(walk, event)

    def _register_once(self, walk: Walk, event: Event) -> Event | None:
        assert walk.run is not None
        assert walk.candidate is not None
        record = self.journal.get("judgement", walk.candidate.run_id)
        if record is not None and "version" in record.value:
            walk.version = self.project.recorded_version(str(record.value["version"]))
            return Event(
                EventType.VERSION_REGISTERED, _name(walk.version), id=record.value["registered"]
            )
        if walk.run.revision.dirty and not walk.wishes.allow_dirty:
            walk.note = (
                "not registered: the model comes from changes that no commit holds; commit them "
                "and run again (nothing is computed twice), or use --allow-dirty"
            )
            self._keep(walk, event)
            return None
        registry = self.project.registry
        packaged = self.project.packaged(walk.candidate, walk.base)
        against = str(record.value["champion"] or "") if record else ""
        walk.version = registry.register(packaged, walk.run, walk.verdicts, against=against)
        walk.new = True
        with self.journal.transaction() as tx:
            data = {"version": walk.version.version, "run_id": walk.run.id}
            registered = tx.append(
                Event(
                    EventType.VERSION_REGISTERED, _name(walk.version), data, cause=event.id or None
                )
            )
            value = {**walk.version.to_dict(), "event": registered.id}
            tx.put("version", _name(walk.version), value)
            if record is not None:
                known = {"version": walk.version.version, "registered": registered.id}
                tx.put("judgement", walk.candidate.run_id, {**record.value, **known})
                tx.put("judged", self._registered_key(walk), {"run_id": walk.candidate.run_id})
        self._remember(walk.version, packaged, walk)
        return registered

    def _remember(self, version: ModelVersion, packaged: Candidate, walk: Walk) -> None:
        """Keep what is normal for a version: live data will be held against it."""
        from penstock.references import keep

        project, client = self.project, self.project.registry.client
        model, root = Path(packaged.path), project.root
        keep(version, model, walk.base, root, project.settings, self.journal, client)

    def _keep(self, walk: Walk, event: Event) -> None:
        judgements.keep(self.project, walk, event)

    def _registered_key(self, walk: Walk) -> str:
        assert walk.run is not None
        assert walk.candidate is not None
        return judgements.key(
            self.project, walk.run, walk.base, walk.candidate, against=judgements.REGISTERED
        )

    def _deploy(self, walk: Walk, event: Event) -> Event | None:
        assert walk.version is not None
        if not walk.wishes.deploy:
            return None

        controller = self.project.controller()
        mine = self._under_way(walk, controller)
        champion = self.project.champion()
        if champion is not None and champion.version == walk.version.version and not mine:
            walk.note = f"version {champion.version} is the champion already"
            self.project.serve()
            return None
        if walk.run is not None and not walk.new and not mine and self._went_back(walk):
            return None
        challenger = self.project.bundle(walk.version)
        holder = self.project.bundle(champion) if champion else None
        rollout_id = controller.start(
            self.project.settings.rollout, holder, challenger, cause=event.id or None
        )
        walk.new = True
        if walk.wishes.wait:
            try:
                state = controller.run_until(rollout_id, "paused", listener=walk.wishes.listener)
            except (KeyboardInterrupt, PenstockError):
                # Who stops waiting does not want a challenger that nobody watches.
                if controller.active() is not None:
                    self.project.drive_in_background(rollout_id)
                raise
        else:
            state = controller.step(rollout_id)
        walk.rollout = state.to_dict()
        if not state.phase.ended:
            self.project.drive_in_background(rollout_id)
        return None

    def _under_way(self, walk: Walk, controller: Any) -> bool:
        """See another version's rollout through first; say whether this version's is under way."""
        assert walk.version is not None
        active = controller.active()
        if active is None or active.challenger.version == str(walk.version.version):
            return active is not None
        if active.phase is not RolloutPhase.PROBATION and walk.wishes.wait:
            active = controller.run_until(active.id, "paused", listener=walk.wishes.listener)
        if active.phase is RolloutPhase.PROBATION:
            controller.promote(active.id, f"version {walk.version.version} is to be rolled out")
        return False

    def _went_back(self, walk: Walk) -> bool:
        """Whether a run in which nothing was new would repeat a rollout that was taken back."""
        assert walk.version is not None
        number = str(walk.version.version)
        for record in self.journal.records("rollout"):
            if record.value["challenger"]["version"] == number:
                value = record.value
                if value["phase"] != RolloutPhase.ROLLED_BACK or value["operation"] == "rollback":
                    return False
                walk.rollout = record.value
                walk.note = (
                    f"version {number} was rolled back, and nothing has changed since; "
                    f"`penstock deploy {number}` tries it again"
                )
                return True
        return False


ANSWERS: Mapping[EventType, Callable[[Loop, Walk, Event], Event | None]] = {
    EventType.RUN_FINISHED: Loop._judge,
    EventType.CANDIDATE_PASSED: Loop._register,
    EventType.CANDIDATE_REFUSED: Loop._keep,
    EventType.VERSION_REGISTERED: Loop._deploy,
}
"""The order of the loop. What is not here ends a walk, as a refused candidate does."""


def _name(version: ModelVersion) -> str:
    return f"{version.model}/{version.version}"
