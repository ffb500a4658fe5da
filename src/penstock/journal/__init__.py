"""The journal: facts, append-only, and the state that they changed, in one transaction."""

from penstock.journal.journal import Journal, Record, Transaction
from penstock.journal.lock import exclusive
from penstock.journal.recording import RunRecorder, record_judgement

__all__ = ["Journal", "Record", "RunRecorder", "Transaction", "exclusive", "record_judgement"]
