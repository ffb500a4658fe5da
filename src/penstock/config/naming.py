"""How a path is shown to people."""

from __future__ import annotations

import os
from pathlib import Path


def shown(path: Path) -> str:
    """Return a path as a person would type it here: relative where it lies below this directory."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):
        return str(path)
    return str(path.absolute()) if relative.startswith("..") else relative
