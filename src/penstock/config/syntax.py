"""Says in plain words, with the place and the remedy, why a YAML text cannot be read."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from penstock.errors import ConfigError, Span

_REMEDIES: tuple[tuple[str, str, str], ...] = (
    (
        "mapping values are not allowed",
        "a second `: ` in one line, or wrong indentation",
        "quote the value (`key: 'a: b'`), or put the key on a line of its own",
    ),
    (
        "could not find expected ':'",
        "a key without a colon",
        "write `key: value`; a text over several lines needs `key: |` or quotes",
    ),
    (
        "did not find expected key",
        "this line fits no block above it",
        "give the keys of one block the same indentation",
    ),
    (
        "did not find expected '-' indicator",
        "this line fits no list above it",
        "begin each item of the list with `- `, in the same column",
    ),
    (
        "did not find expected ',' or",
        "a bracket is not closed",
        "close the list with `]` or the mapping with `}`, and put commas between its items",
    ),
    (
        "did not find expected node content",
        "a value is missing here",
        "close the bracket, or remove the comma before it",
    ),
    (
        "did not find expected comment or line break",
        "`>` and `|` begin a text over several lines",
        "quote the value if it only begins with `>` or `|`",
    ),
    (
        "while scanning a tag",
        "a value that begins with `!` is a tag",
        "quote the value if the `!` belongs to it",
    ),
    (
        "while scanning a directive",
        "a line that begins with `%` is a directive",
        "quote the text, or indent it",
    ),
    (
        "found undefined alias",
        "no anchor of this name stands above",
        "quote the text if the `*` belongs to it, or define `&name` first",
    ),
    (
        "did not find expected alphabetic or numeric character",
        "`*` and `&` begin an alias or an anchor",
        "quote the text that begins with it",
    ),
    (
        "found unexpected end of stream",
        "a quote is not closed",
        "close the quote on the line where it was opened",
    ),
    (
        "but found another document",
        "a second document begins here",
        "keep one document in the file: remove the `---` between them",
    ),
    (
        "found unknown escape character",
        "an unknown escape in a text in double quotes",
        "use single quotes, or double the backslash",
    ),
    (
        "block sequence entries are not allowed",
        "a list cannot begin here",
        "put the `- ` on a line of its own",
    ),
)


def text_of(path: Path, file: str) -> str:
    """Return the text of a file.

    Raises:
        ConfigError: ``yaml.not-found``, ``yaml.unreadable`` or ``yaml.encoding``, with the place.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"there is no {file}", code="yaml.not-found", hint="check the name and the directory"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"cannot read {file}: {reason}",
            code="yaml.unreadable",
            hint="it must be a file that you may read",
        ) from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise ConfigError(
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            code="yaml.encoding",
            span=Span(file, line, column),
            hint="save the file as UTF-8",
        ) from None


def explain(error: yaml.YAMLError | UnicodeError, text: str, file: str) -> ConfigError:
    """Return the error of libyaml (or of a text that is no Unicode) as a `ConfigError`."""
    if isinstance(error, UnicodeEncodeError):
        return _unreadable(text, error.start, file)
    if isinstance(error, yaml.reader.ReaderError):
        return _unreadable(text, _offset(text), file)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    said = " ".join(
        str(part) for part in (_part(error, "context"), _part(error, "problem")) if part
    )
    lines = text.splitlines()
    here = lines[line][column : column + 1] if line < len(lines) else ""
    span = Span(file, line + 1, column + 1)
    if "cannot start any token" in said:
        return _strange_character(here, span)
    if "exceeded maximum nesting depth" in said:
        hint = "a closing bracket may be missing further up"
        return ConfigError("nested too deep", code="yaml.too-deep", span=span, hint=hint)
    for pattern, message, hint in _REMEDIES:
        if pattern in said:
            return ConfigError(message, code="yaml.syntax", span=span, hint=hint)
    return ConfigError(said or "not YAML", code="yaml.syntax", span=span)


def _part(error: Exception, name: str) -> str | None:
    return getattr(error, name, None)


def _strange_character(here: str, span: Span) -> ConfigError:
    if here == "\t":
        message, hint = "a tab in the indentation", "indent with spaces"
    elif here == "%":
        message = "a value cannot begin with `%`"
        hint = "quote the text; a percentage is written `5%`"
    else:
        message = f"a value cannot begin with `{here}`" if here else "a value is missing here"
        hint = "quote the text"
    return ConfigError(message, code="yaml.syntax", span=span, hint=hint)


_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _offset(text: str) -> int:
    match = _UNPRINTABLE.search(text)
    return match.start() if match else 0


def _unreadable(text: str, offset: int, file: str) -> ConfigError:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    character = f"U+{ord(text[offset]):04X}" if offset < len(text) else "a character"
    return ConfigError(
        f"{character} cannot stand in a YAML file",
        code="yaml.encoding",
        span=Span(file, line, column),
        hint="remove it, or write it as an escape in double quotes",
    )
