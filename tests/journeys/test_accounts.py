"""`telemetrio up` with accounts: the first login, what others get, and a restart."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.api.accounts.first import EMAIL
from tests.peers.mqtt import Client, connect
from tests.peers.system import System
from tests.peers.waiting import eventually_async

NEW = "a sentence of the operator"
AUTH = "/api/v1/auth"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[System]:
    running = System(tmp_path / "data", TELEMETRIO_AUTH="required")
    running.start()
    yield running
    running.stop()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def login(system: System, email: str, password: str) -> Any:
    status, told = system.request("POST", f"{AUTH}/login", {"email": email, "password": password})
    assert status == 200, told
    return told


async def first_message(url: str) -> Any:
    """Its text, or the code with which the server closes."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        return (await socket.receive(10)).data


def test_the_first_login_and_what_lasts(guarded: System) -> None:
    """A password for one time, shown once; nothing without a login; a restart changes nothing for who is in."""
    shown = [line.split()[1:3] for line in guarded.said if line.startswith("login ")]
    assert [email for email, _ in shown] == [EMAIL]
    password = shown[0][1]
    assert password not in guarded.log
    token = login(guarded, EMAIL, password)["access_token"]
    assert guarded.request("GET", "/api/devices")[0] == 401
    assert guarded.request("GET", "/api/devices", **bearer(token))[1]["code"] == "password_must_change"
    change = {"current_password": password, "new_password": NEW}
    assert guarded.request("POST", f"{AUTH}/password", change, **bearer(token))[0] == 204
    told = login(guarded, EMAIL, NEW)
    token = told["access_token"]

    guarded.publish("iot/devices/d1/data", '{"temperature": 23.5}')
    status, ticket = guarded.request("POST", "/api/v1/live/ticket", {}, **bearer(token))
    assert status == 201
    url = f"{guarded.http}/ws".replace("http", "ws", 1)
    assert json.loads(asyncio.run(first_message(f"{url}?ticket={ticket['ticket']}")))["type"] == "welcome"
    assert asyncio.run(first_message(f"{url}?ticket={ticket['ticket']}")) == 4401

    assert asyncio.run(granted(guarded, "")) == 0x80
    sent = {"name": "k", "scopes": ["live"]}
    key = guarded.request("POST", "/api/v1/api-keys", sent, **bearer(token))[1]["key"]
    asyncio.run(eventually_granted(guarded, key))

    from_elsewhere = {"X_Forwarded_For": "192.0.2.7"}
    assert guarded.request("GET", "/metrics", **from_elsewhere)[0] == 403
    asked = urlopened(guarded, "/metrics", {**from_elsewhere, **bearer(token)})
    assert b"telemetrio_ready" in asked

    secret = guarded.data_dir / "secret.key"
    assert secret.stat().st_mode & 0o777 == 0o600
    guarded.restart()
    assert len([line for line in guarded.said if line.startswith("login ")]) == 1
    assert guarded.request("GET", "/api/devices", **bearer(token))[0] == 200
    status, _ = guarded.request("POST", f"{AUTH}/refresh", {"refresh_token": told["refresh_token"]})
    assert status == 200

    command = [
        sys.executable,
        "-m",
        "telemetrio",
        "user",
        "add",
        "ann@example.org",
        "--data-dir",
        str(guarded.data_dir),
    ]
    added = subprocess.run(command, input=NEW, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert added.stdout == "user 2\n"
    hers = login(guarded, "ann@example.org", NEW)["access_token"]
    assert guarded.request("GET", "/api/devices", **bearer(hers)) == (200, [])
    assert urlopened_status(guarded, "/metrics", {**from_elsewhere, **bearer(hers)}) == 403


async def granted(system: System, key: str) -> int | None:
    """What the broker answers to a subscription; None: it doesn't let this key in."""
    client = await Client.open(system.mqtt_port)
    try:
        client.send(connect("listener", username="key", password=key))
        return None if (await client.receive()).body[1] else await client.subscribe("iot/devices/+/data")
    finally:
        await Client.cut_all()


async def eventually_granted(system: System, key: str) -> None:
    async def asked() -> bool:
        return await granted(system, key) == 0

    await eventually_async(asked)


def urlopened(system: System, path: str, headers: dict[str, str]) -> bytes:
    return asyncio.run(fetched(system, path, headers))[1]


def urlopened_status(system: System, path: str, headers: dict[str, str]) -> int:
    return asyncio.run(fetched(system, path, headers))[0]


async def fetched(system: System, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.get(f"{system.http}{path}", headers=given) as answer:
        return answer.status, await answer.read()


def test_it_may_listen_elsewhere_with_accounts(tmp_path: Path) -> None:
    """The web does, MQTT does not."""
    system = System(tmp_path / "data", "--host", "127.0.0.2", TELEMETRIO_AUTH="required")
    system.start()
    try:
        _, web, mqtt = system.said[-1].split()
        assert web.startswith("http://127.0.0.2:")
        assert mqtt.startswith("mqtt://127.0.0.1:")
    finally:
        assert system.stop() == 0
