r"""The condition language: a tokenizer and a recursive descent, without `eval`.

    condition := clause (("and" | "/\") clause)*
    clause    := expression (">" | "<" | ">=" | "<=") expression ["+/-" number] ["on" "slice" slice]
    expression:= ["-"] product (("+" | "-") product)*
    product   := number ["*" term] | term ["*" number]
    term      := model "." metric [arguments] | metric "(" model ["," ...] ")" | "changed"
               | "n" | "o" | "d"                       (as in ease.ml/ci: new, old, changed)
    metric    := name | dotted.module ":" function
    slice     := column "=" ("*" | value) ("," column "=" ("*" | value))*
    number    := 0.65 | 1e-3 | 5% | 20ms | 1.5s | 50MB | 2GiB

Whatever is wrong is a `ConfigError` that points at its column.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from penstock.errors import Span
from penstock.gates.conditions import (
    BASELINES,
    CANDIDATE,
    CHAMPION,
    MODELS,
    Argument,
    Clause,
    Condition,
    Slice,
    Term,
)
from penstock.gates.names import ALIASES, METRICS, OPTIONS, SKLEARN, known
from penstock.gates.tokens import Token, Tokens, suggest

_MODEL_NAMES = {"new": CANDIDATE, "old": CHAMPION, **{name: name for name in MODELS}}
_UNITS = {"s": "seconds", "bytes": "bytes"}
_EASEML = {"n": (CANDIDATE, "accuracy"), "o": (CHAMPION, "accuracy"), "d": ("", "changed")}


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison: terms, and what is constant."""

    terms: tuple[Term, ...]
    constant: float
    units: tuple[tuple[str, Token], ...]


def parse(text: str, *, span: Span | None = None) -> Condition:
    r"""Understand a condition.

    Args:
        text: such as ``candidate.roc_auc > 0.65 +/- 0.02``.
        span: where the text begins in the user's file.

    Raises:
        ConfigError: ``gates.syntax``, ``gates.unknown-metric``, ``gates.unknown-model``,
            ``gates.wrong-unit``, ``gates.bad-number`` or ``gates.not-linear``, pointing at the
            column.

    >>> condition = parse("candidate.accuracy - champion.accuracy > -1% +/- 0.01 on slice origin=*")
    >>> clause = condition.clauses[0]
    >>> clause.words, clause.comparison, clause.threshold, clause.tolerance, clause.slice.words
    ('candidate.accuracy - champion.accuracy', '>', -0.01, 0.01, 'origin=*')
    >>> [clause.text for clause in parse("n - o > 0.02 +/- 0.01 /\\ d < 0.1 +/- 0.01").clauses]
    ['n - o > 0.02 +/- 0.01', 'd < 0.1 +/- 0.01']
    """
    return _Parser(text, span).condition()


