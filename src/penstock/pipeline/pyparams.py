"""Parameters of a Python file: the literals assigned at its top, in classes and in `__init__`."""

from __future__ import annotations

import ast
from typing import Any

from penstock.errors import ConfigError, Span


def parse(text: str, file: str) -> dict[str, Any]:
    """Return names with their literal values; classes become nested mappings.

    The file is never executed. Assignments of anything but a literal are left out.

    Raises:
        ConfigError: ``python.syntax`` with the place.
    """
    try:
        return _body(ast.parse(text).body, of_self=False)
    except SyntaxError as error:
        span = Span(file, error.lineno or 1, error.offset or 1)
        message = f"not valid Python: {error.msg}"
        raise ConfigError(message, code="python.syntax", span=span) from None
    except (RecursionError, ValueError, MemoryError) as error:
        message = f"not valid Python: {error}"
        raise ConfigError(message, code="python.syntax", span=Span(file, 1, 1)) from None


def _body(body: list[ast.stmt], *, of_self: bool) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            _assign(result, node.targets[0], node.value, of_self=of_self)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            _assign(result, node.target, node.value, of_self=of_self)
        elif isinstance(node, ast.ClassDef):
            result[node.name] = _body(node.body, of_self=False)
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            result.update(_body(node.body, of_self=True))
    return result


def _assign(into: dict[str, Any], target: ast.expr, value: ast.expr, *, of_self: bool) -> None:
    name = None
    if isinstance(target, ast.Name) and not of_self:
        name = target.id
    elif (
        isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    ):
        name = target.attr
    if name is None:
        return
    try:
        into[name] = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return
