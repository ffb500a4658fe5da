"""Carries out what `advance` decides; may be killed anywhere and called again.

The order of every step: take the lock of the environment, read the record, observe the target,
decide, write the new state and its events in one transaction (fenced by the record's generation),
and only then act on the world. What was not done before a crash is seen to be missing and done by
the next step. One lock and one fence make two controllers as safe as one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from penstock.domain.event import Event
from penstock.domain.rollout import RolloutPhase, Strategy
from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.domain.verdict import Verdict
from penstock.domain.version import Bundle
from penstock.errors import PenstockError, StateError, UnavailableError
from penstock.journal import Journal
from penstock.rollouts.advance import advance, listens
from penstock.rollouts.interface import Clock, Registrar, Target, Truth
from penstock.rollouts.lock import Lock
from penstock.rollouts.moves import give_up, registered
from penstock.rollouts.records import Records
from penstock.rollouts.state import (
    ApplyTable,
    Command,
    CommandKind,
    Effect,
    Promote,
    RolloutState,
    StartTarget,
)
from penstock.rollouts.strategy import parse_window
from penstock.stats.twosample import Told

_PATIENCE = 30.0
"""Seconds that a return may take beyond the start of a version."""
_NOTICE = 5.0
"""Seconds after which it is noticed, between two looks, that somebody else has ended a rollout."""


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Controller:
    """Moves the traffic of one environment from champion to challenger, or back.

    Args:
        journal: where rollouts, deployments and events are kept.
        target: what serves.
        registrar: alias and release tag.
        clock: time; the machine's own by default.
        environment: name of what the target serves; one rollout at a time moves it.
        replicas: worker processes per version.
        truth: labels and metrics that become known later; None for none.
    """

    def __init__(
        self,
        journal: Journal,
        target: Target,
        registrar: Registrar,
        clock: Clock | None = None,
        *,
        environment: str = "production",
        replicas: int = 1,
        truth: Truth | None = None,
    ) -> None:
        self._truth = truth
        self._records = Records(journal, environment)
        self._target = target
        self._registrar = registrar
        self._clock = clock or SystemClock()
        self._replicas = replicas
        self._lock = Lock(journal.path.with_name(f"rollout-{environment}.lock"))

    def start(
        self,
        strategy: Strategy,
        champion: Bundle | None,
        challenger: Bundle,
        cause: Event | int | None = None,
    ) -> str:
        """Begin a rollout and return its id; nothing has moved yet.

        Repeated with the same challenger while that is under way, it returns the same id. A
        rollout on probation is ended as promoted: its previous champion cools down.

        Raises:
            StateError: ``rollout.under-way`` when another one is, ``rollout.same-version``.
            ConfigError: ``rollout.freeze`` when a freeze window cannot be read.
        """
        for window in strategy.freeze:
            parse_window(window)
        if champion is not None and champion.version == challenger.version:
            raise StateError(
                f"version {challenger.version} is the champion already",
                code="rollout.same-version",
                hint="there is nothing to roll out",
            )
        active = self.active()
        if active is not None and active.phase is RolloutPhase.PROBATION:
            self.promote(active.id, f"version {challenger.version} is to be rolled out")
        with self._lock:
            return self._begin(strategy, champion, challenger, _event_id(cause), "rollout", "")

    def rollback(self, to: Bundle, reason: str = "", *, champion: Bundle | None = None) -> str:
        """Begin the return to a version: the path of a rollout's own return, and as crash-safe.

        A rollout that is under way is ended first: if it came from that version, by its own
        return (instantly, as the version is still warm); if not, by aborting it.

        Args:
            to: what shall serve.
            reason: in words, for tag and journal.
            champion: what serves now, when the journal does not know.

        Returns:
            The id of the rollout to follow with ``run_until(id, "ended")``; it ends ``aborted``
            when the version cannot be started, and what serves now goes on serving.

        Raises:
            StateError: ``rollout.same-version``.
            UnavailableError: ``rollout.unfinished`` when a rollout under way cannot be ended now.
        """
        under_way = self.active()
        if under_way is not None and not under_way.is_rollback:
            previous = under_way.champion
            if previous is not None and previous.version == to.version:
                return self._command(under_way.id, CommandKind.ROLLBACK, reason).id
            if previous is not None or not under_way.touched:
                self.abort(under_way.id, reason)
        with self._lock:
            present = self._records.champion() or champion
            if present is not None and present.version == to.version:
                raise StateError(
                    f"version {to.version} is the champion already",
                    code="rollout.same-version",
                    hint="there is nothing to return to",
                )
            strategy = Strategy(probation=0.0)
            return self._begin(strategy, present, to, None, "rollback", reason)

    def active(self) -> RolloutState | None:
        """Return the rollout under way in this environment, None for none."""
        return self._records.active()

    def state(self, rollout_id: str) -> RolloutState:
        """Return where a rollout stands.

        Raises:
            StateError: ``rollout.not-found``.
        """
        return self._records.read(rollout_id)[0]

    def step(self, rollout_id: str, verdicts: Sequence[Verdict] = ()) -> RolloutState:
        """Take one look and do what follows from it. Idempotent.

        Args:
            rollout_id: which.
            verdicts: of others who watch the challenger, such as a monitor of its quality.

        Raises:
            StateError: what a person must change first (a port that is taken). A rollout that
                has only begun is closed then; one that has moved traffic stays open. Retryable
                trouble is kept in `RolloutState.trouble` and tried again by the next step.
        """
        return self._step(rollout_id, None, verdicts)

    def run_until(
        self,
        rollout_id: str,
        until: str = "probation",
        *,
        listener: Callable[[RolloutState], None] | None = None,
    ) -> RolloutState:
        """Step until the rollout has ended, or is promoted and on probation.

        Args:
            rollout_id: which.
            until: ``probation``, ``paused`` (also stop when a person is waited for) or ``ended``.
            listener: is told the state after every look.
        """
        while True:
            state = self.step(rollout_id)
            if listener is not None:
                listener(state)
            if state.phase.ended or (until != "ended" and _rests(state, until)):
                return state
            self._await_look(state)

    def _await_look(self, state: RolloutState) -> None:
        """Wait for the next look, or until somebody else has ended the rollout."""
        pace, waited = _pace(state), 0.0
        due = self._clock.time() + pace
        # By the clock as well as by what was waited: the clock may be set, also back.
        while waited < pace and self._clock.time() < due:
            part = min(pace - waited, _NOTICE)
            self._clock.sleep(part)
            waited += part
            if waited < pace and self.state(state.id).phase.ended:
                return

    def pause(self, rollout_id: str, reason: str = "") -> RolloutState:
        """Hold a rollout where it is; the analysis goes on and may still roll it back."""
        return self._command(rollout_id, CommandKind.PAUSE, reason)

    def resume(self, rollout_id: str, reason: str = "") -> RolloutState:
        """Let a paused rollout go on."""
        return self._command(rollout_id, CommandKind.RESUME, reason)

    def promote(self, rollout_id: str, reason: str = "") -> RolloutState:
        """Move all traffic to the challenger now; on probation, end the probation."""
        state = self._command(rollout_id, CommandKind.PROMOTE, reason)
        return self._finish(state) if state.closing else state

    def abort(self, rollout_id: str, reason: str = "") -> RolloutState:
        """Return to the champion now, and see it through.

        Raises:
            StateError: ``rollout.ended``, or ``rollout.not-now`` for a first deployment.
            UnavailableError: ``rollout.unfinished`` when target or registry cannot be reached;
                it is recorded, and every later `step` tries to finish it.
        """
        return self._finish(self._command(rollout_id, CommandKind.ABORT, reason))

    def _finish(self, state: RolloutState) -> RolloutState:
        """Step until a return has ended, and say so if the world does not let it."""
        patience = state.strategy.start_seconds + _PATIENCE
        begun = self._clock.time()
        while not state.phase.ended:
            if self._clock.time() - begun > patience:
                raise UnavailableError(
                    f"{state.id} has not ended yet: {state.trouble or state.words}",
                    code="rollout.unfinished",
                    hint="it is recorded: `penstock rollout drive` carries on",
                )
            self._clock.sleep(_pace(state))
            state = self.step(state.id)
        return state

    def _command(self, rollout_id: str, kind: CommandKind, reason: str) -> RolloutState:
        return self._step(rollout_id, Command(kind, reason), ())

    def _begin(
        self,
        strategy: Strategy,
        champion: Bundle | None,
        challenger: Bundle,
        cause: int | None,
        operation: str,
        reason: str,
    ) -> str:
        active = self.active()
        if active is not None:
            same = active.challenger == challenger and active.operation == operation
            if same and active.phase is not RolloutPhase.ROLLING_BACK:
                return active.id
            raise StateError(
                f"rollout {active.id} of version {active.challenger.version} is under way",
                code="rollout.under-way",
                hint="wait for it, or `penstock rollout abort`",
            )
        now = self._clock.time()
        state = RolloutState(
            id="",
            model=challenger.model,
            strategy=strategy,
            champion=champion,
            challenger=challenger,
            replicas=self._replicas,
            operation=operation,
            generation=self._target.observe().generation,
            started=now,
            updated=now,
            reason=reason,
            words=f"starting version {challenger.version}",
            cause=cause,
        )
        return self._records.begin(state)

    def _step(
        self, rollout_id: str, command: Command | None, verdicts: Sequence[Verdict]
    ) -> RolloutState:
        with self._lock:
            state, generation = self._records.read(rollout_id)
            if state.phase.ended and command is None:
                return state
            observed = self._target.observe()
            now = self._clock.time()
            state, told, trouble = self._hear(state, observed, now)
            state, effects = advance(state, observed, command, now, verdicts, told)
            state = replace(state, trouble=trouble)
            state, generation = self._records.write(state, effects, generation)
            return self._act(state, effects, generation)

    def _hear(
        self, state: RolloutState, observed: TargetStatus, now: float
    ) -> tuple[RolloutState, Mapping[str, Told] | None, str]:
        """Ask what became known of earlier requests; return it, and why that failed."""
        if self._truth is None or not observed.running or not listens(state):
            return state, None, ""
        try:
            mark, told = self._truth.fresh(state, now)
        except UnavailableError as error:
            return state, None, error.message
        return replace(state, told=mark), told, ""

    def _act(self, state: RolloutState, effects: Sequence[Effect], generation: int) -> RolloutState:
        try:
            for effect in effects:
                if isinstance(effect, StartTarget):
                    self._target.start()
                elif isinstance(effect, ApplyTable):
                    state, generation = self._apply(state, effect.table, generation)
                elif isinstance(effect, Promote):
                    self._registrar.promote(effect.version, effect.key, effect.reason)
                    state, records = registered(state, effect.version)
                    state, generation = self._records.write(state, records, generation)
        except PenstockError as error:
            state = replace(state, trouble=str(error))
            told: Sequence[Effect] = ()
            if not error.retryable and state.phase is RolloutPhase.STARTING and not state.sent:
                # Nothing has begun yet, and nothing will before a person has changed something.
                state, told = give_up(replace(state, trouble=""), error.message)
            self._records.write(state, told, generation)
            if not error.retryable:
                raise
        return state

    def _apply(
        self, state: RolloutState, table: TrafficTable, generation: int
    ) -> tuple[RolloutState, int]:
        """Apply a table; when somebody else has written one meanwhile, outdo it at the next step.

        Only this rollout may move the traffic while it is under way, so theirs is replaced.
        """
        try:
            self._target.apply(table)
        except StateError:
            observed = self._target.observe()
            if not observed.running or observed.generation < table.generation:
                raise
            newer = replace(state, generation=observed.generation + 1)
            state, generation = self._records.write(newer, (), generation)
        return state, generation


def _rests(state: RolloutState, until: str) -> bool:
    if state.phase is RolloutPhase.PROBATION:
        return True
    return until == "paused" and state.phase is RolloutPhase.PAUSED


def _pace(state: RolloutState) -> float:
    """Look often while something is about to change, and at the strategy's interval otherwise."""
    quick = (RolloutPhase.STARTING, RolloutPhase.PROMOTING, RolloutPhase.ROLLING_BACK)
    soon = state.phase in quick or state.closing
    return min(0.05, state.strategy.interval) if soon else state.strategy.interval


def _event_id(cause: Event | int | None) -> int | None:
    return cause.id if isinstance(cause, Event) else cause
