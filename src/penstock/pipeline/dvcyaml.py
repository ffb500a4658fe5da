"""One dvc.yaml: checked, filled in, expanded into stages."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

from penstock.config.source import Document
from penstock.domain.pipeline import Dependency, Output, ParamsFile, Place, Stage
from penstock.errors import ConfigError, Problem
from penstock.pipeline import parameters, resources
from penstock.pipeline.addresses import is_url, join, recorded
from penstock.pipeline.datasets import Found, is_data_set
from penstock.pipeline.schema import Checker
from penstock.pipeline.template import Context, TemplateError, as_text, has_expression, resolve

Path = tuple[str | int, ...]
Load = Callable[[str], Any]
"""Reads a parameter file by its path below the project; None when there is none."""


class DvcYaml:
    """Reads the stages of one dvc.yaml.

    Args:
        document: the file.
        folder: its directory, posix, relative to the project's root; "" for the root.
        load: reads parameter files.
        setting: returns one of DVC's settings of the section ``parsing``, "" when it is not set.
        root: of the project, for absolute paths.
    """

    def __init__(
        self,
        document: Document,
        folder: str,
        load: Load,
        setting: Callable[[str], str],
        root: str = "",
    ) -> None:
        self._document = document
        self._folder = folder
        self._load = load
        self._root = root
        self._checker = Checker(document)
        self._context = Context(
            bools=setting("bool") or "store_true", lists=setting("list") or "nargs"
        )

    def read(self) -> tuple[list[Stage], list[Problem]]:
        """Return the stages, and every problem."""
        problems = self._checker.check()
        data = self._document.value or {}
        if problems:
            return [], problems
        self._vars(self._context, data.get("vars") or [], self._folder, (), default=True)
        stages: list[Stage] = []
        if not problems:
            for name, definition in (data.get("stages") or {}).items():
                stages += self._definition(name, definition)
        return stages, problems

    def listed(self, section: str) -> list[str]:
        """Return the paths that a top-level section names, relative to the root."""
        paths: list[str] = []
        data = self._document.value or {}
        for item in data.get(section) or ():
            if isinstance(item, str):
                names = [item]
            else:
                names = [str(name) for name in item] if isinstance(item, dict) else []
            for name in names:
                value = self._fill(name, self._context, (section,), None)
                if isinstance(value, str):
                    paths.append(join(self._folder, value))
        return paths

    def artifacts(self) -> dict[str, dict[str, Any]]:
        """Return what the section `artifacts` says, filled in, by name."""
        data = self._document.value or {}
        found = {}
        for name, item in (data.get("artifacts") or {}).items():
            value = self._fill(item, self._context, ("artifacts", name), None)
            if isinstance(value, dict):
                found[str(name)] = {**value, "path": join(self._folder, str(value["path"]))}
        return found

    def datasets(self, file: str) -> Found:
        """Return what the section `datasets` says, filled in, by name."""
        data = self._document.value or {}
        found: Found = {}
        for index, item in enumerate(data.get("datasets") or ()):
            value = self._fill(item, self._context, ("datasets", index), None)
            if isinstance(value, dict):
                found[as_text(value["name"])] = (file, value, self._place(("datasets", index)))
        return found

    def _vars(
        self, context: Context, entries: list[Any], wdir: str, at: Path, *, default: bool
    ) -> None:
        first = [parameters.DEFAULT] if default else []
        for index, entry in enumerate(entries):
            if _has_expression(entry):
                message = "vars are where values come from; ${...} cannot stand in them"
                self._checker.problem((*at, "vars", index), "template", message)
        for index, entry in enumerate([*first, *entries]):
            place: Path = (*at, "vars", index - len(first)) if index >= len(first) else ()
            if isinstance(entry, dict):
                self._try(place, lambda e=entry, p=place: context.merge(e, f"vars[{p[-1]}]"))  # type: ignore[misc]
            else:
                optional = index < len(first)
                self._try(
                    place,
                    lambda e=entry, o=optional: self._import(context, e, wdir, optional=o),  # type: ignore[misc]
                )

    def _try(self, at: Path, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except TemplateError as error:
            self._checker.problem(at, "template", str(error))
        except RecursionError:
            self._checker.problem(at, "template", "nested too deeply")
        return None

    def _import(self, context: Context, entry: str, wdir: str, *, optional: bool) -> None:
        path, _, names = entry.partition(":")
        full = join(wdir, path)
        keys = [name for name in names.split(",") if name]
        known = context.imports.get(full, ...)
        if known is None and not keys:
            return
        if known is not ... and (known is None or not keys or set(keys) & set(known)):
            raise TemplateError(f"{full} is loaded already")
        try:
            values = self._load(full)
        except ConfigError as error:
            self._checker.problems.extend(error.problems)
            return
        if values is None:
            if optional:
                return
            raise TemplateError(f"the file {full} does not exist")
        if not isinstance(values, dict):
            raise TemplateError(f"{full} does not hold names and values")
        missing = [key for key in keys if key not in values]
        if missing:
            raise TemplateError(f"{full} has nothing called {missing[0]!r}")
        context.merge({key: values[key] for key in keys} if keys else values, full)
        present = context.imports.get(full)
        context.imports[full] = [*(present or []), *keys] if keys else None

    def _fill(self, value: Any, context: Context, at: Path, key: str | None) -> Any:
        return self._try(at, lambda: resolve(value, context, key=key))

    def _definition(self, name: str, definition: dict[str, Any]) -> Iterator[Stage]:
        at: Path = ("stages", name)
        if "foreach" in definition:
            yield from self._foreach(name, definition, at)
        elif "matrix" in definition:
            yield from self._matrix(name, definition, at)
        else:
            yield from self._stage(name, definition, self._context, at, group=None)

    def _foreach(self, name: str, definition: dict[str, Any], at: Path) -> Iterator[Stage]:
        before = len(self._checker.problems)
        raw = definition["foreach"]
        data = self._fill(raw, self._context, (*at, "foreach"), None)
        if isinstance(data, dict):
            pairs = [
                (as_text(key), {"item": item, "key": as_text(key)}) for key, item in data.items()
            ]
        elif isinstance(data, list):
            nested = any(isinstance(item, dict | list) for item in data)
            pairs = [
                (as_text(index) if nested else _name_of(item, raw, index), {"item": item})
                for index, item in enumerate(data)
            ]
        else:
            if len(self._checker.problems) == before:
                self._checker.problem(
                    (*at, "foreach"), "type", "foreach needs a list or a mapping to go over"
                )
            return
        yield from self._expand(name, definition["do"], dict(pairs), (*at, "do"))

    def _matrix(self, name: str, definition: dict[str, Any], at: Path) -> Iterator[Stage]:
        from itertools import product

        data = self._fill(definition["matrix"], self._context, (*at, "matrix"), None)
        if not isinstance(data, dict):
            return
        if not data:
            self._checker.problem((*at, "matrix"), "type", "matrix has no values to go over")
            return
        for dimension, values in data.items():
            if not isinstance(values, list | dict):
                message = f"matrix {dimension} needs a list of values"
                self._checker.problem((*at, "matrix", dimension), "type", message)
                return
        pairs: dict[str, dict[str, Any]] = {}
        for combination in product(*(enumerate(values) for values in data.values())):
            words = [
                f"{dimension}{index}"
                if isinstance(value, dict | list)
                else _name_of(value, definition["matrix"][dimension], index)
                for dimension, (index, value) in zip(data, combination, strict=True)
            ]
            item = {
                dimension: value for dimension, (_, value) in zip(data, combination, strict=True)
            }
            pairs["-".join(words)] = {"item": item, "key": "-".join(words)}
        template = {key: value for key, value in definition.items() if key != "matrix"}
        yield from self._expand(name, template, pairs, at)

    def _expand(
        self, name: str, template: dict[str, Any], pairs: dict[str, dict[str, Any]], at: Path
    ) -> Iterator[Stage]:
        context = self._context
        for key, names in pairs.items():
            filled = Context(
                {**context.values, **names}, context.imports, context.bools, context.lists
            )
            before = len(self._checker.problems)
            yield from self._stage(f"{name}@{key}", template, filled, at, group=name)
            if len(self._checker.problems) > before:
                return  # the others have the same problem

    def _stage(
        self, name: str, raw: dict[str, Any], context: Context, at: Path, *, group: str | None
    ) -> Iterator[Stage]:
        before = len(self._checker.problems)
        wdir = self._folder
        if raw.get("wdir"):
            filled_wdir = self._fill(raw["wdir"], context, (*at, "wdir"), "wdir")
            wdir = join(self._folder, "" if filled_wdir is None else as_text(filled_wdir))
        if raw.get("vars"):
            context = context.copy()
            self._vars(context, raw["vars"], wdir, at, default=False)
        filled = {
            key: self._fill(value, context, (*at, key), key)
            for key, value in raw.items()
            if key not in ("vars", "wdir")
        }
        if len(self._checker.problems) == before and filled.get("cmd") in (None, ""):
            self._checker.problem((*at, "cmd"), "missing-key", f"the cmd of {name} is empty")
        if len(self._checker.problems) > before:
            return
        yield self._build(name, filled, wdir, at, group)

    def _build(
        self, name: str, raw: dict[str, Any], wdir: str, at: Path, group: str | None
    ) -> Stage:
        def report(path: tuple[str, ...], code: str, message: str, hint: str | None) -> None:
            self._checker.problem((*at, "meta", "penstock", *path), code, message, hint, key=True)

        file = join(self._folder, "dvc.yaml")
        cmd = raw["cmd"]
        return Stage(
            address=name if not self._folder else f"{file}:{name}",
            name=name,
            file=file,
            wdir=wdir or ".",
            cmd=[as_text(line) for line in cmd] if isinstance(cmd, list) else as_text(cmd),
            place=self._place(at[:2], key=True),
            deps=tuple(self._deps(raw.get("deps") or (), wdir, (*at, "deps"))),
            params=tuple(self._params(raw.get("params") or (), wdir, (*at, "params"))),
            outs=tuple(self._outs(raw, wdir, at)),
            frozen=raw.get("frozen") is True,
            always_changed=raw.get("always_changed") is True,
            desc=raw.get("desc"),
            group=group,
            resources=resources.read(raw.get("meta"), report),
        )

    def _place(self, path: Path, *, key: bool = False) -> Place:
        span = self._document.span(path, key=key)
        return (span.file, span.line, span.column)

    def _deps(self, items: Any, wdir: str, at: Path) -> Iterator[Dependency]:
        for index, item in enumerate(items):
            path = as_text(item)
            if is_data_set(path):
                yield Dependency(path, path, self._place((*at, index)))
                continue
            if is_url(path):
                if self._reached(path, "dependency", (*at, index)):
                    yield Dependency(path, path.rstrip("/"), self._place((*at, index)))
                continue
            if _is_dvc_file(path):
                message = f"{path} is a file of DVC, which cannot be a dependency"
                self._checker.problem((*at, index), "dvc-file", message)
                continue
            path = recorded(path, wdir, self._root)
            yield Dependency(path, join(wdir, path), self._place((*at, index)))

    def _params(self, items: Any, wdir: str, at: Path) -> Iterator[ParamsFile]:
        files: dict[str, list[str] | None] = {}
        places: dict[str, Path] = {}
        for index, item in enumerate(items):
            entries = item.items() if isinstance(item, dict) else [(parameters.DEFAULT, [item])]
            for file, keys in entries:
                path = as_text(file)
                places.setdefault(path, (*at, index))
                present = files.get(path, [])
                if not keys or present is None:
                    files[path] = None
                else:
                    files[path] = [*present, *(as_text(key) for key in keys)]
        for path, keys in files.items():
            place = self._place(places[path])
            # Of these, unlike of all else, DVC records the normal form.
            path = posixpath.normpath(recorded(path, wdir, self._root))
            yield ParamsFile(path, join(wdir, path), place, tuple(keys or ()))

    def _outs(self, raw: dict[str, Any], wdir: str, at: Path) -> Iterator[Output]:
        for section, kind in (("outs", "out"), ("metrics", "metric"), ("plots", "plot")):
            for path, (index, flags) in _merged(raw.get(section) or ()).items():
                where = (*at, section, index)
                if _is_dvc_file(path):
                    message = f"{path} is a file of DVC, which cannot be an output"
                    self._checker.problem(where, "dvc-file", message)
                    continue
                if is_url(path) and not self._may_write(path, flags, where):
                    continue
                path = recorded(path, wdir, self._root)
                yield Output(
                    path,
                    path.rstrip("/") if is_url(path) else join(wdir, path),
                    self._place(where),
                    kind,
                    cache=flags.get("cache", True),
                    persist=flags.get("persist", False) or flags.get("checkpoint", False),
                    push=flags.get("push", True),
                    remote=flags.get("remote"),
                )

    def _reached(self, path: str, what: str, at: Path) -> bool:
        from penstock.artifacts.external import is_reached

        if is_reached(path):
            return True
        message = f"the {what} {path} is at an address of a kind that is not understood"
        hint = "http, https, s3, gs, azure, ssh and remote:// are; else track it with `dvc import`"
        self._checker.problem(at, "external", message, hint)
        return False

    def _may_write(self, path: str, flags: dict[str, Any], at: Path) -> bool:
        if not self._reached(path, "output", at):
            return False
        if path.startswith(("http://", "https://")):
            message = f"the output {path} is on a web server, where nothing can be removed"
            self._checker.problem(at, "external", message, "write it elsewhere")
            return False
        if flags.get("cache", True):
            message = f"the output {path} lies outside the project, where the cache cannot keep it"
            hint = "say `cache: false`, as DVC 3 wants it, or write it within the project"
            self._checker.problem(at, "external", message, hint)
            return False
        return True


def _merged(items: Any) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return where each path is named first, and its flags: of all entries for it, as in DVC."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for index, item in enumerate(items):
        for path, flags in item.items() if isinstance(item, dict) else [(item, {})]:
            first, known = found.get(as_text(path), (index, {}))
            given = flags if isinstance(flags, dict) else {}
            found[as_text(path)] = (first, {**known, **given})
    return found


def _name_of(value: Any, raw: Any, index: int) -> str:
    """Return the name that an element gives to a stage.

    DVC writes `true` for one that stands in the list itself, but `True` for one that an
    expression brought there.
    """
    written = raw[index] if isinstance(raw, list) else raw
    return str(value) if isinstance(written, str) else as_text(value)


def _has_expression(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_expression(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return any(_has_expression(one) for one in value)
    return isinstance(value, str) and has_expression(value)


def _is_dvc_file(path: str) -> bool:
    return path.endswith(".dvc") or posixpath.basename(path) == "dvc.yaml"
