"""The split: which version a request goes to. Pure, so that it can be tested by the thousand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

CHAMPION = "champion"
CHALLENGER = "challenger"
SHADOW = "shadow"
PINNED = "pinned"
"""Role of a version that a tester chose by header; not part of any comparison."""

_SCALE = 100.0 / 2**64


def place(key: bytes, salt: bytes) -> float:
    """Return where a key stands between 0 and 100, the same for ever.

    A key goes to the challenger when its place is below the weight, so raising the weight moves
    keys to the challenger and none back.

    Example:
        >>> round(place(b"ann", b"r1"), 3), round(place(b"ann", b"r2"), 3)
        (96.518, 61.261)
    """
    hashed = _salted(salt).copy()
    hashed.update(key)
    return int.from_bytes(hashed.digest(), "little") * _SCALE


@lru_cache(64)
def _salted(salt: bytes) -> blake2b:
    """Return the hash before the key; making it takes as long as the rest."""
    return blake2b(digest_size=8, key=salt[:64])


@dataclass(frozen=True, slots=True)
class Split:
    """The split in force: only versions that are ready.

    Attributes:
        champion, challenger: who answers, None if nobody is ready.
        weight: percent of requests for the challenger.
        shadow: version that gets copies, None for no copies.
        shadow_percent: share of the champion's requests that is copied.
        salt: of the hash.
    """

    champion: str | None = None
    challenger: str | None = None
    weight: float = 0.0
    shadow: str | None = None
    shadow_percent: float = 100.0
    salt: bytes = b""

    def choose(self, key: bytes) -> tuple[str | None, str]:
        """Return the version for a key, and its role."""
        weight = self.weight
        if self.challenger is None or weight <= 0.0:
            return self.champion, CHAMPION
        if weight >= 100.0 or place(key, self.salt) < weight:
            return self.challenger, CHALLENGER
        return self.champion, CHAMPION

    def copies(self, key: bytes) -> bool:
        """Tell whether the champion's request with this key is copied to the shadow."""
        if self.shadow is None:
            return False
        return self.shadow_percent >= 100.0 or place(key, b"s" + self.salt) < self.shadow_percent
