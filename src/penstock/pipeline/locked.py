"""What environment a run had: the project's lock, or all that its interpreter holds.

A lock is content of the commit, so its digest says enough. An interpreter without one may be
another tomorrow: the list of its packages is kept below ``.penstock/environments``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from penstock.pipeline import durable

LOCKS = ("uv.lock", "pylock.toml", "requirements.lock", "poetry.lock", "pdm.lock")
"""Files that name every package, in the order in which they are believed."""
FOLDER = Path(".penstock") / "environments"
_INFO = ".dist-info"


def lock_of(root: Path) -> Path | None:
    """Return the lock of a project: one of `LOCKS`, or a fully pinned ``requirements.txt``."""
    for name in LOCKS:
        if (root / name).is_file():
            return root / name
    listed = root / "requirements.txt"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        lines = [line.split("#")[0].strip() for line in listed.read_text("utf-8").splitlines()]
        wanted = [line for line in lines if line and not line.startswith("-")]
        if wanted and all("==" in line or " @ " in line for line in wanted):
            return listed
    return None


def environment_of(root: Path) -> tuple[str, str]:
    """Return the digest of a project's environment, and its text where no lock holds it."""
    lock = lock_of(root)
    if lock is not None:
        with contextlib.suppress(OSError):
            return hashlib.sha256(lock.read_bytes()).hexdigest(), ""
    text = installed()
    return hashlib.sha256(text.encode()).hexdigest(), text


def record(root: Path, keeper: Path) -> str:
    """Return the digest of a project's environment, and keep what no lock holds.

    Args:
        root: where the stages run.
        keeper: the project whose ``.penstock`` keeps it.
    """
    digest, text = environment_of(root)
    kept = keeper / FOLDER / f"{digest}.txt"
    if text and not kept.exists():
        # Nobody waits for the disk: the name of the file tells whether it is whole.
        durable.replace(kept, text.encode(), sync=False)
    return digest


def installed(folders: list[str] | None = None) -> str:
    """Return what the interpreter holds, a pinned requirement a line.

    Read from the names of the folders in which installers note their packages, which takes a
    millisecond. What was installed from a folder cannot be had again: it is named in a comment.

    Args:
        folders: of packages; those of this interpreter when None.
    """
    found: dict[str, str] = {}
    if folders is None:
        folders = [one for one in sys.path if one.endswith(("site-packages", "dist-packages"))]
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder):  # noqa: PTH208 - names are enough
                if entry.endswith(_INFO):
                    name, _, version = entry.removesuffix(_INFO).partition("-")
                    line = _line(Path(folder, entry), name, version)
                    found.setdefault(name.lower().replace("_", "-"), line)
    version = ".".join(str(one) for one in sys.version_info[:3])
    return "\n".join([f"# python {version}", *(found[name] for name in sorted(found)), ""])


def _line(info: Path, name: str, version: str) -> str:
    origin: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError):
        origin = json.loads((info / "direct_url.json").read_bytes())
    url, source = origin.get("url"), origin.get("vcs_info")
    if isinstance(source, dict):
        return f"{name} @ {source.get('vcs')}+{url}@{source.get('commit_id')}"
    if "archive_info" in origin and not str(url).startswith("file:"):
        return f"{name} @ {url}"
    return f"# {name} {version} from a folder" if origin else f"{name}=={version}"
