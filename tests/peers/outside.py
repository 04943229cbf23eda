"""What one reaches of an installation from outside, by TLS alone: its web behind the proxy, and the devices' broker."""

import json
import ssl
import threading
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.error import HTTPError

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.peers.waiting import eventually

_WITHIN_S = 15.0
FIRST = "first"


class Outside(NamedTuple):
    """`ca`: who signed its certificates."""

    origin: str
    mqtts_port: int
    ca: Path

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """(status, JSON or None), whatever the status."""
        data = None if body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **{name.replace("_", "-"): told for name, told in headers.items()}}
        request = urllib.request.Request(f"{self.origin}{path}", data, given, method=method)  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.tls) as answer:  # noqa: S310 - ours
                return answer.status, _read(answer.read())
        except HTTPError as error:
            with error:
                return error.code, _read(error.read())

    def mqtt(self, username: str, password: str, client_id: str) -> "Device":
        return Device(self, username, password, client_id)

    def device(self, device_id: str, password: str) -> "Device":
        """By the credential that an operator made first."""
        return self.mqtt(f"{device_id}~{FIRST}", password, device_id)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode()


class Device:
    """An MQTT 5 client over TLS."""

    def __init__(self, outside: Outside, username: str, password: str, client_id: str) -> None:
        self._outside = outside
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(username, password)
        self._client.tls_set_context(outside.tls)
        self._client.on_connect = lambda _c, _u, _f, reason, _p: self._answered("connect", reason.value)
        self._client.on_publish = lambda _c, _u, mid, reason, _p: self._answered(f"publish{mid}", reason.value)
        self._client.on_subscribe = lambda _c, _u, mid, reasons, _p: self._answered(f"subscribe{mid}", reasons[0].value)
        self._client.on_message = lambda _c, _u, message: self.heard.append(bytes(message.payload))
        self._answers: dict[str, int] = {}
        self._lock = threading.Lock()
        self.heard: list[bytes] = []

    def __enter__(self) -> Self:
        assert self.connect() == 0
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def connect(self) -> int:
        """The broker's reason code."""
        self._client.connect("127.0.0.1", self._outside.mqtts_port)
        self._client.loop_start()
        return self._answer("connect")

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> int:
        """At QoS 1; the reason code of its PUBACK."""
        return self._answer(f"publish{self._client.publish(topic, payload, 1).mid}")

    def subscribe(self, pattern: str) -> int:
        """The reason code of its SUBACK."""
        _, mid = self._client.subscribe(pattern, options=SubscribeOptions(qos=1))
        assert mid is not None
        return self._answer(f"subscribe{mid}")

    def _answered(self, what: str, reason: int) -> None:
        with self._lock:
            self._answers[what] = reason

    def _answer(self, what: str) -> int:
        return eventually(lambda: (self._answers[what],) if what in self._answers else None, _WITHIN_S)[0]
