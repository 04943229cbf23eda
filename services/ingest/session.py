"""What an ingest asks of the broker: its session, its filters, its name; as packets, without a socket."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    PublishPacket,
    QoS,
    RetainHandling,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from shared.broker import REFUSED, Address, client_id
from shared.process import ExitCode, Refusal
from shared.topics import DEVICE_PREFIX, data_topic, instance_topic, status_topic

RECEIVE_MAXIMUM: Final = 5_000  # replaces the broker's own window, which is 20 in Mosquitto
MAX_PACKET_BYTES: Final = 1024 * 1024


class SessionTakenOver(Refusal):
    """Another ingest runs under the same name: going on, the two would take the session from each other for ever."""

    def __init__(self, source: str, broker: str) -> None:
        super().__init__(
            f"another ingest is connected to {broker} as {source!r}: stop one, or give it a TELEMETRIO_SOURCE and a "
            "TELEMETRIO_DATA_DIR of its own",
            ExitCode.SESSION_TAKEN_OVER,
        )


class SessionRefused(Exception):
    """The broker is there and doesn't give what is needed; somebody must mend it, and until then it is tried again."""


class Filters(Protocol):
    """The filters that the session holds at the broker, remembered on disk: stale ones must be unsubscribed."""

    async def load(self) -> Sequence[str]: ...

    async def save(self, filters: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """`source`: stable and unique. `also`: filters of services, delivered like those of devices.

    `share_group`: only for brokers that hand a dead member's messages to the others (Mosquitto 2.0 doesn't).
    """

    source: str
    device_prefix: str = DEVICE_PREFIX
    share_group: str = ""
    also: tuple[str, ...] = ()
    keepalive_s: int = 30
    expiry_s: int = 86_400
    instance: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def instance_topic(self) -> str:
        return instance_topic(self.source)

    @property
    def client_id(self) -> str:
        return client_id(self.source)

    def connect(self, address: Address) -> ConnectPacket:
        return ConnectPacket(
            self.client_id,
            username=address.username,
            password=None if address.password is None else address.password.encode(),
            clean_start=False,
            keep_alive=self.keepalive_s,
            session_expiry_interval=self.expiry_s,
            receive_max=RECEIVE_MAXIMUM,
            max_packet_size=MAX_PACKET_BYTES,
        )

    def claim(self, packet_id: int) -> PublishPacket:
        """Says whose session this is; kept by the broker."""
        payload = self.instance.encode()
        return PublishPacket(self.instance_topic, payload, qos=QoS.AT_LEAST_ONCE, retain=True, packet_id=packet_id)

    def release(self, packet_id: int) -> PublishPacket:
        """Nobody has it any more."""
        return PublishPacket(self.instance_topic, b"", qos=QoS.AT_LEAST_ONCE, retain=True, packet_id=packet_id)

    def filters(self) -> list[TopicFilter]:
        """The first one is its own name; the others are devices' and services'."""
        shared = f"$share/{self.share_group}/" if self.share_group else ""
        data = shared + data_topic("+", self.device_prefix)
        status = shared + status_topic("+", self.device_prefix)
        return [
            # QoS 0: it must not wait behind a full window of telemetry
            _filter(self.instance_topic, RetainHandling.SEND_ALWAYS, QoS.AT_MOST_ONCE),
            _filter(data, RetainHandling.SEND_NEVER),
            _filter(status, RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS),
            *(_filter(pattern, RetainHandling.SEND_NEVER) for pattern in self.also),
        ]

    def subscribe(self, packet_id: int) -> SubscribePacket:
        return SubscribePacket(packet_id, self.filters())


def _filter(pattern: str, retained: RetainHandling, qos: QoS = QoS.AT_LEAST_ONCE) -> TopicFilter:
    return TopicFilter(pattern, max_qos=qos, retain_as_published=False, retain_handling=retained)


def check_connected(answer: ConnAckPacket) -> None:
    """Raise SessionRefused for anything but success."""
    if answer.reason_code.value:
        raise SessionRefused(f"the broker refuses the connection: {words(answer.reason_code.name)}")
    if not answer.retain_available:
        raise SessionRefused("the broker keeps no retained messages: two ingests of one name would go unnoticed")


def check_granted(filters: Sequence[TopicFilter], answer: SubAckPacket) -> None:
    """Raise SessionRefused unless each filter is granted with the QoS that was asked for."""
    if len(filters) != len(answer.reason_codes):
        raise SessionRefused(f"the broker answered {len(answer.reason_codes)} of {len(filters)} subscriptions")
    for wanted, code in zip(filters, answer.reason_codes, strict=True):
        if code.value >= REFUSED:  # mqtt5's codes are no numbers at run time, whatever its types say
            raise SessionRefused(f"the broker refuses the subscription {wanted.pattern}: {words(code.name)}")
        if code.value < wanted.max_qos.value:
            raise SessionRefused(f"the broker grants {wanted.pattern} with QoS {code.value} only: messages may be lost")


def words(name: str) -> str:
    """A code as people say it."""
    return name.lower().replace("_", " ")
