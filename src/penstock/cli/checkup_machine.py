"""Examinations of what is around the repository: disk, environment, remote, registry, gateway."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from penstock.cli.finding import OK, PROBLEM, WARN, Finding, Patient, from_error, git
from penstock.config import FILE
from penstock.errors import PenstockError

LOCKS = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "Pipfile.lock", "conda-lock.yml")
_LITTLE, _TOO_LITTLE = 2_000_000_000, 200_000_000
_STORE_SECONDS = 5.0


def state(patient: Patient) -> Iterator[Finding]:
    """Look at the disk and at what Git ignores."""
    state = patient.root
    try:
        if (state / FILE).is_file():
            state = state / ".penstock"
            state.mkdir(exist_ok=True)
        probe = state / f"probe.{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
        free = shutil.disk_usage(state).free
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some space" if full else "make the project's directory writable for yourself"
        yield Finding("disk", PROBLEM, f"cannot write to {state}: {error.strerror}", hint)
        return
    said = f"{free / 1e9:,.1f} GB free"
    hint = "free some space: `dvc gc -w` removes what no file here needs"
    level = PROBLEM if free < _TOO_LITTLE else WARN if free < _LITTLE else OK
    yield Finding("disk", level, said, None if level == OK else hint)
    if git(patient.root, "rev-parse", "--git-dir") is None:
        return
    if git(patient.root, "check-ignore", "-q", ".penstock/journal.db") is None:
        hint = "add `/.penstock/` to .gitignore"
        yield Finding("ignored", WARN, "Git does not ignore .penstock", hint)


def gateway(patient: Patient) -> Iterator[Finding]:
    """Look for the gateway, or its port."""
    from penstock.gateway import GatewayClient

    client = GatewayClient(patient.root / ".penstock" / "serve")
    status = client.status()
    if status.running:
        failed = ", ".join(f"version {name}: {why}" for name, why in status.failed.items())
        if failed:
            hint = "`penstock rollback` returns to the previous version"
            yield Finding("gateway", PROBLEM, f"at {status.url}, cannot start {failed}", hint)
        else:
            yield Finding("gateway", OK, f"answers at {status.url}")
        return
    try:
        record = client.record()
    except ValueError:
        record = {}
    if record is not None:
        hint = "`penstock serve` starts it again, with the same traffic"
        yield Finding("gateway", WARN, "a gateway was stopped hard and serves no more", hint)
    if patient.settings is not None:
        yield _port(patient.settings.serve.host, patient.settings.serve.port)


def _port(host: str, port: int) -> Finding:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(found[4])
    except OSError as error:
        hint = "stop what uses it, or choose another: `serve: {port: 8081}` in penstock.yaml"
        return Finding("port", PROBLEM, f"{host}:{port}: {error.strerror or error}", hint)
    return Finding("port", OK, f"{host}:{port} is free" if port else "any free one")


def registry(patient: Patient) -> Iterator[Finding]:
    """Look for MLflow."""
    if patient.settings is None:
        return
    wanted = patient.settings.registry.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if wanted is None:
        path = patient.root / "mlflow.db"
        said = "mlflow.db in the project" if path.exists() else "none yet: the first run makes one"
        yield (_sqlite(path) if path.exists() else None) or Finding("registry", OK, said)
    elif wanted.startswith(("http://", "https://")):
        yield _server(wanted)
    elif wanted.startswith("sqlite:///"):
        path = patient.root / wanted.removeprefix("sqlite:///")
        yield (_sqlite(path) if path.exists() else None) or Finding("registry", OK, wanted)
    else:
        yield Finding("registry", OK, wanted.partition("://")[0] + " store")


def _sqlite(path: Path) -> Finding | None:
    import sqlite3

    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_STORE_SECONDS)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        hint = "put it aside and register again: `penstock run --force`"
        return Finding("registry", PROBLEM, f"{path} cannot be read: {error}", hint)
    return None


def _server(address: str) -> Finding:
    import urllib.error
    import urllib.parse
    import urllib.request

    parts = urllib.parse.urlsplit(address)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        # The scheme is http or https: whoever calls has looked.
        health = f"{address.rstrip('/')}/health"
        with urllib.request.urlopen(health, timeout=_STORE_SECONDS):  # noqa: S310 - see above
            return Finding("registry", OK, f"MLflow answers at {shown}")
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            hint = "set MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN"
            return Finding("registry", PROBLEM, f"{shown} refuses you ({error.code})", hint)
        return Finding("registry", WARN, f"{shown} answers {error.code} to /health")
    except (OSError, ValueError) as error:
        hint = "start the server, or correct `registry: {tracking_uri: ...}`"
        return Finding("registry", PROBLEM, f"no MLflow at {shown}: {error}", hint)


def remote(patient: Patient) -> Iterator[Finding]:
    """Look for a DVC remote."""
    from penstock.artifacts import DvcConfig
    from penstock.artifacts.remotes import open_remote

    try:
        config = DvcConfig.load(patient.root)
        if config.default_remote:
            open_remote(config)  # finds what its kind needs; it does not connect
    except PenstockError as error:
        yield from from_error("remote", error)
        return
    if config.default_remote:
        yield Finding("remote", OK, f"DVC remote `{config.default_remote}`")
    elif config.remotes:
        hint = f"`dvc remote default {next(iter(config.remotes))}`"
        yield Finding("remote", WARN, "no DVC remote is the default", hint)
    else:
        hint = (
            "`dvc remote add -d storage DIRECTORY-OR-URL`: data and models are only here until then"
        )
        yield Finding("remote", WARN, "no DVC remote", hint)


def environment(patient: Patient) -> Iterator[Finding]:
    """Look for a lock of the project's packages."""
    lock = next((name for name in LOCKS if (patient.root / name).is_file()), None)
    if lock is not None:
        yield Finding("environment", OK, f"locked by {lock}")
        return
    listed = next(iter(sorted(patient.root.glob("requirements*.txt"))), None)
    if listed is not None:
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        packages = [line for line in lines if line.strip()[:1].isalpha()]
        if packages and all("==" in line or " @ " in line for line in packages):
            yield Finding("environment", OK, f"locked by {listed.name}")
            return
    hint = "`uv lock`, or `uv pip compile pyproject.toml -o requirements.txt`"
    yield Finding("environment", WARN, "nothing locks the versions of its packages", hint)


def agreement(patient: Patient) -> Iterator[Finding]:
    """Ask journal, registry and gateway whether they tell the same story."""
    path = patient.root / ".penstock" / "journal.db"
    if patient.settings is None or not path.is_file():
        return
    from penstock.assembly import Project
    from penstock.journal import Journal
    from penstock.overview import status

    try:
        with Project(patient.root, patient.settings, Journal(path)) as project:
            warnings = status(project)["warnings"]
    except PenstockError as error:
        yield from from_error("state", error)
        return
    for one in warnings:
        yield Finding("state", WARN, one["message"], one["hint"])
    if not warnings:
        yield Finding("state", OK, "journal, registry and gateway agree")
