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

from penstock.errors import ConfigError, Span

NAME = ".dvcignore"
_ALWAYS = (".hg/", ".git/", ".git", ".dvc/")


class Ignore:
    """The rules that hold in one directory, from the project's root down to it.

    Args:
        root: directory that holds `.dvc`.
        path: an absolute path below it; rules of the directories above it are read.
    """

    def __init__(self, root: Path, path: Path) -> None:
        self._root = os.path.abspath(root)
        self._rules = [_rule(pattern, "", "", 0) for pattern in _ALWAYS]
        relative = os.path.relpath(os.path.abspath(path), self._root)
        self.outside = relative == ".." or relative.startswith(f"..{os.sep}")
        if self.outside:
            self._rules = []
            return
        parts = [] if relative == "." else relative.split(os.sep)
        for depth in range(max(len(parts), 1)):
            self._read("/".join(parts[:depth]))

    @functools.cached_property
    def trivial(self) -> bool:
        """Whether only the built-in rules hold."""
        return len(self._rules) <= len(_ALWAYS)

    def ignores(self, relative: str, *, is_dir: bool) -> bool:
        """Return whether the last part of a path is ignored; its parents are not looked at.

        Args:
            relative: posix, to the project's root.
        """
        name = f"{relative}/" if is_dir else relative
        for expression, negated in reversed(self._rules):
            if expression.match(name):
                return not negated
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
            raise ConfigError(
                f"{path} cannot be read: {error}",
                code="artifacts.ignore-file",
                span=Span(path, 1, 1),
            ) from error
        for number, line in enumerate(lines, 1):
            pattern = line.strip()
            if pattern and not pattern.startswith("#"):
                self._rules.append(_rule(pattern, base, path, number))


def _rule(pattern: str, base: str, file: str, line: int) -> tuple[re.Pattern[str], bool]:
    """Compile one pattern; the expression matches paths, of directories with a final slash."""
    negated = pattern.startswith("!")
    body = pattern[1:] if negated else pattern
    directories = body.endswith("/")
    body = body.rstrip("/")
    anchored = "/" in body
    body = body.removeprefix("/")
    prefix = re.escape(f"{base}/") if base else ""
    where = "" if anchored else "(?:.*/)?"
    tail = "/" if directories else "/?"
    try:
        return re.compile(f"{prefix}{where}{_glob(body)}{tail}\\Z", re.DOTALL), negated
    except re.error as error:
        raise ConfigError(
            f"the pattern {pattern!r} cannot be read: {error}",
            code="artifacts.ignore-file",
            span=Span(file, line, 1),
        ) from error


def _glob(pattern: str) -> str:
    """Translate a pattern of `.gitignore` to a regular expression."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            out.append("(?:.*/)?")
            at += 3
        elif pattern[at:] == "**" and (at == 0 or pattern[at - 1] == "/"):
            out.append(".+")
            at += 2
        elif char == "*":
            out.append("[^/]*")
            at += 1
        elif char == "?":
            out.append("[^/]")
            at += 1
        elif char == "[" and (found := re.match(r"\[([!^]?)(\]?[^\]]*)\]", pattern[at:])):
            body = found[2].replace("\\", "\\\\").replace("[", "\\[")
            out.append(f"[{'^/' if found[1] else ''}{body}]")
            at += found.end()
        elif char == "\\" and at + 1 < len(pattern):
            out.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            out.append(re.escape(char))
            at += 1
    return "".join(out)
