"""The local target: a thin skin over a gateway's client."""

import pytest

from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.errors import StateError, UnavailableError
from penstock.rollouts import LocalTarget
from penstock.testing.fakes import FakeTarget


class Client:
    """Answers like a gateway's control socket."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.error = None

    def status(self):
        if self.error:
            raise self.error
        return self.gateway.observe()

    def apply(self, table):
        if self.error:
            raise self.error
        self.gateway.apply(table)

    def stop(self):
        self.gateway.stop()


def test_start_apply_observe_stop():
    gateway = FakeTarget()
    target = LocalTarget(Client(gateway), gateway.start)
    assert target.observe() == TargetStatus(running=False)
    target.start()
    target.start()
    target.apply(TrafficTable(generation=3, champion="1"))
    assert target.observe().generation == 3
    target.stop()
    assert not target.observe().running


def test_a_gateway_that_does_not_answer_is_not_an_error():
    gateway = FakeTarget()
    client = Client(gateway)
    target = LocalTarget(client, gateway.start)
    for error in (ConnectionRefusedError("no"), UnavailableError("no", code="gateway.away")):
        client.error = error
        assert not target.observe().running
        with pytest.raises(UnavailableError):
            target.apply(TrafficTable(generation=1))
    client.error = StateError("older", code="gateway.older")
    with pytest.raises(StateError):
        target.apply(TrafficTable(generation=1))
