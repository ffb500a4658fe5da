"""Collects the errors that the code raises, for the reference: code, exit code, words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from penstock import errors

Row = tuple[str, str, str]
"""Code, name of the class ("" where a helper raises it), what it says."""
_CLASSES = {one.__name__: one for one in errors.PenstockError.__subclasses__()}


def error_table() -> str:
    """Return a table of all error codes, by room."""
    root = Path(errors.__file__).parent
    rows = sorted({row for path in sorted(root.rglob("*.py")) for row in _rows(path)})
    lines = ["| code | ends with | says |", "|---|---:|---|"]
    seen: set[str] = set()
    for code, kind, words in sorted(rows, key=lambda row: (row[0], not row[1], row[2])):
        if code in seen:
            continue
        seen.add(code)
        ends = str(int(_CLASSES[kind].exit_code)) if kind else ""
        lines.append(f"| `{code}` | {ends} | {words} |")
    return "\n".join(lines) + "\n"


def _rows(path: Path) -> Iterator[Row]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        words = node.args[:1]
        code = next((one.value for one in node.keywords if one.arg == "code"), None)
        if name in ("Problem", "_problem"):
            code, words = (node.args[0] if node.args else code), node.args[1:2]
            name = "ConfigError"
        if isinstance(code, ast.Constant) and isinstance(code.value, str) and "." in code.value:
            kind = name if name in _CLASSES else ""
            yield code.value, kind, _words(words[0]) if words else ""


def _words(node: ast.expr) -> str:
    """Return a message with an ellipsis where something is filled in."""
    if isinstance(node, ast.Constant):
        text = str(node.value)
    elif isinstance(node, ast.JoinedStr):
        text = "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    else:
        text = ""
    return " ".join(text.replace("|", "\\|").split())
