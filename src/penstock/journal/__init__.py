"""The journal: facts, append-only, and the state that they changed, in one transaction."""

from penstock.journal.journal import Journal, Record, Transaction

__all__ = ["Journal", "Record", "Transaction"]
