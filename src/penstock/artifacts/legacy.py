"""What DVC 2 left: objects at `.dvc/cache/<2 hex>/<30 hex>`, named by the md5 of converted text.

DVC 2 took the md5 of text files with CRLF turned into LF. Entries without ``hash: md5`` are of
that kind; DVC 3 reads them, and so do we. Nothing of the kind is ever written here.
"""

from __future__ import annotations

import hashlib

from penstock.artifacts.hashing import digest_file

ALGORITHM = "md5-dos2unix"
_PIECE = 1 << 20
_HEAD = 512
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_MOST_ODD = 0.30


def text_digest(path: str) -> str:
    """Return the md5 of a file as DVC 2 took it: what looks like text with its line ends converted.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:  # noqa: PTH123 - a plain string, as elsewhere in this room
        while piece := file.read(_PIECE):
            digest.update(piece.replace(b"\r\n", b"\n") if _looks_like_text(piece) else piece)
    return digest.hexdigest()


def is_named(path: str, md5: str) -> bool:
    """Whether a file of the old cache is what its name says."""
    name = md5.removesuffix(".dir")
    return digest_file(path) == name or text_digest(path) == name


def _looks_like_text(piece: bytes) -> bool:
    head = piece[:_HEAD]
    return b"\0" not in head and len(head.translate(None, _TEXT)) <= _MOST_ODD * len(head)
