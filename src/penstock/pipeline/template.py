"""Templates of dvc.yaml: `${...}` filled in from `vars` and params.yaml.

Pure: files are read by the caller. A string that is one whole expression takes the value with
its type; otherwise the value becomes text. A mapping in `cmd` becomes command-line flags.
``\\${`` stands for a literal ``${``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_EXPRESSION = re.compile(r"(?<!\\)\${(?P<inner>.*?)}")
_INNER = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[[^.\[\]]+\])*")


class TemplateError(Exception):
    """What is wrong with an expression; the caller knows where it stands."""


@dataclass(slots=True)
class Context:
    """The names that expressions may use.

    Attributes:
        values: nested mappings and lists.
        imports: files loaded so far: None for the whole file, else the keys taken from it.
        bools, lists: how a mapping in `cmd` becomes flags (DVC's ``parsing`` settings).
    """

    values: dict[str, Any] = field(default_factory=dict)
    imports: dict[str, list[str] | None] = field(default_factory=dict)
    bools: str = "store_true"
    lists: str = "nargs"

    def copy(self) -> Context:
        """Return a copy that can be added to without touching this one."""
        imports = {key: list(keys) if keys else keys for key, keys in self.imports.items()}
        return Context(_copy(self.values), imports, self.bools, self.lists)

    def merge(self, update: Mapping[Any, Any], source: str) -> None:
        """Add names.

        Raises:
            TemplateError: a name is already there with a value of its own.
        """
        _merge(self.values, update, source, "")

    def select(self, expression: str) -> Any:
        """Return what an expression names.

        Raises:
            TemplateError: malformed, or not found.
        """
        if not _INNER.fullmatch(expression.strip()):
            raise TemplateError(f"cannot read the expression ${{{expression}}}")
        value: Any = self.values
        for part in expression.replace("[", ".").replace("]", "").split("."):
            value = _step(value, part.strip(), expression)
        return value


def _step(value: Any, name: str, expression: str) -> Any:
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
    elif isinstance(value, list):
        try:
            return value[int(name)]
        except (ValueError, IndexError):
            pass
    raise TemplateError(f"nothing is called {expression.strip()!r}")


def _copy(value: Any) -> Any:
    """Copy nested mappings, without names that are no text: DVC does not know these."""
    if not isinstance(value, dict):
        return value
    return {key: _copy(item) for key, item in value.items() if isinstance(key, str)}


def _merge(into: dict[str, Any], update: Mapping[Any, Any], source: str, prefix: str) -> None:
    for key, value in update.items():
        if not isinstance(key, str):
            continue
        present = into.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            _merge(present, value, source, f"{prefix}{key}.")
        elif key in into:
            raise TemplateError(f"{source} defines {prefix}{key} again")
        else:
            into[key] = _copy(value)


def has_expression(text: str) -> bool:
    """Whether a text has anything to fill in."""
    return "${" in text and _EXPRESSION.search(text) is not None


def resolve(value: Any, context: Context, *, key: str | None = None) -> Any:
    """Fill in a string, or everything in a nested value.

    Args:
        key: the key of the stage that the value belongs to; decides where a mapping is allowed
            (``cmd``, where it becomes flags). None allows everything.

    Raises:
        TemplateError: see `Context.select`; or a mapping or list where a single value must stand.
    """
    if isinstance(value, str):
        return _text(value, context, key) if "${" in value else value
    if isinstance(value, dict):
        return {
            _hashable(resolve(name, context, key=key)): resolve(item, context, key=key)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [resolve(item, context, key=key) for item in value]
    return value


def _hashable(key: Any) -> Any:
    if isinstance(key, dict | list):
        raise TemplateError("a key must be a single value")
    return key


def _text(text: str, context: Context, key: str | None) -> Any:
    matches = list(_EXPRESSION.finditer(text))
    if len(matches) == 1 and matches[0].group(0) == text:
        value = context.select(matches[0]["inner"])
        _check(value, key)
        return as_text(value, context) if isinstance(value, dict) and key == "cmd" else value
    parts, end = [], 0
    for match in matches:
        value = context.select(match["inner"])
        _check(value, key if key is not None else "")
        parts += [text[end : match.start()], as_text(value, context)]
        end = match.end()
    return "".join([*parts, text[end:]]).replace("\\${", "${")


def _check(value: Any, key: str | None) -> None:
    if key is None or value is None or isinstance(value, str | int | float):
        return
    if isinstance(value, dict) and key == "cmd":
        return
    kind = "a mapping" if isinstance(value, dict) else "a list"
    raise TemplateError(f"{kind} cannot stand here, only a single value")


def as_text(value: Any, context: Context | None = None) -> str:
    """Return a value as it stands in a command or a name.

    >>> as_text(True), as_text(1e-5), as_text({"lr": 0.1, "verbose": True})
    ('true', '1e-05', '--lr 0.1 --verbose')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return " ".join(_flags(value, context or Context()))
    return str(value)


def _flags(value: dict[Any, Any], context: Context) -> list[str]:
    from shlex import quote

    from penstock.pipeline.parameters import flatten

    parts: list[str] = []
    for name, item in flatten(value).items():
        if isinstance(item, bool):
            if item:
                parts.append(f"--{name}")
            elif context.bools == "boolean_optional":
                parts.append(f"--no-{name}")
        elif isinstance(item, str):
            parts.append(f"--{name} {quote(item)}")
        elif isinstance(item, list):
            if any(isinstance(one, list | dict) for one in item):
                raise TemplateError(f"a list in a list cannot become flags (in {name!r})")
            words = [quote(one) if isinstance(one, str) else str(one) for one in item]
            if context.lists == "append":
                parts += [f"--{name} {word}" for word in words]
            elif words:
                parts.append(f"--{name} {' '.join(words)}")
        else:
            parts.append(f"--{name} {item}")
    return parts
