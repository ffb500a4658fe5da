"""Answers that the gateway gives itself, in the words of the protocol that was spoken."""

from __future__ import annotations

import json

from penstock.gateway.exchange import Exchange
from penstock.inference import frames


def problem(code: str, message: str) -> bytes:
    """Return the body of an error as MLflow writes it."""
    return json.dumps({"error_code": code, "message": message}).encode()


def refuse(exchange: Exchange, status: int, code: str, message: str) -> None:
    """Answer with an error, as MLflow or as the Open Inference Protocol writes it."""
    if exchange.kind == frames.V2_INFER:
        exchange.finish(status, json.dumps({"error": message}).encode())
    else:
        exchange.finish(status, problem(code, message))


def unavailable(exchange: Exchange, reason: str) -> None:
    """Answer 503: nobody can answer now."""
    exchange.retry_after = 1
    refuse(exchange, 503, "TEMPORARILY_UNAVAILABLE", reason)


def overloaded(exchange: Exchange) -> None:
    """Answer 429: too many requests wait already."""
    exchange.retry_after = 1
    refuse(exchange, 429, "RESOURCE_EXHAUSTED", "too many requests wait for this model")


def too_late(exchange: Exchange) -> None:
    """Answer 504: the model took too long."""
    if exchange.kind == frames.V2_INFER:
        refuse(exchange, 504, "", "Request processing time exceeded limit")
    else:
        # MLflow's own words, which are no JSON although it says so; clients may look for them.
        exchange.finish(504, b"Request processing time exceeded limit")
