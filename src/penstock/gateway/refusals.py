"""Answers that the gateway gives itself, in the words of MLflow's errors."""

from __future__ import annotations

import json

from penstock.gateway.exchange import Exchange


def problem(code: str, message: str) -> bytes:
    """Return the body of an error as MLflow writes it."""
    return json.dumps({"error_code": code, "message": message}).encode()


def unavailable(exchange: Exchange, reason: str) -> None:
    """Answer 503: nobody can answer now."""
    exchange.retry_after = 1
    exchange.finish(503, problem("TEMPORARILY_UNAVAILABLE", reason))


def overloaded(exchange: Exchange) -> None:
    """Answer 429: too many requests wait already."""
    exchange.retry_after = 1
    exchange.finish(429, problem("RESOURCE_EXHAUSTED", "too many requests wait for this model"))
