"""Paths and addresses of what stages read and write. Pure."""

from __future__ import annotations

import posixpath


def is_url(path: str) -> bool:
    """Whether a path is the address of something that is not on this machine.

    >>> is_url("s3://bucket/a.csv"), is_url("data/a.csv")
    (True, False)
    """
    return "://" in path


def is_outside(full: str) -> bool:
    """Whether a path (relative to the root, as of `Output.full`) leaves the project.

    >>> is_outside("../shared/a.csv"), is_outside("/srv/a.csv"), is_outside("data/a.csv")
    (True, True, False)
    """
    return full.startswith(("../", "/")) or full == ".." or is_url(full)


def recorded(path: str, wdir: str, root: str) -> str:
    """Return a path as DVC records it: as written, but an absolute one in the project as relative.

    Args:
        path: as written.
        wdir: that relative ones start at, relative to the root.
        root: of the project, absolute; "" where that is not known.

    >>> recorded("./a/", "sub", "/home/me"), recorded("/home/me/data/a", "sub", "/home/me")
    ('./a/', '../data/a')
    """
    if not root or not path.startswith("/") or not posixpath.normpath(path).startswith(f"{root}/"):
        return path
    return posixpath.relpath(path, posixpath.join(root, wdir))


def join(folder: str, path: str) -> str:
    """Return `path`, seen from `folder`, relative to the project's root ("" for the root itself).

    >>> join("sub", "../data/x"), join("", "./a"), join("", ".")
    ('data/x', 'a', '')
    """
    full = posixpath.normpath(posixpath.join(folder, path))
    return "" if full == "." else full
