"""What all tests share: the programs of this environment are found, and nothing phones home."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# Tests run side by side, and threads that wait for each other spin.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}
os.environ |= {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class TrackingServer:
    """A real MLflow server with a store and artifacts of its own; may be stopped and started."""

    def __init__(self, place):
        from cryptography.fernet import Fernet

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._place = place
        self._environment = os.environ | {
            "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
            "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        }
        self._process = None

    def start(self):
        place = self._place
        words = ["server", "--backend-store-uri", f"sqlite:///{place}/m.db", "--workers", "1"]
        words += ["--artifacts-destination", str(place / "artifacts")]
        words += ["--host", "127.0.0.1", "--port", str(self.port)]
        with (place / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *words],
                cwd=place,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while not self._healthy():
            assert self._process.poll() is None, (place / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(30)

    def _healthy(self):
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False


@pytest.fixture
def tracking_server(tmp_path):
    place = tmp_path / "tracking"
    place.mkdir()
    server = TrackingServer(place)
    server.start()
    yield server
    server.stop()
