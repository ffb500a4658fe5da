"""The shape of dvc.yaml: which keys, which kinds of value; every problem at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from penstock.config.source import Document
from penstock.errors import Problem

Path = tuple[str | int, ...]

_TOP = ("stages", "vars", "params", "metrics", "plots", "artifacts", "datasets")
_ANNOTATION = ("desc", "type", "labels", "meta")
_OUT_FLAGS = ("cache", "persist", "checkpoint", "remote", "push", *_ANNOTATION)
_PLOT_PROPS = ("template", "x", "y", "x_label", "y_label", "title", "header")
_TOP_PLOT = ("x", "y", "x_label", "y_label", "title", "template")
_STAGE = (
    "cmd", "wdir", "deps", "params", "outs", "metrics", "plots", "vars", "frozen", "meta", "desc",
    "always_changed", "matrix",
)  # fmt: skip
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "text": ((str,), "text"),
    "flag": ((bool,), "true or false"),
    "list": ((list,), "a list"),
    "mapping": ((dict,), "a mapping"),
    "text or list": ((str, list), "text or a list"),
    "anything to loop over": ((str, list, dict), "a list, a mapping or ${...}"),
}
_STAGE_KINDS = {
    "cmd": "text or list",
    "wdir": "text",
    "deps": "list",
    "params": "list",
    "outs": "list",
    "metrics": "list",
    "plots": "list",
    "vars": "list",
    "frozen": "flag",
    "desc": "text",
    "always_changed": "flag",
    "matrix": "mapping",
}
_FLAG_KINDS = {
    "cache": "flag",
    "persist": "flag",
    "checkpoint": "flag",
    "remote": "text",
    "push": "flag",
    "desc": "text",
    "type": "text",
    "labels": "list",
    "template": "text",
    "x": "text",
    "y": "text",
    "x_label": "text",
    "y_label": "text",
    "title": "text",
    "header": "flag",
}


class Checker:
    """Looks at one dvc.yaml and collects what is wrong with it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def problem(
        self, path: Path, code: str, message: str, hint: str | None = None, *, key: bool = False
    ) -> None:
        """Note a problem at the place of a value (or of its key)."""
        span = self._document.span(path, key=key)
        self.problems.append(Problem(f"dvcyaml.{code}", message, span, hint))

    def check(self) -> list[Problem]:
        """Return every problem of the file."""
        data = self._document.value
        if data is None:
            return self.problems
        if not self._kind(data, (), "mapping", "dvc.yaml"):
            return self.problems
        self._keys(data, (), _TOP, "dvc.yaml")
        self._each(data, "vars", self._vars_item)
        for name in ("params", "metrics"):
            self._each(data, name, lambda item, at, name=name: self._kind(item, at, "text", name))  # type: ignore[misc]
        self._each(data, "plots", self._top_plot)
        self._each(data, "datasets", self._data_set)
        if self._optional(data, "artifacts", "mapping"):
            for name, item in data["artifacts"].items():
                self._artifact(item, ("artifacts", name))
        if self._optional(data, "stages", "mapping"):
            for name, item in data["stages"].items():
                self._named_stage(name, item)
        return self.problems

    def _kind(self, value: Any, path: Path, kind: str, what: str) -> bool:
        types, words = _KINDS[kind]
        if isinstance(value, types) and (bool in types or not isinstance(value, bool)):
            return True
        self.problem(path, "type", f"{what} must be {words}, not {_words(value)}")
        return False

    def _optional(self, data: dict[Any, Any], name: str, kind: str, at: Path = ()) -> bool:
        return name in data and self._kind(data[name], (*at, name), kind, name)

    def _each(
        self, data: dict[Any, Any], name: str, check: Callable[[Any, Path], Any], at: Path = ()
    ) -> None:
        if self._optional(data, name, "list", at):
            for index, item in enumerate(data[name]):
                check(item, (*at, name, index))

    def _keys(self, data: dict[Any, Any], at: Path, known: Iterable[str], what: str) -> None:
        known = tuple(known)
        for name in data:
            if name not in known:
                message = f"{what} has no key {name!r}"
                self.problem((*at, name), "unknown-key", message, near(name, known), key=True)

    def _vars_item(self, item: Any, at: Path) -> None:
        if not isinstance(item, str | dict):
            self.problem(at, "type", f"an entry of vars is a file or a mapping, not {_words(item)}")

    def _top_plot(self, item: Any, at: Path) -> None:
        if not isinstance(item, str | dict):
            self.problem(at, "type", f"a plot is a path or a mapping, not {_words(item)}")
            return
        for name, properties in item.items() if isinstance(item, dict) else ():
            if isinstance(properties, dict):
                self._keys(properties, (*at, name), _TOP_PLOT, "a plot")

    def _data_set(self, item: Any, at: Path) -> None:
        if self._kind(item, at, "mapping", "a data set"):
            if "name" not in item:
                self.problem(at, "missing-key", "a data set needs a name", key=True)
            else:
                self._kind(item["name"], (*at, "name"), "text", "name")

    def _artifact(self, item: Any, at: Path) -> None:
        if not self._kind(item, at, "mapping", "an artifact"):
            return
        self._keys(item, at, ("path", *_ANNOTATION), "an artifact")
        if "path" not in item:
            self.problem(at, "missing-key", "an artifact needs a path", key=True)
        else:
            self._kind(item["path"], (*at, "path"), "text", "path")

    def _named_stage(self, name: Any, item: Any) -> None:
        at: Path = ("stages", name)
        if not isinstance(name, str):
            self.problem(at, "type", f"the name of a stage is text, not {_words(name)}", key=True)
            return
        if "@" in name:
            message = f"the name of stage {name} has an @, which stands before what foreach makes"
            self.problem(at, "stage-name", message, key=True)
        if not self._kind(item, at, "mapping", f"stage {name}"):
            return
        if "foreach" not in item and "do" not in item:
            self._stage(item, at, name)
            return
        self._keys(item, at, ("foreach", "do"), f"stage {name} with foreach")
        for needed, other in (("foreach", "do"), ("do", "foreach")):
            if needed not in item:
                self.problem((*at, other), "missing-key", f"{other} needs {needed}", key=True)
        self._optional(item, "foreach", "anything to loop over", at)
        if self._optional(item, "do", "mapping", at):
            self._stage(item["do"], (*at, "do"), name)

    def _stage(self, item: dict[Any, Any], at: Path, name: str) -> None:
        self._keys(item, at, _STAGE, f"stage {name}")
        if not item.get("cmd"):
            self.problem(at, "missing-key", f"stage {name} has no cmd", key=True)
        for key, kind in _STAGE_KINDS.items():
            self._optional(item, key, kind, at)
        for key in ("outs", "metrics", "plots"):
            self._outs(item.get(key), (*at, key), key)
        for index, dep in enumerate(_list(item.get("deps"))):
            self._kind(dep, (*at, "deps", index), "text", "a dependency")
        for index, param in enumerate(_list(item.get("params"))):
            self._param(param, (*at, "params", index))
        for index, entry in enumerate(_list(item.get("vars"))):
            self._vars_item(entry, (*at, "vars", index))
        for index, line in enumerate(_list(item.get("cmd"))):
            if not isinstance(line, str | int | float):
                self.problem((*at, "cmd", index), "type", "a command must be text")
        matrix = item.get("matrix")
        for dimension, values in matrix.items() if isinstance(matrix, dict) else ():
            self._kind(values, (*at, "matrix", dimension), "text or list", f"matrix {dimension}")

    def _param(self, item: Any, at: Path) -> None:
        if isinstance(item, str):
            return
        if not isinstance(item, dict):
            words = "a parameter is a name, or a file with names"
            self.problem(at, "type", f"{words}, not {_words(item)}")
            return
        for file, keys in item.items():
            if keys is not None and not isinstance(keys, list):
                message = f"the parameters of {file} must be a list"
                self.problem((*at, file), "type", message, f"write `{file}: [name]`")
            for index, key in enumerate(_list(keys)):
                self._kind(key, (*at, file, index), "text", "the name of a parameter")

    def _outs(self, items: Any, at: Path, section: str) -> None:
        known = _OUT_FLAGS + (_PLOT_PROPS if section == "plots" else ())
        for index, item in enumerate(_list(items)):
            if isinstance(item, str):
                continue
            if not isinstance(item, dict) or not item:
                words = "a path, or one path with its flags"
                self.problem((*at, index), "type", f"an entry of {section} is {words}")
                continue
            for path, flags in item.items():
                place = (*at, index, path)
                if isinstance(flags, list) and section == "plots":
                    continue
                if self._kind(flags, place, "mapping", f"the flags of {path}"):
                    self._keys(flags, place, known, f"an entry of {section}")
                    for flag, kind in _FLAG_KINDS.items():
                        self._optional(flags, flag, kind, place)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _words(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"the number {value}" if isinstance(value, int | float) else f"the text {value[:40]!r}"


def near(name: object, known: Iterable[str]) -> str | None:
    """Return "did you mean" for a word that is close to a known one."""
    from difflib import get_close_matches

    matches = get_close_matches(str(name), list(known), n=1)
    return f"did you mean {matches[0]!r}?" if matches else None
