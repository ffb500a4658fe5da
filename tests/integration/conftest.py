"""Storage on this machine: the S3 of moto, OpenSSH, a web server."""

from __future__ import annotations

import getpass
import hashlib
import http.server
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Service:
    """Storage that other people's software offers on this machine.

    Attributes:
        kind: ``s3`` or ``ssh``.
        url: of an empty place in it.
        options: for ``.dvc/config``.
        put: writes a file below the url.
    """

    kind: str
    url: str
    options: dict[str, str]
    put: Callable[[str, bytes], object]

    def remote(self, name: str, below: str = "") -> str:
        """Return a section of ``.dvc/config``."""
        lines = [f"['remote \"{name}\"']", f"url = {self.url}{below}"]
        return "\n".join(lines + [f"{key} = {value}" for key, value in self.options.items()]) + "\n"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """Start the S3 of moto, which knows nothing of penstock."""
    log = tmp_path_factory.mktemp("s3") / "log"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("wb") as stream, subprocess.Popen(command, stderr=stream) as process:
        try:
            found = poll(lambda: re.search(r"Running on (http://\S+)", log.read_text()), process)
            yield found[1]
        finally:
            process.kill()


@pytest.fixture
def s3(s3_server):
    """Return a bucket of its own."""
    import boto3

    keys = {"aws_access_key_id": "me", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1", **keys)
    bucket = f"bucket-{secrets.token_hex(6)}"
    client.create_bucket(Bucket=bucket)
    options = {
        "endpointurl": s3_server,
        "access_key_id": "me",
        "secret_access_key": "secret",
        "region": "us-east-1",
        "connect_timeout": "20",
        "read_timeout": "40",
        "jobs": "3",
    }
    yield Service(
        "s3",
        f"s3://{bucket}/path",
        options,
        lambda name, data: client.put_object(Bucket=bucket, Key=f"path/{name}", Body=data),
    )
    client.close()


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory):
    """Start an OpenSSH server that lets one throw-away key in."""
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    (folder / "allowed").write_bytes((folder / "key.pub").read_bytes())
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where its unprivileged half lives
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "allowed",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", *options]
    log = folder / "log"
    with log.open("wb") as stream, subprocess.Popen(command, stderr=stream) as process:
        try:
            poll(lambda: "listening" in log.read_text(), process)
            yield port, folder / "key"
        finally:
            process.kill()


@pytest.fixture
def ssh(ssh_server, tmp_path):
    """Return a directory of its own on that server."""
    port, key = ssh_server
    (tmp_path / "far").mkdir()
    options = {
        "user": getpass.getuser(),
        "port": str(port),
        "keyfile": str(key),
        "timeout": "60",
        "allow_agent": "false",
        "jobs": "3",
    }

    def put(name: str, data: bytes) -> None:
        path = tmp_path / "far" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    return Service("ssh", f"ssh://127.0.0.1{tmp_path}/far", options, put)


class Web:
    """A web server for the files of one directory.

    Attributes:
        url: of it.
        folder: with the files; those whose name has ``plain`` in it are served without an ETag.
        asked: methods and paths, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str]] = []
        web = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args, **kwargs) -> None:
                super().__init__(*args, directory=str(folder), **kwargs)

            def send_head(self):
                web.asked.append((self.command, self.path))
                if self.path.startswith("/moved/"):
                    self.send_response(302)
                    self.send_header("Location", self.path.removeprefix("/moved"))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return None
                if self.path.startswith("/secret/") and not self.headers.get("Authorization"):
                    self.send_error(401)
                    return None
                return super().send_head()

            def end_headers(self) -> None:
                path = Path(self.translate_path(self.path))
                if path.is_file() and "plain" not in path.name:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    self.send_header("ETag", f'"{digest}"')
                super().end_headers()

            def log_message(self, *args) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def web(tmp_path):
    (tmp_path / "www").mkdir()
    served = Web(tmp_path / "www")
    yield served
    served.server.shutdown()
    served.server.server_close()


def poll(condition, process):
    """Wait until something is so, while a process lives."""
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
