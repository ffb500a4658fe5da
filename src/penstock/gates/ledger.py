"""The ledger: how often a test set has decided, and when it is worn out.

A test set is known by its content: the digests of its rows, whatever the file is called, in
whatever order and format. A file that shares at least half of its rows with a known test set, or
has as many rows and half of its columns, is that test set. Each candidate (known by its answers)
that is judged on it is one use; judging the same answers against the same conditions again costs
nothing and says the same. A use is written down before the verdicts are known, so that nobody
dodges it by stopping the command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.domain.event import Event, EventType
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.gates import budget
from penstock.gates.conditions import GateSpec
from penstock.gates.sketch import Sketch
from penstock.journal import Journal, Transaction

KIND = "testset"


@dataclass(frozen=True, slots=True)
class Use:
    """One judgement on a test set.

    Attributes:
        candidate: what the candidate is called.
        answers: digest of its answers and of the conditions: what makes a use new.
        passed: whether all conditions held; None when the judgement did not end.
    """

    candidate: str
    answers: str
    passed: bool | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What the ledger knows of a test set.

    Attributes:
        digest: of its content when it was first used.
        name: the file it was first read from.
        rows: number of rows.
        uses: in the order in which they happened.
        known: whether the judgement at hand was made before.
    """

    digest: str
    name: str
    rows: int
    uses: tuple[Use, ...] = ()
    known: bool = False

    @property
    def passes(self) -> int:
        """How often a candidate passed; judgements that did not end count as passes."""
        return sum(use.passed is not False for use in self.uses)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        uses = [[use.candidate, use.answers, use.passed] for use in self.uses]
        return {"digest": self.digest, "name": self.name, "rows": self.rows, "uses": uses}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Account:
        """Read what `to_dict` wrote."""
        uses = tuple(Use(*one) for one in item["uses"])
        return cls(item["digest"], item["name"], item["rows"], uses)


@dataclass(slots=True)
class Ledger:
    """The accounts of all test sets of a project, kept in its journal.

    Args:
        journal: the project's facts.
    """

    journal: Journal
    _sketches: dict[str, Sketch] = field(default_factory=dict)

    def accounts(self) -> list[Account]:
        """Return all accounts, those used last first."""
        return [Account.from_dict(one.value) for one in self.journal.records(KIND)]

    def begin(self, data: Path, sketch: Sketch, candidate: str, answers: str) -> Account:
        """Write down that a candidate is being judged on a test set.

        Args:
            data: the file, for its name only.
            sketch: of its content.
            candidate: what the candidate is called.
            answers: digest of its answers and of the conditions.

        Returns:
            The account with this use in it.
        """
        with self.journal.transaction() as tx:
            account, known = self._find(tx, data, sketch)
            if any(use.answers == answers for use in account.uses):
                return Account(account.digest, account.name, account.rows, account.uses, known=True)
            used = Account(
                account.digest, account.name, account.rows, (*account.uses, Use(candidate, answers))
            )
            tx.put(KIND, account.digest, {**used.to_dict(), "sketch": known})
            tx.append(
                Event(
                    EventType.TESTSET_USED,
                    account.digest,
                    {"candidate": candidate, "uses": len(used.uses), "name": str(data)},
                )
            )
        return used

    def finish(self, account: Account, answers: str, *, passed: bool) -> None:
        """Write down how a judgement ended."""
        with self.journal.transaction() as tx:
            record = tx.get(KIND, account.digest)
            if record is None:
                return
            present = Account.from_dict(record.value)
            uses = tuple(
                Use(use.candidate, use.answers, passed) if use.answers == answers else use
                for use in present.uses
            )
            ended = Account(present.digest, present.name, present.rows, uses)
            tx.put(KIND, account.digest, {**record.value, **ended.to_dict()})

    def _find(self, tx: Transaction, data: Path, sketch: Sketch) -> tuple[Account, Any]:
        record = tx.get(KIND, sketch.digest)
        if record is not None:
            return Account.from_dict(record.value), record.value["sketch"]
        for other in self.journal.records(KIND):
            if sketch.same_as(Sketch.from_dict(other.value["sketch"], other.id)):
                return Account.from_dict(other.value), other.value["sketch"]
        return Account(sketch.digest, data.name, sketch.rows), sketch.to_dict()


def worn_out(account: Account, spec: GateSpec) -> bool:
    """Return whether a test set must not decide any more.

    >>> account = Account("d", "test.parquet", 100, (Use("a", "1", True), Use("b", "2", False)))
    >>> worn_out(account, GateSpec((), steps=2)), worn_out(account, GateSpec((), steps=1))
    (False, True)
    >>> later = Account("d", "test.parquet", 100, (*account.uses, Use("c", "3")))
    >>> worn_out(later, GateSpec((), adaptivity="firstChange"))
    True
    """
    if account.known:
        return False
    earlier = account.uses[:-1]
    retired = sum(use.passed is not False for use in earlier)
    if spec.adaptivity.strip().lower() == "none":
        retired = 0
    return len(account.uses) > spec.steps or retired >= budget.passes(spec.adaptivity, spec.steps)


def verdict_on_rows(account: Account, spec: GateSpec) -> Verdict:
    """Return the verdict on the test set itself: may it still decide?"""
    uses, most = len(account.uses), spec.steps
    evidence = Evidence(
        "uses of the test set",
        value=float(uses),
        threshold=float(most),
        comparison="<",
        n=account.rows,
        method="ledger",
        details={"digest": account.digest, "adaptivity": spec.adaptivity, "passes": account.passes},
    )
    said = f"{account.name} has judged {uses} of {most} candidates (adaptivity {spec.adaptivity})"
    if not worn_out(account, spec):
        return Verdict("test set", Outcome.PASSED, said, kind="testset", evidence=(evidence,))
    why = f"{said}: what it says about one more is not {100 * spec.reliability:.10g}% reliable"
    if uses <= most:
        why = f"{account.name} has let {account.passes - 1} candidates pass and is retired"
    return Verdict(
        "test set",
        Outcome.INCONCLUSIVE,
        why,
        kind="testset",
        evidence=(evidence,),
        hint="label fresh rows and point `model.test_data` at them, or raise `gates.steps` "
        "(every verdict then needs more rows)",
    )


def fingerprint(arrays: Sequence[Any], words: Sequence[str]) -> str:
    """Return a digest of answers and conditions."""
    import numpy as np

    digest = hashlib.sha256()
    for array in arrays:
        if array is None:
            digest.update(b"none")
            continue
        plain = np.ascontiguousarray(array.astype(str) if array.dtype.kind == "O" else array)
        digest.update(f"{plain.dtype.str}{plain.shape}".encode())
        digest.update(plain.tobytes())
    digest.update("\n".join(words).encode())
    return digest.hexdigest()
