"""An operator on the first day of an installation: logs in, makes devices, and watches them from outside."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import socketio

from services.api.accounts.first import EMAIL
from tests.peers.outside import FIRST, Outside
from tests.peers.waiting import eventually, eventually_async

_WITHIN_S = 15.0
OWN = "a sentence of the operator"


class Guest:
    """`first_password`: what the api showed once; None: it was changed before."""

    def __init__(self, outside: Outside, first_password: str | None) -> None:
        self._outside = outside
        self._bearer: dict[str, str] = {}
        if first_password is not None:
            self._login(first_password)
            change = {"current_password": first_password, "new_password": OWN}
            self.ask("POST", "/api/v1/auth/password", change, 204)
        self._login(OWN)

    def _login(self, password: str) -> None:
        self._bearer = {}
        told = self.ask("POST", "/api/v1/auth/login", {"email": EMAIL, "password": password}, 200)
        self._bearer = {"Authorization": f"Bearer {told['access_token']}"}

    def ask(self, method: str, path: str, body: Any = None, expected: int = 200) -> Any:
        status, told = self._outside.ask(method, path, body, **self._bearer)
        assert status == expected, (method, path, status, told)
        return told

    def device(self, device_id: str) -> str:
        """A new one with a credential, which the broker knows; returns its password."""
        self.ask("POST", "/api/v1/devices", {"device_id": device_id, "name": device_id}, 201)
        made = self.ask("POST", f"/api/v1/devices/{device_id}/credentials", {"name": FIRST}, 201)
        assert made["username"] == f"{device_id}~{FIRST}"
        return str(made["password"])

    def readings(self, device_id: str) -> list[Any]:
        listed: list[Any] = self.ask("GET", f"/api/v1/devices/{device_id}/readings")["data"]
        return listed

    def stored(self, device_id: str, number: int, within_s: float = 40.0) -> None:
        """Wait until so many readings of it can be read."""
        eventually(lambda: len(self.readings(device_id)) == number, within_s)

    def ticket(self) -> str:
        return str(self.ask("POST", "/api/v1/live/ticket", {}, 201)["ticket"])

    async def sees_what_a_device_publishes(self, device_id: str) -> str:
        """By /ws and /socket.io while it is said, by the API afterwards; returns the device's password."""
        password = await asyncio.to_thread(self.device, device_id)
        connector = aiohttp.TCPConnector(ssl=self._outside.tls)
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"{self._outside.origin}/ws?ticket={await asyncio.to_thread(self.ticket)}"
            async with session.ws_connect(url) as raw:
                await raw.send_str('{"type":"subscribe","id":1,"devices":"*"}')
                seen = _Seen()
                client = socketio.AsyncClient(http_session=session)
                client.on("sensor_data", seen.hear)
                ticket = {"ticket": await asyncio.to_thread(self.ticket)}
                await client.connect(self._outside.origin, auth=ticket, transports=["polling", "websocket"])
                try:
                    await self._known(device_id, password, raw, seen)
                finally:
                    await client.disconnect()
        await asyncio.to_thread(self.stored_at_least_once, device_id)
        return password

    def stored_at_least_once(self, device_id: str) -> None:
        page = eventually(lambda: self.readings(device_id), 40)
        assert page[0]["values"] == {"temperature": 23.5}

    async def _known(self, device_id: str, password: str, raw: Any, seen: "_Seen") -> None:
        """Until both have seen it: ingest hears of a new device by the broker, within 30 s at the latest."""
        on_ws = asyncio.create_task(_until_reading(raw, device_id))

        def say() -> None:
            with self._outside.device(device_id, password) as device:
                assert device.publish(f"iot/devices/{device_id}/data", b'{"temperature": 23.5}') == 0

        async def both() -> bool:
            if on_ws.done() and device_id in seen.devices:
                return True
            await asyncio.to_thread(say)
            await asyncio.wait({on_ws}, timeout=0.5)
            return on_ws.done() and device_id in seen.devices

        try:
            await eventually_async(both, 40)
        finally:
            on_ws.cancel()


class _Seen:
    """What Socket.IO told."""

    def __init__(self) -> None:
        self.devices: set[str] = set()

    async def hear(self, message: dict[str, Any]) -> None:
        self.devices.add(message["device_id"])


async def _until_reading(raw: aiohttp.ClientWebSocketResponse, device_id: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        frame = await raw.receive(_WITHIN_S * 3)
        assert frame.type is aiohttp.WSMsgType.TEXT, frame
        message = json.loads(frame.data)
        if device_id in {one["device_id"] for one in message.get("readings", ())}:
            return
