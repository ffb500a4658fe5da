"""The journal: facts, append-only, and the state that they changed, in one transaction."""

from penstock.journal.journal import Journal, Record, Transaction
from penstock.journal.recording import RunRecorder, record_judgement

__all__ = ["Journal", "Record", "RunRecorder", "Transaction", "record_judgement"]
