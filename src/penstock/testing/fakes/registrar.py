"""A registrar that remembers."""

from __future__ import annotations


class FakeRegistrar:
    """Keeps the alias and the tags that a real registrar would write.

    Attributes:
        champion: what the alias points at.
        tags: key of a change -> version, in the order of writing.
        calls: every call, repeated ones too.
    """

    def __init__(self, champion: str | None = None) -> None:
        self.champion = champion
        self.tags: dict[str, str] = {}
        self.calls: list[tuple[str, str, str]] = []

    def promote(self, version: str, rollout_id: str, reason: str) -> None:
        """Point the alias at a version; a key that is known makes no second tag."""
        self.calls.append((version, rollout_id, reason))
        self.champion = version
        self.tags.setdefault(rollout_id, version)
