"""Listings: the content of a `.dir` object, byte for byte as DVC 3 writes it.

The bytes are `json.dumps(entries, sort_keys=True)` with entries sorted by relpath as one posix
string; the identity of a directory is their md5 with the suffix `.dir`.

>>> listing_bytes({"z.txt": "b1946ac92492d2347c6235b4d2611184"})
b'[{"md5": "b1946ac92492d2347c6235b4d2611184", "relpath": "z.txt"}]'
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii

from penstock.errors import StateError

_DIGEST = re.compile(r"[0-9a-f]{32}\Z")


def listing_bytes(files: Mapping[str, str]) -> bytes:
    """Return the bytes of a `.dir` object.

    Args:
        files: md5 (hex) by relative posix path.
    """
    quote = encode_basestring_ascii
    items = (f'{{"md5": "{files[path]}", "relpath": {quote(path)}}}' for path in sorted(files))
    return f"[{', '.join(items)}]".encode("ascii")


def listing_digest(content: bytes) -> str:
    """Return the identity of a directory from the bytes of its listing."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() + ".dir"


def parse_listing(content: bytes, digest: str) -> dict[str, str]:
    """Return md5 by relative path from the bytes of a `.dir` object.

    Raises:
        StateError: ``artifacts.corrupt`` when it is not a listing, or names a path that leaves
            the directory.
    """
    files: dict[str, str] = {}
    try:
        entries = json.loads(content)
        if not isinstance(entries, list):
            raise TypeError(digest)  # noqa: TRY301 - one way out for all that is wrong
        for entry in entries:
            path, md5 = entry["relpath"], entry["md5"]
            if not _DIGEST.match(md5) or not is_inside(path):
                raise ValueError(path)  # noqa: TRY301 - one way out for all that is wrong
            files[path] = md5
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(
            f"the listing of directory {digest} is damaged",
            code="artifacts.corrupt",
            hint="run the stage that makes it again, or `penstock run --pull`",
        ) from error
    return files


def is_inside(path: str) -> bool:
    """Whether a relative posix path stays below its directory."""
    if "\0" in path:
        return False
    return all(part not in ("", ".", "..") for part in path.split("/"))
