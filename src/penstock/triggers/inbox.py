"""The inbox: requests for retraining in the journal, each key once and for all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.domain.event import Event, EventType
from penstock.domain.trigger import Decision, Past, Request, TriggerKind
from penstock.journal import Journal, Transaction

REQUEST = "retraining-request"
RETRAINING = "retraining"
OPEN, TAKEN, DECLINED = "open", "taken", "declined"


class Inbox:
    """Requests and retrainings of one project, kept in its journal.

    Every method is one transaction, so a kill leaves it done or not done. Any number of processes
    may use the same journal.

    Args:
        journal: the project's facts.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def submit(self, request: Request) -> bool:
        """Write a request down; False when its key was asked before, whatever became of it."""
        with self._journal.transaction() as tx:
            known = tx.get(REQUEST, request.key)
            if known is not None:
                self._renew(tx, request, known.value)
                return False
            event = tx.append(
                Event(
                    EventType.RETRAINING_REQUESTED,
                    request.key,
                    {"kind": request.kind.value, "reason": request.reason, **request.data},
                    cause=request.event,
                    time=request.time,
                )
            )
            if request.kind is TriggerKind.DATA:
                self._supersede(tx)
            value = {**request.to_dict(), "state": OPEN, "requested": event.id}
            tx.put(REQUEST, request.key, value)
        return True

    def _supersede(self, tx: Transaction) -> None:
        """Close what older data asked for and still waits: the newest data has it too."""
        older = [one.key for one in self.open() if one.kind is TriggerKind.DATA]
        for key, value in self._opened(tx, older):
            self._close(tx, key, value, "newer data has come")

    @staticmethod
    def _close(tx: Transaction, key: str, value: dict[str, Any], words: str) -> None:
        tx.append(
            Event(EventType.RETRAINING_DECLINED, key, {"reason": words}, cause=value["requested"])
        )
        tx.put(REQUEST, key, {**value, "state": DECLINED, "why": words})

    @staticmethod
    def _renew(tx: Transaction, request: Request, known: dict[str, Any]) -> None:
        """Keep the newest count of rows of a request that still waits."""
        if known["state"] == OPEN and request.rows not in (None, known.get("rows")):
            tx.put(REQUEST, request.key, {**known, "rows": request.rows})

    def open(self) -> list[Request]:
        """Return the requests that nobody answered yet, oldest first."""
        found = [
            Request.from_dict(one.value)
            for one in self._journal.records(REQUEST)
            if one.value["state"] == OPEN
        ]
        return sorted(found, key=lambda one: (one.time, one.key))

    def find(self, key: str) -> dict[str, Any] | None:
        """Return what is known of a request: its values, ``state`` and ``retraining``."""
        record = self._journal.get(REQUEST, key)
        return None if record is None else record.value

    def decline(self, decision: Decision) -> None:
        """Close the requests of a decision without a retraining."""
        with self._journal.transaction() as tx:
            for key, value in self._opened(tx, decision.keys):
                self._close(tx, key, value, decision.reason)

    def trained(self, digest: str) -> None:
        """Close what asks for data that a retraining took in which began for another reason."""
        with self._journal.transaction() as tx:
            for key, value in self._opened(tx, [f"data:{digest}"]):
                self._close(tx, key, value, "the last retraining had this data already")

    def take(self, decision: Decision, retraining: str, value: dict[str, Any], now: float) -> int:
        """Turn the requests of a decision into one retraining.

        Args:
            decision: to start.
            retraining: id of the new one.
            value: what its record holds besides.
            now: seconds since the epoch.

        Returns:
            Id of the event ``retraining.started``; 0 when all requests were taken meanwhile, or
            another retraining is under way: then nothing is written.
        """
        with self._journal.transaction() as tx:
            mine = self._opened(tx, decision.keys)
            if not mine or any(one.finished is None for one in self.history()):
                return 0
            started = tx.append(
                Event(
                    EventType.RETRAINING_STARTED,
                    retraining,
                    {"reason": decision.reason, "requests": [key for key, _ in mine]},
                    cause=mine[0][1]["requested"],
                    time=now,
                )
            )
            for key, known in mine:
                tx.put(REQUEST, key, {**known, "state": TAKEN, "retraining": retraining})
            record = {
                "id": retraining,
                "keys": [key for key, _ in mine],
                "requests": [known for _, known in mine],
                "reason": decision.reason,
                "started": now,
                "finished": None,
                "event": started.id,
                "asked": any(known["kind"] == "person" for _, known in mine),
                "gained": None,
                **value,
            }
            tx.put(RETRAINING, retraining, record)
            return started.id

    def history(self) -> list[Past]:
        """Return all retrainings, oldest first."""
        found = [past(one.value) for one in self._journal.records(RETRAINING)]
        return sorted(found, key=lambda one: one.started)

    @staticmethod
    def _opened(tx: Transaction, keys: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
        records = ((key, tx.get(REQUEST, key)) for key in keys)
        return [(key, one.value) for key, one in records if one and one.value["state"] == OPEN]


def past(value: dict[str, Any]) -> Past:
    """Return a retraining's record as the policy sees it."""
    return Past(
        value["id"],
        tuple(value["keys"]),
        value["started"],
        value["finished"],
        value["asked"],
        value["gained"],
    )
