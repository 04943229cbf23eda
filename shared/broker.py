"""Where the broker is and who we are to it: one setting, turned into what each MQTT client wants to be told."""

import asyncio
import math
import random
import ssl
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from aiomqtt import Client, MqttError, ProtocolVersion
from pydantic import Field, FilePath, ValidationInfo, field_validator

from shared.settings import ServiceSettings, check_authority, read_secret
from shared.topics import SERVICE_PREFIX

# reason codes of MQTT 5 from here on say no, also those of a subscription in MQTT 3.1.1
REFUSED: Final = 0x80
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_MEND: Final = "write it as mqtt://user:password@host:1883, or mqtts:// for TLS"
_NAMELESS: Final = f"a password needs a user: {_MEND}"


class Address(NamedTuple):
    """What the URL says. Printed as host and port: a password never reaches a log."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return str(self)


class BrokerSettings(ServiceSettings):
    """Read by every service that talks to a broker over the network; see docs/settings.md."""

    mqtt_url: str = Field("mqtt://127.0.0.1:1883", repr=False, description="The broker, with user and password.")
    mqtt_password_file: FilePath | None = Field(None, description="Holds the password, in place of the URL.")
    mqtt_keepalive_s: int = Field(30, ge=5, le=600, description="A broker that is silent for so long is gone.")
    mqtt_ca_file: FilePath | None = Field(None, description="Who may sign the broker's certificate. Empty: the system.")

    @field_validator("mqtt_url")
    @classmethod
    def _whole(cls, url: str) -> str:
        parse_url(url)
        return url

    @field_validator("mqtt_password_file")
    @classmethod
    def _password(cls, file: Path | None, given: ValidationInfo) -> Path | None:
        if file is not None:
            read_secret(file)  # a wrong one is found before anything is opened
            if "mqtt_url" in given.data and parse_url(given.data["mqtt_url"]).username is None:
                raise ValueError(_NAMELESS)
        return file

    @field_validator("mqtt_ca_file")
    @classmethod
    def _authority(cls, file: Path | None) -> Path | None:
        if file is not None:
            check_authority(file)
        return file

    @property
    def address(self) -> Address:
        found = parse_url(self.mqtt_url)
        if self.mqtt_password_file is None:
            return found
        return found._replace(password=read_secret(self.mqtt_password_file))


def parse_url(url: str) -> Address:
    """Raise ValueError, with the mend and without the password, for what names no broker."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:  # its own message may quote the password
        raise ValueError(f"that is no URL: {_MEND}") from error
    if parts.scheme not in _PORTS:
        raise ValueError(f"{parts.scheme or 'nothing'}:// is no broker: {_MEND}")
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"a host and a port are all that is needed: {_MEND}")
    if parts.password and not parts.username:
        raise ValueError(_NAMELESS)
    username, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    number = _PORTS[parts.scheme] if port is None else port
    return Address(parts.hostname, number, parts.scheme == "mqtts", username, password)


def tls_context(settings: BrokerSettings) -> ssl.SSLContext | None:
    """None without TLS. The broker's certificate and its name are always verified."""
    if not settings.address.tls:
        return None
    return ssl.create_default_context(cafile=settings.mqtt_ca_file)


def client_id(*levels: str) -> str:
    """The name of a client of ours. No device's id has a slash: one of a service's name would take its place away."""
    return "/".join((SERVICE_PREFIX, *levels))


def aiomqtt_arguments(settings: BrokerSettings, *levels: str) -> dict[str, Any]:
    """For `aiomqtt.Client(**…)`: MQTT 5, no session; `levels` of its client id."""
    address = settings.address
    return {
        "hostname": address.host,
        "port": address.port,
        "username": address.username,
        "password": address.password,
        "identifier": client_id(*levels),
        "keepalive": settings.mqtt_keepalive_s,
        "protocol": ProtocolVersion.V5,
        "tls_context": tls_context(settings),
    }


async def publish(client: Client, topic: str, payload: bytes, qos: int, within_s: float) -> None:
    """Return when it is sent, at QoS 1 acknowledged; raises MqttError, or TimeoutError.

    aiomqtt's own timeout is asyncio.wait_for, which until Python 3.12 swallows a cancellation that comes together with
    the answer: a part that publishes a lot would go on for ever after it was asked to stop.
    """
    async with asyncio.timeout(within_s):
        await client.publish(topic, payload, qos, timeout=math.inf)


class SubscriptionRefused(MqttError):
    """The broker answers, and this user may not read there."""


async def subscribe(client: Client, topic: str, qos: int) -> None:
    """Return when the broker agreed; raises MqttError, also where it refuses, of which aiomqtt makes no error."""
    codes: Any = await client.subscribe(topic, qos)
    if any(int(getattr(code, "value", code)) >= REFUSED for code in codes):
        raise SubscriptionRefused(f"it refuses the subscription {topic}: this user may not read there")


class Backoff:
    """Full jitter: anything up to a bound that doubles. A fleet that lost its broker doesn't come back as one."""

    def __init__(self, first_s: float = 1.0, longest_s: float = 30.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._bound_s = first_s

    def next_s(self) -> float:
        wait_s = random.uniform(0, self._bound_s)  # noqa: S311 - nobody gains by guessing it
        self._bound_s = min(self._bound_s * 2, self._longest_s)
        return wait_s

    def reset(self) -> None:
        self._bound_s = self._first_s
