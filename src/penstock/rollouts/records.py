"""What the journal knows of rollouts: one record each, and one of what an environment serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from penstock.domain.event import Event, EventType
from penstock.domain.rollout import RolloutPhase
from penstock.domain.version import Bundle
from penstock.errors import StateError
from penstock.journal import Journal, Transaction
from penstock.rollouts.state import Effect, Record, RolloutState
from penstock.rollouts.strategy import table_of

ROLLOUT = "rollout"
"""Kind of the record of one rollout: `RolloutState.to_dict`."""
DEPLOYMENT = "deployment"
"""Kind of the record of an environment: its champion, the rollout under way, generations."""


class Records:
    """Rollouts of one environment in the journal.

    Args:
        journal: where they are.
        environment: name of what is served.
    """

    def __init__(self, journal: Journal, environment: str) -> None:
        self._journal = journal
        self._environment = environment

    def read(self, rollout_id: str) -> tuple[RolloutState, int]:
        """Return a rollout and the generation of its record.

        Raises:
            StateError: ``rollout.not-found``.
        """
        record = self._journal.get(ROLLOUT, rollout_id)
        if record is None:
            raise StateError(
                f"there is no rollout {rollout_id}",
                code="rollout.not-found",
                hint="`penstock rollout status` shows the newest one",
            )
        return RolloutState.from_dict(record.value), record.generation

    def active(self) -> RolloutState | None:
        """Return the rollout under way, None for none."""
        id = str(self._deployment().get("rollout", ""))
        state = self.read(id)[0] if id else None
        return None if state is None or state.phase.ended else state

    def champion(self) -> Bundle | None:
        """Return what the last rollout left in charge, None when there was none."""
        champion = self._deployment().get("champion")
        return Bundle.from_dict(champion) if champion else None

    def begin(self, state: RolloutState) -> str:
        """Write a new rollout and return its id.

        Args:
            state: without id; its generation is the target's, the new one will be above it.
        """
        with self._journal.transaction() as tx:
            record = tx.get(DEPLOYMENT, self._environment)
            value = dict(record.value) if record else {}
            number = int(value.get("rollouts", 0)) + 1
            generation = max(int(value.get("generation", 0)), state.generation) + 1
            state = replace(state, id=f"{state.operation}-{number}", generation=generation)
            data = {
                "from": state.champion.version if state.champion else None,
                "to": state.challenger.version,
                "operation": state.operation,
                "reason": state.reason,
                "words": state.words,
            }
            event = tx.append(Event(EventType.ROLLOUT_STARTED, state.id, data, state.cause))
            state = replace(state, event=event.id)
            tx.put(ROLLOUT, state.id, state.to_dict(), expected=0)
            value |= {"rollout": state.id, "rollouts": number, "generation": generation}
            tx.put(DEPLOYMENT, self._environment, value)
        return state.id

    def write(
        self, state: RolloutState, effects: Sequence[Effect], generation: int
    ) -> tuple[RolloutState, int]:
        """Write state and events in one transaction, before anything is done to the world.

        Args:
            state: to be written.
            effects: those that are a `Record` are appended as events, each caused by the one
                before.
            generation: of the record that the caller read; the fence.

        Returns:
            The state with the id of its last event, and the record's new generation.

        Raises:
            StateError: ``journal.conflict`` when another process wrote it meanwhile.
        """
        with self._journal.transaction() as tx:
            for effect in effects:
                if isinstance(effect, Record):
                    cause = state.event or state.cause
                    subject = effect.subject or state.id
                    event = tx.append(Event(effect.type, subject, effect.data, cause))
                    state = replace(state, event=event.id)
            generation = tx.put(ROLLOUT, state.id, state.to_dict(), expected=generation)
            self._put_deployment(tx, state)
        return state, generation

    def _deployment(self) -> dict[str, Any]:
        record = self._journal.get(DEPLOYMENT, self._environment)
        return record.value if record else {}

    def _put_deployment(self, tx: Transaction, state: RolloutState) -> None:
        record = tx.get(DEPLOYMENT, self._environment)
        value: dict[str, Any] = dict(record.value) if record else {}
        changed = {**value, "generation": max(int(value.get("generation", 0)), state.generation)}
        if state.phase.ended:
            changed["rollout"] = ""
        if state.phase.ended or state.phase is RolloutPhase.PROBATION:
            version = table_of(state).champion
            bundles = (state.champion, state.challenger)
            kept = next((one for one in bundles if one and one.version == version), None)
            changed["champion"] = kept.to_dict() if kept else None
        if changed != value:
            tx.put(DEPLOYMENT, self._environment, changed)
