# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH100, PTH118, PTH123, PTH206
"""`.dvcignore`: which files below the project DVC does not see.

Patterns are those of `.gitignore`. A file stands in a directory above the artifact, never in it
(DVC refuses that too).
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import NamedTuple

from penstock.errors import ConfigError, Span

NAME = ".dvcignore"
_ALWAYS = (".hg/", ".git/", ".git", ".dvc/")


class Rule(NamedTuple):
    """One pattern, for paths of the project; those of directories end with a slash."""

    expression: re.Pattern[str]
    negated: bool


class Ignore:
    """The rules that hold in one directory, from the project's root down to it.

    Args:
        root: directory that holds `.dvc`.
        path: an absolute path below it; rules of the directories above it are read.

    Raises:
        ConfigError: ``artifacts.ignore-file`` with the line.
    """

    def __init__(self, root: Path, path: Path) -> None:
        self._root = os.path.abspath(root)
        relative = os.path.relpath(os.path.abspath(path), self._root)
        self.outside = relative == ".." or relative.startswith(f"..{os.sep}")
        self._rules = [] if self.outside else [_rule(pattern, "") for pattern in _ALWAYS]
        self._hidden = False
        parts = [] if relative == "." or self.outside else relative.split(os.sep)
        above = ""
        for part in ["", *parts]:
            above = f"{above}/{part}" if above else part
            self._hidden = self._hidden or bool(above and self._last_match(f"{above}/"))
            if above != "/".join(parts) or not parts:
                self._read(above)

    @functools.cached_property
    def trivial(self) -> bool:
        """Whether only the built-in rules hold."""
        return len(self._rules) <= len(_ALWAYS) and not self._hidden

    def ignores(self, relative: str, *, is_dir: bool) -> bool:
        """Return whether a path is ignored, given that no directory above it is.

        Args:
            relative: posix, to the project's root.
            is_dir: whether it is a directory.
        """
        return self._hidden or self._last_match(f"{relative}/" if is_dir else relative)

    def _last_match(self, name: str) -> bool:
        """Whether the last rule that matches is one that ignores."""
        for rule in reversed(self._rules):
            if rule.expression.match(name):
                return not rule.negated
        return False

    def _read(self, base: str) -> None:
        """Add the rules of one directory."""
        path = os.path.join(self._root, base, NAME)
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(path, f"cannot be read: {error}", 1) from error
        for number, line in enumerate(lines, 1):
            pattern = line.strip()
            if not pattern or pattern.startswith("#"):
                continue
            try:
                self._rules.append(_rule(pattern, base))
            except (re.error, ValueError) as error:
                what = f"has the pattern {pattern!r}, which cannot be read"
                raise _unreadable(path, what, number) from error


def _rule(pattern: str, base: str) -> Rule:
    """Compile one pattern of the file in the directory `base`."""
    negated = pattern.startswith("!")
    segments = pattern.removeprefix("!").split("/")
    directories_only = segments[-1] == ""
    if directories_only:
        segments.pop()
    if segments and segments[0] == "":
        segments.pop(0)
    elif len(segments) == 1:
        segments.insert(0, "**")
    below = re.escape(f"{base}/") if base else ""
    last = len(segments) - 1
    for at, segment in enumerate(segments):
        if segment == "**" and at < last:
            below += "(?:.*/)?"
        elif segment == "**":
            below += ".*"
        else:
            below += ("[^/]+" if segment == "*" else _glob(segment)) + ("/" if at < last else "")
    end = "/" if directories_only else "/?"
    return Rule(re.compile(f"{below}{end}\\Z", re.DOTALL), negated)


def _glob(segment: str) -> str:
    """Translate a pattern for one name to a regular expression.

    Raises:
        ValueError: when a bracket is not closed or nothing follows a backslash.
    """
    out, at = [], 0
    while at < len(segment):
        char = segment[at]
        at += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = segment.index("]", at + (2 if segment[at : at + 1] in ("!", "^") else 1))
            inside = segment[at:end]
            negated = inside[:1] in ("!", "^")
            inside = (inside[1:] if negated else inside).replace("\\", "\\\\")
            inside = inside.replace("[", "\\[").replace("]", "\\]")
            out.append(f"[{'^/' if negated else ''}{inside}]")
            at = end + 1
        elif char == "\\":
            if at == len(segment):
                raise ValueError(segment)
            out.append(re.escape(segment[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _unreadable(path: str, what: str, line: int) -> ConfigError:
    return ConfigError(f"{path} {what}", code="artifacts.ignore-file", span=Span(path, line, 1))
