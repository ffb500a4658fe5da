"""Revisions: a commit, and whether the work tree differs from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Revision:
    """The state of the code that a run used.

    Attributes:
        commit: full hex id of the Git commit.
        branch: name of the branch, None when detached.
        dirty: whether tracked files differ from the commit.
        subject: first line of the commit message.
    """

    commit: str
    branch: str | None = None
    dirty: bool = False
    subject: str = ""

    @property
    def short(self) -> str:
        """The first ten hex digits, with ``+`` where the work tree is dirty."""
        return self.commit[:10] + ("+" if self.dirty else "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Revision:
        """Read what `to_dict` wrote."""
        return cls(**item)
