"""Triggers: what happened -> whether to train again, now, later or not at all."""

from penstock.triggers import hours
from penstock.triggers.inbox import Inbox
from penstock.triggers.policy import Policy, decide

__all__ = ["Inbox", "Policy", "decide", "hours"]
