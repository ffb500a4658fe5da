"""Reads YAML with the place of every value: one reader for every file that a person wrote.

PyYAML's C composer builds the nodes (each knows its line and column); we turn them into plain
values by the rules of YAML 1.2 (`penstock.config.scalars`). Places cost nothing until somebody
asks for one: `Document.span` walks the nodes then.

Whatever the file holds, the only exception is `ConfigError`: bad UTF-8, tabs, unclosed brackets,
keys that stand twice, anchors that contain themselves, aliases that unfold into gigabytes and
brackets nested a thousand deep included.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from penstock.config import scalars, syntax
from penstock.config.naming import shown
from penstock.errors import ConfigError, Problem, Span

PathKey = str | int | float | bool | None
"""One step into a document: the key of a mapping or the index of a list."""

_Pairs = dict[Any, tuple[Node, Node]]
"""The nodes of a key and of its value, by key."""
MAX_DEPTH = 100
"""Deepest nesting that is read; the C composer's stack and Python's are far from full there."""
MAX_NODES = 1_000_000
"""Most values that a file may unfold into through its aliases."""

_PLAIN = "?"
_MAYBE_DEEP = 60
"""Brackets, or columns of indentation, from which the depth is measured before it is read."""
_DEEP = re.compile(rf"^[ \t?:-]{{{_MAYBE_DEEP},}}", re.MULTILINE)
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain values, and where each of them stands.

    Attributes:
        file: the name for messages.
        text: what was read.
        value: plain values: dict, list, str, int, float, bool, None. Aliases share one object:
            do not change it in place.
    """

    file: str
    text: str
    value: Any
    _root: Node | None = field(repr=False, default=None)
    _pairs: dict[int, _Pairs] = field(repr=False, compare=False, default_factory=dict)

    def span(self, path: Sequence[Any] = (), *, key: bool = False) -> Span:
        """Return the place of a value; of the nearest one around it where there is none.

        Args:
            path: keys and indices from the root, such as ``("stages", "train", "deps", 0)``.
            key: the place of the last key itself instead of its value.
        """
        node, found = self._root, self._root
        for step in path:
            pair = self._child(node, step)
            if pair is None:
                break
            found, node = pair if key else (pair[1], pair[1])
        return self._span(found)

    def _child(self, node: Node | None, step: Any) -> tuple[Node, Node] | None:
        """Return the nodes of a key and its value; of an item twice."""
        if isinstance(node, SequenceNode):
            if isinstance(step, int) and -len(node.value) <= step < len(node.value):
                return node.value[step], node.value[step]
            return None
        if not isinstance(node, MappingNode) or not isinstance(step, Hashable):
            return None
        if id(node) not in self._pairs:
            self._pairs[id(node)] = _pairs(node)
        return self._pairs[id(node)].get(step)

    def _span(self, node: Node | None) -> Span:
        if node is None:
            return Span(self.file, 1, 1)
        start, end = node.start_mark, node.end_mark
        last = end.column + 1 if end.line == start.line and end.column > start.column else None
        return Span(self.file, start.line + 1, start.column + 1, last)


def read(source: Path | str, *, file: str | None = None, dates: bool = False) -> Document:
    """Read a YAML file, or a text.

    Args:
        source: a `Path` is opened; a `str` is the text itself.
        file: the name for messages; by default the path as seen from the current directory.
        dates: whether ``2013-01-31`` becomes a `datetime.date`, as in DVC.

    Raises:
        ConfigError: ``yaml.not-found``, ``yaml.unreadable``, ``yaml.encoding``, ``yaml.syntax``,
            ``yaml.duplicate-key``, ``yaml.too-deep``, ``yaml.aliases``, ``yaml.tag``, ``yaml.key``.
    """
    if isinstance(source, Path):
        file = file or shown(source)
        text = syntax.text_of(source, file)
    else:
        file, text = file or "<text>", source.removeprefix("\ufeff")
    root = _compose(text, file)
    if root is None:
        return Document(file, text, None)
    document = Document(file, text, None, root)
    build = _Build(document, dates=dates)
    value = build(root)
    if build.problems:
        raise ConfigError.of(build.problems)
    if build.shared and _size(root, {}) > MAX_NODES:
        raise ConfigError(
            f"the aliases of {file} unfold into more than {MAX_NODES:,} values",
            code="yaml.aliases",
            span=document._span(root),
            hint="write the values out, or refer to fewer of them",
        )
    return Document(file, text, value, root)


