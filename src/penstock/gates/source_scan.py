"""Python source that a model brings along, read as a syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from penstock.gates.pickles import FileScan, Finding

_CALLS = {
    "eval": "evaluates text as code",
    "exec": "runs text as code",
    "compile": "compiles text to code",
    "__import__": "imports by a name made at run time",
}
_MODULES = {
    "subprocess": "starts other programs",
    "socket": "opens network connections",
    "ctypes": "calls foreign functions",
    "urllib.request": "opens network connections",
    "http.client": "opens network connections",
    "requests": "opens network connections",
    "pty": "starts other programs",
}
_ATTRIBUTES = {
    ("os", "system"): "starts other programs",
    ("os", "popen"): "starts other programs",
    ("pickle", "load"): "loads another pickle",
    ("pickle", "loads"): "loads another pickle",
}


def scan_source(path: Path, name: str) -> FileScan:
    """Tell what a source file does that deserves a look; never a danger by itself."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        return FileScan((Finding(name, "syntax", f"is not Python: {error}", danger=False),))
    found = {(what, words): line for what, words, line in reversed(list(_walk(tree)))}
    return FileScan(
        tuple(
            Finding(name, what, f"{words} (line {line}: {what})", danger=False, line=line)
            for (what, words), line in sorted(found.items(), key=lambda one: one[1])
        )
    )


def _walk(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in _CALLS:
                yield node.func.id, _CALLS[node.func.id], node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            words = _ATTRIBUTES.get((node.value.id, node.attr))
            if words:
                yield f"{node.value.id}.{node.attr}", words, node.lineno
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imports(node)


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str, int]]:
    names = (
        [node.module or ""]
        if isinstance(node, ast.ImportFrom)
        else [alias.name for alias in node.names]
    )
    for name in names:
        for module, words in _MODULES.items():
            if name == module or name.startswith(module + "."):
                yield name, words, node.lineno
