"""Triggers: what happened -> whether to train again, now, later or not at all.

`commit`, `data`, `schedule` and `findings` look, `webhooks` listens; what they find is a `Request`
in the `Inbox`, and `decide` says what becomes of it.
"""

from penstock.triggers import commit, data, findings, hours, schedule
from penstock.triggers.inbox import Inbox
from penstock.triggers.policy import Policy, decide

__all__ = ["Inbox", "Policy", "commit", "data", "decide", "findings", "hours", "schedule"]