class _Composer(CParser):
    """libyaml's composer, with nothing resolved: a plain scalar is marked as such, no more."""

    def descend_resolver(self, _parent: Node | None, _index: Any) -> None:
        """Path resolvers are not used."""

    def ascend_resolver(self) -> None:
        """Path resolvers are not used."""

    def resolve(self, kind: type[Node], _value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none."""
        if kind is ScalarNode:
            return _PLAIN if implicit[0] else _TAG + "str"
        return _TAG + ("map" if kind is MappingNode else "seq")


def _compose(text: str, file: str) -> Node | None:
    try:
        if text.count("[") + text.count("{") > _MAYBE_DEEP or _DEEP.search(text):
            _refuse_depth(text, file)
        return _Composer(text).get_single_node()
    except (yaml.YAMLError, UnicodeError) as error:
        raise syntax.explain(error, text, file) from None


def _refuse_depth(text: str, file: str) -> None:
    """Raise where the nesting is deeper than `MAX_DEPTH`; events do not recurse, nodes do."""
    parser, depth = _Composer(text), 0
    while (event := parser.get_event()) is not None:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            mark: Any = event.start_mark
            raise ConfigError(
                f"nested more than {MAX_DEPTH} levels deep",
                code="yaml.too-deep",
                span=Span(file, mark.line + 1, mark.column + 1),
                hint="a closing bracket may be missing further up",
            )


class _Build:
    """Turns nodes into plain values and notes every problem on the way."""

    def __init__(self, document: Document, *, dates: bool) -> None:
        self.document = document
        self.dates = dates
        self.problems: list[Problem] = []
        self.shared = False
        self._open: set[int] = set()
        self._done: dict[int, Any] = {}

    def __call__(self, node: Node) -> Any:
        if isinstance(node, ScalarNode):
            text = node.value
            if node.tag == _PLAIN:
                return scalars.resolve(text, dates=self.dates)
            return text if node.tag == _TAG + "str" else self._tagged(node)
        place = id(node)
        if place in self._done:
            self.shared = True
            return self._done[place]
        if place in self._open:
            self._problem("yaml.aliases", "this anchor contains itself", node)
            return None
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self._unknown_tag(node)
        self._open.add(place)
        value: Any
        if isinstance(node, MappingNode):
            value = self._mapping(node)
        else:
            value = [self(item) for item in node.value]
        self._open.discard(place)
        self._done[place] = value
        return value

    def _mapping(self, node: MappingNode) -> dict[Any, Any]:
        value: dict[Any, Any] = {}
        first: dict[Any, Node] = {}
        merged: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if _merges(key_node):
                self._merge(merged, value_node)
                continue
            key = self(key_node)
            if not isinstance(key_node, ScalarNode) or not isinstance(key, Hashable):
                hint = "quote it: `\"[a]\": ...`; or is it a template? then write `'${name}'`"
                self._problem("yaml.key", "a key must be plain text", key_node, hint)
            elif key in first:
                line = first[key].start_mark.line + 1
                hint = f"keep one of them (the first is in line {line})"
                self._problem("yaml.duplicate-key", f"key {key!r} stands twice", key_node, hint)
            else:
                first[key] = key_node
                value[key] = self(value_node)
        return {**merged, **value} if merged else value

    def _merge(self, merged: dict[Any, Any], node: Node) -> None:
        parts = node.value if isinstance(node, SequenceNode) else [node]
        for part in parts:
            value = self(part)
            if isinstance(value, dict):
                for key, item in value.items():
                    merged.setdefault(key, item)
            else:
                hint = "`<<` takes `*anchor` of a mapping, or a list of such"
                self._problem("yaml.merge", "only mappings can be merged", part, hint)

    def _tagged(self, node: ScalarNode) -> Any:
        text = node.value
        try:
            match node.tag.removeprefix(_TAG):
                case "int":
                    return scalars.whole(text)
                case "float":
                    return float(scalars.resolve(text))
                case "bool" | "null" | "timestamp":
                    return scalars.resolve(text, dates=self.dates)
        except (TypeError, ValueError):
            self._problem("yaml.tag", f"{text!r} is not what its tag says", node)
            return None
        return self._unknown_tag(node)

    def _unknown_tag(self, node: Node) -> None:
        tag = node.tag.replace(_TAG, "!!")
        hint = "remove the tag, or quote the text if the `!` belongs to it"
        self._problem("yaml.tag", f"unknown tag {tag!r}", node, hint)

    def _problem(self, code: str, message: str, node: Node, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, self.document._span(node), hint))


def _merges(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == _PLAIN and node.value == "<<"


def _pairs(node: Node) -> _Pairs:
    """Return the nodes of each key and its value; what is merged in counts last."""
    found: _Pairs = {}
    if not isinstance(node, MappingNode):
        return found
    for key, value in node.value:
        if isinstance(key, ScalarNode) and not _merges(key):
            found.setdefault(_key(key), (key, value))
    for key, value in node.value:
        if _merges(key):
            for part in value.value if isinstance(value, SequenceNode) else [value]:
                found = {**_pairs(part), **found}
    return found


def _key(node: ScalarNode) -> Any:
    return scalars.resolve(node.value, dates=True) if node.tag == _PLAIN else node.value


def _size(node: Node, known: dict[int, int]) -> int:
    """Return how many values a node unfolds into; shared nodes are counted once and added often."""
    if isinstance(node, ScalarNode):
        return 1
    place = id(node)
    if place not in known:
        pairs = node.value if isinstance(node, SequenceNode) else [x for p in node.value for x in p]
        known[place] = 1 + sum(_size(item, known) for item in pairs)
    return known[place]
