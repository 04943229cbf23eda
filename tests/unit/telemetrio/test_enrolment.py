"""`telemetrio device add`: a device and what it presents to the broker, from the command line."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shared.passwords import password_matches
from shared.process import Refusal
from telemetrio import enrolment
from telemetrio.__main__ import cli
from tests.peers.dynsec import secured, url
from tests.peers.mosquitto import free_port
from tests.peers.mqtt import Client, connect


def run(folder: Path, *words: str) -> dict[str, str]:
    """What it printed, by name."""
    done = CliRunner().invoke(cli, ["device", "add", *words, "--data-dir", str(folder)])
    if done.exception is not None:
        raise done.exception
    return dict(line.split(": ") for line in done.output.splitlines())


def rows(folder: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "telemetrio.db")) as database:
        return database.execute(statement).fetchall()


def test_a_device_is_added_with_a_credential(tmp_path: Path) -> None:
    """The password is printed, and nowhere else; a second call makes a second credential of the same device."""
    said = run(tmp_path, "pump-7", "--name", "Pump", "--profile", "open")
    assert (said["client id"], said["username"]) == ("pump-7", "pump-7")
    again = run(tmp_path, "pump-7", "--credential", "second")
    assert rows(tmp_path, "SELECT device_id, name, profile, user_id, claimed FROM devices") == [
        ("pump-7", "Pump", "open", 1, 1)
    ]
    kept = rows(tmp_path, "SELECT password_hash FROM device_credentials ORDER BY id")
    for proof, (hashed,) in zip((said, again), kept, strict=True):
        assert password_matches(proof["password"].encode(), hashed)
    assert rows(tmp_path, "SELECT event, subject FROM audit")[0] == ("device_added", "pump-7 first")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a b",), "Device id"),
        (("d1", "--profile", "nothing"), "Profile: is one of"),
        (("d1", "--owner", "ann@example.org"), "no user with the address"),
        (("d1", "--credential", "a b"), "Name"),
    ],
)
def test_what_cannot_be_added_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """In one sentence, and nothing is made."""
    with pytest.raises(Refusal, match=said):
        run(tmp_path, *words)


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    """The first one stays as it is."""
    run(tmp_path, "d1")
    with pytest.raises(Refusal, match="has a credential first already"):
        run(tmp_path, "d1")


@pytest.mark.peer("mosquitto")
@pytest.mark.peer("mosquitto_dynsec")
async def test_mosquitto_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes in with what was printed; while the broker is away nothing is made."""
    monkeypatch.setenv("TELEMETRIO_BROKER_AUTH", "dynsec")
    monkeypatch.setenv("TELEMETRIO_MQTT_URL", f"mqtt://127.0.0.1:{free_port()}")
    with pytest.raises(Refusal, match="TELEMETRIO_MQTT_URL"):
        await asyncio.to_thread(run, tmp_path, "d1")
    assert rows(tmp_path, "SELECT 1 FROM device_credentials") == []
    with secured(tmp_path) as broker:
        monkeypatch.setenv("TELEMETRIO_MQTT_URL", url(broker))
        said = await asyncio.to_thread(run, tmp_path, "d1")
        client = await Client.open(broker.port)
        client.send(connect(said["client id"], username=said["username"], password=said["password"]))
        assert (await client.receive()).body[1] == 0
        await Client.cut_all()
    monkeypatch.setenv("TELEMETRIO_BROKER_AUTH", "none")
    said = await asyncio.to_thread(run, tmp_path, "d2")
    assert enrolment.Proof(*said.values()).username == "d2"
