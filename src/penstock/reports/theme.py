"""The style of the HTML report: one sheet for light and dark, screen and paper."""

from __future__ import annotations

from pathlib import Path


def style() -> str:
    """Return the style sheet."""
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")
