"""Tokens of the condition language, and errors that point at them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from penstock.errors import ConfigError, Span

LONGEST = 2000
"""Characters that a condition may have."""

EXAMPLE = "for example: candidate.accuracy - champion.accuracy > -0.01 +/- 0.01"

UNITS: dict[str, tuple[float, str]] = {
    "%": (0.01, ""),
    "us": (1e-6, "s"),
    "ms": (1e-3, "s"),
    "s": (1.0, "s"),
    "min": (60.0, "s"),
    "B": (1.0, "bytes"),
    "KB": (1e3, "bytes"),
    "kB": (1e3, "bytes"),
    "MB": (1e6, "bytes"),
    "GB": (1e9, "bytes"),
    "KiB": (2.0**10, "bytes"),
    "MiB": (2.0**20, "bytes"),
    "GiB": (2.0**30, "bytes"),
}
"""Unit to its factor and dimension."""

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<unit>%|[A-Za-z_]\w*)?
    | (?P<name>[^\W\d]\w*)
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<op>\+/-|±|/\\|>=|<=|[-+*/<>=().,:])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a condition.

    Attributes:
        kind: ``number``, ``name``, ``text``, ``op`` or ``end``.
        text: as written.
        column: where it begins, from 1.
        value, unit: of a number.
    """

    kind: str
    text: str
    column: int
    value: float = 0.0
    unit: str | None = None

    @property
    def end(self) -> int:
        """The column after the last letter."""
        return self.column + max(len(self.text), 1)


class Tokens:
    """The tokens of a text, read one after the other.

    Raises:
        ConfigError: ``gates.syntax`` or ``gates.bad-number`` for what is no token at all.
    """

    def __init__(self, text: str, span: Span | None) -> None:
        self.text = text
        self._span = span
        self._at = 0
        if len(text) > LONGEST:
            raise self.error("gates.syntax", f"a condition has at most {LONGEST} characters", 1)
        self._tokens = list(self._split())

    def _split(self) -> Iterable[Token]:
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                raise self.error("gates.syntax", f"cannot read {self.text[at]!r}", at + 1)
            if match.lastgroup != "space":
                yield self._token(match)
            at = match.end()
        yield Token("end", "", len(self.text.rstrip()) + 1)

    def _token(self, match: re.Match[str]) -> Token:
        column = match.start() + 1
        if match["number"] is None:
            return Token(str(match.lastgroup), match.group(), column)
        value = float(match["number"])
        if not math.isfinite(value):
            raise self.error("gates.bad-number", f"{match['number']} is too large", column)
        return Token("number", match.group(), column, value, match["unit"])

    @property
    def now(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._at]

    @property
    def next(self) -> Token:
        """The token after `now`."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    @property
    def last(self) -> Token:
        """The token that was taken last."""
        return self._tokens[max(self._at - 1, 0)]

    def take(self) -> Token:
        """Return the next token and go past it."""
        token = self.now
        self._at += token.kind != "end"
        return token

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these words or signs."""
        return self.now.kind in {"op", "name"} and self.now.text in texts

    def expect(self, text: str, after: str) -> Token:
        """Take a sign that must stand here."""
        if not self.at(text):
            raise self.unexpected(f"{text!r} {after}")
        return self.take()

    def name(self, wanted: str) -> Token:
        """Take a name that must stand here."""
        if self.now.kind != "name":
            raise self.unexpected(wanted)
        return self.take()

    def number(self, wanted: str) -> tuple[float, str]:
        """Take a number; return it in seconds, bytes or plain, and its dimension (or ``%``)."""
        token = self.now
        if token.kind != "number":
            raise self.unexpected(wanted)
        self.take()
        if token.unit is None:
            return token.value, ""
        if token.unit not in UNITS:
            hint = suggest(token.unit, UNITS) or f"units are {', '.join(UNITS)}"
            raise self.error("gates.wrong-unit", f"unknown unit {token.unit!r}", token, hint)
        factor, dimension = UNITS[token.unit]
        # Dividing keeps what was typed: 20 / 1000 is 0.02, 20 * 0.001 need not be.
        value = token.value * factor if factor >= 1 else token.value / round(1 / factor)
        return value, dimension or token.unit

    def unexpected(self, wanted: str) -> ConfigError:
        """Make the error for a token that cannot stand here."""
        found = "the condition ends" if self.now.kind == "end" else f"found {self.now.text!r}"
        return self.error("gates.syntax", f"expected {wanted}, {found}", self.now)

    def error(
        self, code: str, message: str, where: Token | int, hint: str | None = None
    ) -> ConfigError:
        """Make an error that points at a token or a column."""
        start, end = (where.column, where.end) if isinstance(where, Token) else (where, where + 1)
        base = self._span or Span("condition", 1, 1)
        span = Span(base.file, base.line, base.column + start - 1, base.column + end - 1)
        return ConfigError(message, code=code, span=span, hint=hint or EXAMPLE)


def suggest(word: str, names: Iterable[str]) -> str:
    """Return "did you mean ...?" for the nearest name, "" when none is near.

    >>> suggest("acuracy", ["accuracy", "recall"])
    "did you mean 'accuracy'?"
    """
    known = list(names)
    close = [one for one in known if one.lower() == word.lower()]
    close = close or difflib.get_close_matches(word, known, 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else ""
