"""The local target, with a real gateway and real workers, takes the exam of targets."""

import socket

import pytest

from penstock.domain.version import Bundle
from penstock.gateway import GatewayClient, GatewayOptions, start_gateway
from penstock.rollouts import LocalTarget
from penstock.testing.targets import TargetExam

pytestmark = [pytest.mark.timeout(280)]


class TestLocalTarget(TargetExam):
    @pytest.fixture
    def target(self, tmp_path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            options = GatewayOptions(port=free.getsockname()[1])
        state = tmp_path / "serve"
        made = LocalTarget(GatewayClient(state), lambda: start_gateway(state, options))
        yield made
        made.stop()

    @pytest.fixture
    def bundles(self, tmp_path, write):
        model, interpreter = write
        made, python = [], interpreter(tmp_path / "environment")
        for version in ("1", "2", "3"):
            model(tmp_path / version, breaks=version == "3")
            made.append(Bundle("model", version, str(tmp_path / version), python))
        return tuple(made)
