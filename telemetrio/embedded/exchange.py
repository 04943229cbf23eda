"""Exchange: who may say and hear what, who asked for what, and passing it on. amqtt's Broker, with bounds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsuback import UnsubackPacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket
from amqtt.session import Session

from shared.broker import REFUSED
from shared.topics import SERVICE_PREFIX
from telemetrio.embedded.connection import Connection
from telemetrio.embedded.frames import BadFrame, Publish, write_publish
from telemetrio.embedded.retained import Retained

MAX_FILTERS: Final = 10_000


@dataclass(slots=True)
class Counters:
    """What happened since the start."""

    connections_refused: int = 0
    messages: int = 0
    message_bytes: int = 0
    refused: int = 0
    dropped: int = 0


class Exchange(Broker):
    """The part of the broker that knows topics and no sockets."""

    def __init__(self, config: BrokerConfig) -> None:
        super().__init__(config)
        self.retained = Retained()
        self.counters = Counters()
        self._wildcards: set[str] = set()

    # ---- overridden where credentials decide: broker.py

    def may_publish(self, session: Session, topic: str) -> bool:  # noqa: ARG002 - who publishes matters there
        """Whether a client may speak on `topic`: not on the services' tree, not on the broker's own."""
        return not topic.startswith("$") and topic.split("/", 1)[0] != SERVICE_PREFIX

    def may_subscribe(self, session: Session, topic_filter: str) -> bool:  # noqa: ARG002 - who asks matters there
        """Whether a client may ask for `topic_filter`; shared subscriptions are refused: amqtt would never send."""
        return bool(topic_filter) and topic_filter.split("/", 1)[0] not in {SERVICE_PREFIX, "$share"}

    def may_get(self, session: Session, topic: str) -> bool:  # noqa: ARG002 - who asked matters there
        """Whether a message on `topic` is for a client that asked for it."""
        return True

    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        # amqtt asks plugins, and for a publish only after delivery
        return action is not Action.SUBSCRIBE or self.may_subscribe(session, topic)

    def admits(self, session: Session, message: Publish) -> bool:
        """Count a message of a client; False if it may go nowhere."""
        self.counters.messages += 1
        self.counters.message_bytes += len(message.payload)
        if self.may_publish(session, message.topic):
            return True
        self.counters.refused += 1
        return False

    # ---- subscriptions

    async def subscribe(self, connection: Connection, packet: SubscribePacket) -> None:
        """Answer in place: amqtt queues subscriptions without a bound."""
        session = connection.session
        if session is None or packet.payload is None or packet.variable_header is None or not packet.payload.topics:
            raise BadFrame("a malformed SUBSCRIBE")
        granted = [await self.add_subscription(asked, session) for asked in packet.payload.topics]
        connection.outlet.write(SubackPacket.build(packet.variable_header.packet_id, granted).to_bytes())
        for (topic_filter, _), qos in zip(packet.payload.topics, granted, strict=True):
            if qos != REFUSED and connection.outgoing is not None:
                topics = [topic for topic in self.retained if self._matches(topic, topic_filter)]
                mine = [topic for topic in topics if self.may_get(session, topic)]
                connection.outgoing.replay(mine, qos, self.retained)

    async def unsubscribe(self, connection: Connection, packet: UnsubscribePacket) -> None:
        session = connection.session
        if session is None or packet.payload is None or packet.variable_header is None:
            raise BadFrame("a malformed UNSUBSCRIBE")
        for topic_filter in packet.payload.topics:
            self._del_subscription(topic_filter, session)
            if not self._subscriptions.get(topic_filter, True):
                del self._subscriptions[topic_filter]  # amqtt leaves an empty list for every filter it ever saw
        connection.outlet.write(UnsubackPacket.build(packet.variable_header.packet_id).to_bytes())

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        topic_filter, qos = subscription
        if qos > 2:
            raise BadFrame("a subscription of QoS 3")
        if topic_filter not in self._subscriptions and len(self._subscriptions) >= MAX_FILTERS:
            return REFUSED
        self._del_subscription(topic_filter, session)  # amqtt keeps the old QoS when a client asks again
        granted: int = await super().add_subscription(subscription, session)
        if granted != REFUSED and ("+" in topic_filter or "#" in topic_filter):
            self._wildcards.add(topic_filter)
        return granted

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Nothing: amqtt calls this with everybody's filters for every client that connects; `subscribe` does it."""

    async def retain_message(
        self,
        source_session: Session | None,  # noqa: ARG002 - kept, it would hold on to clients that are gone
        topic_name: str | None,
        data: bytes | bytearray | None,
        qos: int | None = None,
    ) -> None:
        """Amqtt's own door to the retained messages, bounded like ours."""
        self.retained.keep(Publish(topic_name or "", bytes(data or b""), qos or 0, retain=True))

    # ---- passing on

    def distribute(self, message: Publish) -> None:
        """Give a message to everybody who asked for it, without waiting for anybody.

        amqtt's queue and tasks have no bound, and raise a message's QoS to that of the subscription.
        """
        if message.retain:
            self.retained.keep(message)
        if not self._subscriptions:
            return
        encoded = b""
        live = message._replace(retain=False, packet_id=0)
        for session, granted in self._receivers(message.topic):
            connection = self._sessions.get(session.client_id or "", (None, None))[1]
            if not isinstance(connection, Connection) or connection.outgoing is None:
                continue
            if self.may_get(session, message.topic):
                qos = min(message.qos, granted)
                if not qos:
                    encoded = encoded or write_publish(live._replace(qos=0))
                connection.outgoing.send(live._replace(qos=qos), encoded)

    def _receivers(self, topic: str) -> Iterator[tuple[Session, int]]:
        yield from tuple(self._subscriptions.get(topic, ()))
        if topic.split("/", 1)[0] == SERVICE_PREFIX:
            return  # `#` asks for everything; what services say among themselves is no part of it
        for topic_filter in tuple(self._wildcards):
            if topic_filter not in self._subscriptions:
                self._wildcards.discard(topic_filter)
            elif self._matches(topic, topic_filter):
                yield from tuple(self._subscriptions[topic_filter])

    def dropped(self) -> None:
        self.counters.dropped += 1
