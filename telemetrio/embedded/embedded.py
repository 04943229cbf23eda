"""EmbeddedBroker: what `telemetrio up` and its ingest see of the broker in their own process."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.ingest.delivery import Intake
from shared.listeners import listening_sockets
from shared.topics import DEVICE_PREFIX, parse_device_topic
from telemetrio.embedded.broker import DeviceBroker
from telemetrio.embedded.credentials import Credentials
from telemetrio.embedded.frames import Publish
from telemetrio.embedded.hearing import Hearing


@dataclass(frozen=True, slots=True)
class BrokerStats:
    """Since the start; `connections` is now.

    `connections_refused`: over the bound. `refused`: messages whose sender may not publish there. `retained_refused`:
    over the bound of retained messages. `dropped`: QoS 0 messages left out for subscribers that take too little.
    """

    connections: int
    connections_refused: int
    messages: int
    message_bytes: int
    refused: int
    retained_refused: int
    dropped: int


def is_device_topic(topic: str, prefix: str = DEVICE_PREFIX) -> bool:
    return parse_device_topic(topic, prefix) is not None


class EmbeddedBroker:
    """MQTT 3.1.1 on `port` of each of `hosts`. Device topics go to `intake`, and are answered when it says so.

    `hearing`, set before it starts: who may hear what; without it, everybody may subscribe.
    """

    hearing: Hearing | None = None

    def __init__(
        self,
        intake: Intake,
        *,
        hosts: Sequence[str],
        port: int,
        is_telemetry: Callable[[str], bool] = is_device_topic,
        prefix: str = DEVICE_PREFIX,
    ) -> None:
        self._intake = intake
        self._hosts = hosts
        self._port = port
        self._is_telemetry = is_telemetry
        self._broker: DeviceBroker | None = None
        self.credentials = Credentials(prefix)
        self.ports: tuple[int, ...] = ()

    async def start(self) -> None:
        """Raises OSError if a port is taken; a machine without one of the addresses serves the others."""
        for name in ("amqtt", "transitions"):
            # below, they format lines for every packet; a warning is whatever a port scan or a broken client does
            logging.getLogger(name).setLevel(logging.ERROR)
        sockets = listening_sockets(self._hosts, self._port)
        self.ports = tuple(each.getsockname()[1] for each in sockets)
        self._broker = DeviceBroker(self._intake, self._is_telemetry, self.credentials, self.hearing)
        await self._broker.listen(sockets)

    async def stop(self) -> None:
        """End every connection, whatever state it is in. What ingest already has stays with ingest."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.end()

    async def publish(self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False) -> None:
        """A message of ingest itself, past every check: to subscribers, and never back to ingest."""
        if self._broker is not None:
            self._broker.distribute(Publish(topic, payload, qos, retain))

    def cut_the_revoked(self) -> None:
        """End the connections of those whose credential is not there any more."""
        if self._broker is not None:
            self._broker.cut_the_revoked()

    def stats(self) -> BrokerStats:
        broker = self._broker
        if broker is None:
            return BrokerStats(0, 0, 0, 0, 0, 0, 0)
        seen = broker.counters
        return BrokerStats(
            len(broker.connections),
            seen.connections_refused,
            seen.messages,
            seen.message_bytes,
            seen.refused,
            broker.retained.refused,
            seen.dropped,
        )
