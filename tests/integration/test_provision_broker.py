"""Our services' rights at a real Mosquitto: what it keeps of them, and when its file is written again."""

from pathlib import Path

import pytest

from services.api.dynsec.commands import Account, admit
from services.api.dynsec.line import tell_all
from shared.broker import BrokerSettings
from telemetrio.provision.broker import SERVICES, provision
from tests.peers.dynsec import secured, url

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("mosquitto_dynsec")]
ONE, TWO = ["iot/devices"], ["iot/devices", "iot/devices-2"]


async def save(folder: Path, device_id: str) -> None:
    """Mosquitto writes its file when it is told something: here by the api, of a device."""
    with secured(folder) as broker:
        told = BrokerSettings(_env_file=None, mqtt_url=url(broker, "_api", "password-of-api"))
        await tell_all(told, admit(Account(device_id, "first"), "a-password", ONE))


async def test_a_file_that_mosquitto_saved_is_left_alone(tmp_path: Path) -> None:
    """It has an order of its own; what is new for our services is put in, and devices' accounts stay."""
    for service in SERVICES:
        (tmp_path / f"broker-{service}.password").write_text(f"password-of-{service}")
    file = tmp_path / "dynamic-security.json"
    assert provision(file, tmp_path, ONE)
    made = file.read_text()
    await save(tmp_path, "d1")
    saved = file.read_text()
    assert saved != made
    assert not provision(file, tmp_path, ONE)
    assert file.read_text() == saved
    assert provision(file, tmp_path, TWO)
    await save(tmp_path, "d2")
    text = file.read_text()
    assert all(word in text for word in ('"d1~first"', '"d2~first"', '"iot/devices-2/+/data"'))
    assert not provision(file, tmp_path, TWO)
