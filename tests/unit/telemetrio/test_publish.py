"""One message by hand: what is in its way is said in a sentence, with the address and never with the password."""

import pytest

from shared.broker import BrokerSettings
from shared.process import ExitCode, Refusal
from telemetrio.publish import publish
from tests.peers.influxdb import free_ports


async def test_nobody_there() -> None:
    """The address, what came of it, and what to look at; an exit code that says it failed."""
    (port,) = free_ports(1)
    settings = BrokerSettings(_env_file=None, mqtt_url=f"mqtt://someone:secret@127.0.0.1:{port}")
    with pytest.raises(Refusal, match=f"127.0.0.1:{port} did not take it: .*running") as refused:
        await publish(settings, "a-client", "iot/devices/d/data", b"{}")
    assert refused.value.code == ExitCode.DIED
    assert "secret" not in str(refused.value)