class _Parser:
    def __init__(self, text: str, span: Span | None) -> None:
        self._read = Tokens(text, span)
        self._span = span

    def condition(self) -> Condition:
        read = self._read
        clauses = [self._clause()]
        while read.at("and", "/\\"):
            read.take()
            clauses.append(self._clause())
        if read.at("or", "not"):
            hint = "write two entries under `gates:`, or one condition with `and`"
            message = f"{read.now.text!r} is not part of the language: conditions must all hold"
            raise read.error("gates.syntax", message, read.now, hint)
        if read.now.kind != "end":
            raise read.unexpected("'and', '+/-', 'on slice' or the end")
        return Condition(read.text, tuple(clauses), self._span)

    def _clause(self) -> Clause:
        read = self._read
        first = read.now
        left = self._expression()
        sign = read.now
        if not read.at(">", "<", ">=", "<="):
            raise read.unexpected("a comparison ('>' or '<')")
        read.take()
        right = self._expression()
        tolerance = self._tolerance()
        end = read.last.end
        where = self._slice() if read.at("on") else None
        terms = _collect([*left.terms, *(replace(t, weight=-t.weight) for t in right.terms)])
        if not terms:
            message = "nothing is measured here: one side needs a metric"
            raise read.error("gates.syntax", message, first)
        self._check_units(terms, [*left.units, *right.units, *tolerance[1]])
        text = " ".join(read.text[first.column - 1 : end - 1].split())
        threshold = right.constant - left.constant
        self._check_reach(terms, threshold, [*left.units, *right.units])
        return Clause(terms, sign.text[0], threshold, tolerance[0], where, text, first.column)

    def _tolerance(self) -> tuple[float | None, list[tuple[str, Token]]]:
        read = self._read
        if not read.at("+/-", "±"):
            return None, []
        read.take()
        token = read.now
        value, unit = read.number("the tolerance after '+/-'")
        if value <= 0:
            raise read.error("gates.bad-number", "the tolerance must be above 0", token)
        return value, [(unit, token)]

    def _expression(self) -> _Side:
        read = self._read
        terms: list[Term] = []
        units: list[tuple[str, Token]] = []
        constant = 0.0
        sign = 1.0
        while read.at("-", "+"):
            sign *= -1.0 if read.take().text == "-" else 1.0
        while True:
            term, value, unit = self._product(sign)
            constant += value
            units += unit
            terms += [term] if term is not None else []
            if not read.at("+", "-"):
                break
            sign = -1.0 if read.take().text == "-" else 1.0
        return _Side(tuple(terms), constant, tuple(units))

    def _product(self, sign: float) -> tuple[Term | None, float, list[tuple[str, Token]]]:
        read = self._read
        token = read.now
        if token.kind == "number":
            value, unit = read.number("a number")
            if not read.at("*"):
                return None, sign * value, [(unit, token)]
            read.take()
            term = self._term()
        else:
            term, value = self._term(), 1.0
            if read.at("*"):
                read.take()
                if read.now.kind != "number":
                    message = "only a number may stand after '*': conditions are linear"
                    raise read.error("gates.not-linear", message, read.now)
                value, _ = read.number("a number after '*'")
        if read.at("/", "*"):
            hint = "multiply by a constant instead: `0.5 * candidate.accuracy`"
            message = f"{read.now.text!r} cannot stand here: conditions are linear"
            raise read.error("gates.not-linear", message, read.now, hint)
        if value == 0:
            raise read.error("gates.bad-number", "a factor of 0 measures nothing", token)
        return replace(term, weight=sign * value * term.weight), 0.0, []

    def _term(self) -> Term:
        read = self._read
        token = read.now
        if token.kind != "name":
            if read.at("("):
                message = "brackets cannot stand here: write the expression out"
                raise read.error("gates.syntax", message, token)
            raise read.unexpected("a metric such as 'candidate.accuracy', or a number")
        read.take()
        if read.at("."):
            return self._dotted(token)
        if read.at("(", ":"):
            return self._call(token)
        if token.text in _EASEML:
            model, metric = _EASEML[token.text]
            return Term(model, metric, column=token.column)
        if token.text == "changed":
            return Term("", "changed", column=token.column)
        if token.text in _MODEL_NAMES:
            raise read.unexpected(f"'.' and a metric after {token.text!r}")
        near = suggest(token.text, [f"candidate.{token.text}"] if self._knows(token.text) else [])
        message = f"{token.text!r} is not a metric of a model"
        raise read.error("gates.syntax", message, token, near or None)

    def _dotted(self, first: Token) -> Term:
        """Read ``model.metric(...)`` or ``dotted.module:function(model)``."""
        read = self._read
        names = [first]
        while read.at("."):
            read.take()
            names.append(read.name("a metric after '.'"))
        if read.at(":") and first.text not in _MODEL_NAMES:
            return self._call(replace(first, text=".".join(one.text for one in names)))
        model = _MODEL_NAMES.get(first.text)
        if model is None:
            raise read.error(
                "gates.unknown-model",
                f"there is no model {first.text!r}",
                first,
                suggest(first.text, list(_MODEL_NAMES)) or f"models are {', '.join(MODELS)}",
            )
        metric = ".".join(one.text for one in names[1:])
        if read.at(":"):
            read.take()
            metric += ":" + read.name("a function after ':'").text
        place = replace(names[1], text=metric)
        args, options = self._arguments() if read.at("(") else ((), ())
        return self._made(model, metric, args, options, place)

    def _call(self, name: Token) -> Term:
        """Read ``metric(model, ...)``, ease.ml/ci's form."""
        read = self._read
        metric = name.text
        if read.at(":"):
            read.take()
            metric += ":" + read.name("a function after ':'").text
        if metric == "changed":
            raise read.unexpected("no brackets after 'changed'")
        if not read.at("("):
            raise read.unexpected(f"'(' and a model after {metric!r}")
        model_token = read.next
        args, options = self._arguments()
        model = _MODEL_NAMES.get(str(args[0])) if args else None
        if model is None:
            hint = f"write {metric}(new), or candidate.{metric}"
            message = f"expected a model in the brackets of {metric!r}"
            raise read.error("gates.unknown-model", message, model_token, hint)
        return self._made(model, metric, args[1:], options, replace(name, text=metric))

    def _arguments(self) -> tuple[tuple[Argument, ...], tuple[tuple[str, Argument], ...]]:
        read = self._read
        read.expect("(", "before arguments")
        args: list[Argument] = []
        options: list[tuple[str, Argument]] = []
        while not read.at(")"):
            if args or options:
                read.expect(",", "or ')' after an argument")
            token = read.now
            value = self._value("an argument")
            if read.at("=") and token.kind == "name":
                read.take()
                options.append((token.text, self._value(f"a value for {token.text!r}")))
            else:
                args.append(value)
        read.take()
        return tuple(args), tuple(options)

    def _value(self, wanted: str) -> Argument:
        read = self._read
        token = read.now
        sign = -1.0 if read.at("-") else 1.0
        if sign < 0:
            read.take()
        if read.now.kind == "number":
            return sign * read.number(wanted)[0]
        if token.kind == "text":
            return read.take().text[1:-1]
        if token.kind == "name":
            return read.take().text
        raise read.unexpected(wanted)

    def _own(self, metric: str) -> bool:
        return metric in METRICS or metric in ALIASES

    def _knows(self, metric: str) -> bool:
        return self._own(metric) or metric in SKLEARN or ":" in metric

    def _made(
        self,
        model: str,
        metric: str,
        args: tuple[Argument, ...],
        options: tuple[tuple[str, Argument], ...],
        token: Token,
    ) -> Term:
        read = self._read
        weight = 1.0
        if metric.startswith("neg_") and self._own(metric[4:]):  # scikit-learn's losses as scores
            weight, metric = -1.0, metric[4:]
        if not self._knows(metric) or metric == "changed":
            hint = suggest(metric, known()) or "any metric of scikit-learn, or module:function"
            raise read.error("gates.unknown-metric", f"unknown metric {metric!r}", token, hint)
        name = ALIASES.get(metric, metric)
        entry = METRICS.get(name)
        if entry is not None:
            self._check_arguments(name, args, options, token)
            if entry.unit and model in BASELINES:
                message = f"a trivial model has no {name}"
                raise read.error("gates.unknown-metric", message, token)
        return Term(model, name, args, options, weight, token.column)

    def _check_arguments(
        self,
        name: str,
        args: tuple[Argument, ...],
        options: tuple[tuple[str, Argument], ...],
        token: Token,
    ) -> None:
        read = self._read
        entry = METRICS[name]
        if len(args) != entry.arguments:
            wanted = {0: "no argument", 1: "one argument"}.get(entry.arguments, "two arguments")
            message = f"{name!r} takes {wanted} in brackets ({entry.help})"
            raise read.error("gates.syntax", message, token)
        numeric = {"within": 0, "precision_at": 1, "recall_at": 1, "hit_rate": 1}.get(name)
        if numeric is not None and not _positive(args[numeric]):
            message = f"the last argument of {name!r} must be a number above 0"
            raise read.error("gates.bad-number", message, token)
        allowed = OPTIONS.get(name, frozenset())
        for key, value in options:
            if key not in allowed:
                hint = f"{name} knows {', '.join(sorted(allowed))}" if allowed else None
                message = f"{name!r} has no argument {key!r}"
                raise read.error("gates.syntax", message, token, hint)
            if not _positive(value):
                message = f"{key!r} of {name!r} must be a number above 0"
                raise read.error("gates.bad-number", message, token)

    def _slice(self) -> Slice:
        read = self._read
        read.take()
        read.expect("slice", "after 'on'")
        parts: list[tuple[str, str | None]] = []
        while True:
            token = read.now
            column = read.take().text[1:-1] if token.kind == "text" else read.name("a column").text
            read.expect("=", f"after the column {column!r}")
            if read.at("*"):
                read.take()
                parts.append((column, None))
            elif read.now.kind == "number":
                parts.append((column, read.take().text))
            else:
                parts.append((column, str(self._value("a value or '*'"))))
            if not read.at(","):
                return Slice(tuple(parts))
            read.take()

    def _check_reach(
        self, terms: tuple[Term, ...], threshold: float, units: list[tuple[str, Token]]
    ) -> None:
        """Refuse a threshold that no value can reach: mostly percents without their sign."""
        known = [METRICS.get(one.metric) for one in terms]
        if not all(one is not None and one.bounded and not one.unit for one in known):
            return
        most = max(1.0, *(abs(sum(w for w in side)) for side in _sides(terms)))
        if abs(threshold) > most and units:
            token = units[-1][1]
            message = f"{token.text!r} is out of reach: {terms[0].words} lies between 0 and 1"
            hint = "write 80% or 0.8 for four fifths"
            raise self._read.error("gates.bad-number", message, token, hint)

    def _check_units(self, terms: tuple[Term, ...], units: list[tuple[str, Token]]) -> None:
        read = self._read
        dimensions = {METRICS[t.metric].unit if t.metric in METRICS else "" for t in terms}
        if len(dimensions) > 1:
            message = "seconds, bytes and plain numbers cannot be added"
            raise read.error("gates.wrong-unit", message, terms[-1].column)
        wanted = dimensions.pop()
        for unit, token in units:
            if not unit and wanted and float(token.text) != 0:
                message = f"{token.text!r} needs a unit: {terms[0].words} is in {_UNITS[wanted]}"
                raise read.error("gates.wrong-unit", message, token, "write 20ms, 1.5s or 50MB")
            if unit in {"s", "bytes"} and unit != wanted and METRICS.get(terms[0].metric):
                message = f"{token.text!r} does not fit {terms[0].words}"
                hint = f"write a number in {wanted}" if wanted else "write a number without a unit"
                raise read.error("gates.wrong-unit", message, token, hint)
            if unit == "%" and wanted:
                message = f"{token.text!r} does not fit {terms[0].words}"
                hint = "write 20ms" if wanted == "s" else "write 50MB"
                raise read.error("gates.wrong-unit", message, token, hint)


def _collect(terms: list[Term]) -> tuple[Term, ...]:
    """Add up terms that measure the same thing; those that cancel out disappear."""
    found: dict[tuple[object, ...], Term] = {}
    for term in terms:
        key = (term.model, term.metric, term.args, term.options)
        if key in found:
            term = replace(found[key], weight=found[key].weight + term.weight)
        found[key] = term
    return tuple(term for term in found.values() if term.weight != 0)


def _sides(terms: tuple[Term, ...]) -> tuple[list[float], list[float]]:
    """Return the weights above zero, and those below."""
    weights = [one.weight for one in terms]
    return [w for w in weights if w > 0], [w for w in weights if w < 0]


def _positive(value: Argument) -> bool:
    return isinstance(value, float) and value > 0
