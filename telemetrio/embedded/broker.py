"""DeviceBroker: amqtt's Broker with everything overridden that loses, leaks or waits. Every override says why."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from amqtt.adapters import BufferReader, ReaderAdapter, WriterAdapter
from amqtt.broker import Server
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.errors import AMQTTError, ProtocolHandlerError
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.packet import CONNECT, MQTTFixedHeader
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import Session

from services.ingest.delivery import Delivery, Intake
from telemetrio.embedded.connection import Connection
from telemetrio.embedded.credentials import Credentials, Identity
from telemetrio.embedded.exchange import Exchange
from telemetrio.embedded.frames import BadFrame, Publish, is_topic
from telemetrio.embedded.hearing import Hearing, Listener
from telemetrio.embedded.wires import READ_BYTES, Inlet, Outlet

LISTENER: Final = "default"
PLUGINS: Final = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
CONNECT_WITHIN_S: Final = 10.0
END_WITHIN_S: Final = 1.0
MAX_CONNECTIONS: Final = 10_000
PROTOCOL_4: Final = b"\x00\x04MQTT\x04"
CONNACK_BAD_VERSION: Final = b"\x20\x02\x00\x01"
CONNACK_NOT_AUTHORIZED: Final = b"\x20\x02\x00\x05"
IDENTITY: Final = "telemetrio.identity"

log = logging.getLogger(__name__)


class DeviceBroker(Exchange):
    """One broker on several sockets, whose device topics go to `intake` before anybody else sees them."""

    def __init__(
        self,
        intake: Intake,
        is_telemetry: Callable[[str], bool],
        credentials: Credentials,
        hearing: Hearing | None = None,
    ) -> None:
        super().__init__(BrokerConfig(listeners={LISTENER: ListenerConfig(bind=None)}, plugins=dict(PLUGINS)))
        self.intake = intake
        self.is_telemetry = is_telemetry
        self.credentials = credentials
        self.hearing = hearing
        self.connections: dict[WriterAdapter, Connection] = {}
        self._sockets: Sequence[socket.socket] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self._owners: dict[str, Connection] = {}
        self._stopping = False

    # ---- listening and stopping

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets
        await self.start()

    async def _start_listeners(self) -> None:
        # sockets are bound before, so that a taken port is an OSError; one broker serves all of them
        for number, each in enumerate(self._sockets):
            connected = partial(self.stream_connected, listener_name=LISTENER)
            server = await asyncio.start_server(connected, sock=each, limit=READ_BYTES // 2)
            self._servers[f"{LISTENER} {number}" if number else LISTENER] = Server(LISTENER, server)

    async def end(self) -> None:
        """Close the sockets, cut every connection (no wills: it is we who leave), then let amqtt shut down."""
        self._stopping = True
        for server in self._servers.values():
            server.instance.close()
        for connection in list(self.connections.values()):
            connection.abort()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_WITHIN_S)
        await self.shutdown()

    # ---- connections

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """As amqtt's, with bounded ends; and whatever happens, the socket is closed (amqtt leaves some open)."""
        outlet = Outlet(writer)
        if self._stopping or len(self.connections) >= MAX_CONNECTIONS:
            self.counters.connections_refused += 1
            outlet.abort()
            return
        task = asyncio.current_task()
        connection = self.connections[outlet] = Connection(self, Inlet(reader), outlet)
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._client_connected(listener_name, connection.inlet, outlet)
        except (OSError, AMQTTError, ProtocolHandlerError) as error:
            log.info("a connection ended: %s", error)
        except asyncio.CancelledError:
            if not self._stopping:  # by `end`: asyncio's streams would report it as a failed callback
                raise
        finally:
            del self.connections[outlet]
            if connection.client_id and self._owners.get(connection.client_id) is connection:
                del self._owners[connection.client_id]
            connection.ended.set()
            await connection.stop()

    async def _initialize_client_session(
        self,
        reader: ReaderAdapter,  # noqa: ARG002 - the connection has it
        writer: WriterAdapter,
        remote_address: str,
        remote_port: int,
    ) -> tuple[BrokerProtocolHandler, Session]:
        # amqtt waits for ever for CONNECT, and reads it beyond its end; the handler must be ours
        connection = self.connections[writer]
        packet = await self._first_packet(connection)
        connect = await ConnectPacket.from_stream(BufferReader(packet))
        identity = self._identify(connection, connect)
        if not connect.client_id_is_random:
            await self._take_over(connect.client_id or "", connection)
        _, session = await super()._initialize_client_session(BufferReader(packet), writer, remote_address, remote_port)
        session.attributes[IDENTITY] = identity
        session.will_retain = connect.will_retain_flag  # amqtt keeps the old one when it resumes a session
        return connection, session

    def _identify(self, connection: Connection, connect: ConnectPacket) -> Identity | Listener | None:
        """Before anything is done for it: a stranger must not end, or go on with, what belongs to somebody."""
        shown = connect.password or ""
        try:
            identity: Identity | Listener | None = self.credentials.identify(connect.username, shown.encode())
            if identity is None and self.hearing is not None:
                identity = self.hearing.identify(shown)
        except (PermissionError, ValueError) as error:
            raise self._refusal(connection, str(error)) from error
        kept, _ = self._sessions.get(connect.client_id or "", (None, None))
        owner: Identity | Listener | None = kept.attributes.get(IDENTITY) if kept is not None else None
        if owner is not None and (identity is None or identity[0] != owner[0]):
            raise self._refusal(connection, "somebody else's client id")
        return identity

    def _refusal(self, connection: Connection, reason: str) -> AMQTTError:
        self.counters.refused += 1
        connection.outlet.write(CONNACK_NOT_AUTHORIZED)
        return AMQTTError(f"refused: {reason}")

    def admits(self, session: Session, message: Publish) -> bool:
        if not self.credentials.may_speak(self._device(session), message.topic):
            # acknowledged and thrown away, a reading of a device that has yet to get its password would be lost
            self.counters.refused += 1
            raise BadFrame("speaks for a device without its credentials")
        return super().admits(session, message)

    def may_subscribe(self, session: Session, topic_filter: str) -> bool:
        if self.hearing is not None and session.attributes.get(IDENTITY) is None:
            return False  # where one must log in, nobody hears anything without
        mine = self.credentials.may_hear(self._device(session), topic_filter)
        return mine and super().may_subscribe(session, topic_filter)

    def may_get(self, session: Session, topic: str) -> bool:
        identity = session.attributes.get(IDENTITY)
        return self.hearing is None or not isinstance(identity, Listener) or self.hearing.may_get(identity, topic)

    def cut_the_revoked(self) -> None:
        for connection in list(self.connections.values()):
            session = connection.session
            if session is not None and not self._holds(session.attributes.get(IDENTITY)):
                connection.abort()

    def _holds(self, identity: Identity | Listener | None) -> bool:
        if isinstance(identity, Listener):
            return self.hearing is not None and self.hearing.holds(identity)
        return self.credentials.holds(identity)

    def _device(self, session: Session) -> Identity | None:
        identity = session.attributes.get(IDENTITY)
        return identity if isinstance(identity, Identity) else None

    async def _first_packet(self, connection: Connection) -> bytes:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self.intake.room()  # a connection may leave a will: none is taken while ingest is full
                head, body = await connection.inlet.first()
        except TimeoutError as error:
            raise AMQTTError("no CONNECT in time") from error
        if head != CONNECT << 4:
            raise BadFrame("the first packet is not CONNECT")
        if not body.startswith(PROTOCOL_4):
            connection.outlet.write(CONNACK_BAD_VERSION)
            raise AMQTTError("not MQTT 3.1.1")
        header: bytes = MQTTFixedHeader(CONNECT, 0, len(body)).to_bytes()
        return header + body

    async def _take_over(self, client_id: str, connection: Connection) -> None:
        """End the connection that has this client id, and let it send its will, before the new one begins.

        amqtt leaves it alive under a clean session; under a kept one, its end disconnects the new connection.
        """
        previous = self._owners.get(client_id)
        self._owners[client_id] = connection
        connection.client_id = client_id
        if previous is not None:
            previous.abort()
            await previous.ended.wait()
            if self._owners.get(client_id) is not connection:
                raise AMQTTError("taken over before it began")

    async def _client_message_loop(self, client_session: Session, handler: BrokerProtocolHandler) -> None:
        # amqtt: five tasks per client, and its will is broadcast before its connection is closed
        if not isinstance(handler, Connection):
            raise AMQTTError("a handler that is not ours")
        clean = await handler.read()
        await handler.stop()
        client_session.transitions.disconnect()
        if client_session.clean_session and client_session.client_id:
            await self._delete_session(client_session.client_id)  # amqtt keeps its subscriptions a second longer
        if client_session.will_flag and not clean:
            self._leave(client_session)

    async def _cleanup_session(self, client_id: str) -> None:
        # amqtt's monitor looks, waits, then cleans: by then the client may be back
        if client_id not in self._owners or self._stopping:
            await super()._cleanup_session(client_id)

    def _leave(self, session: Session) -> None:
        """Hand the last will to ingest first (amqtt broadcasts it past every check). Never held back: one a client."""
        payload, qos, retain = bytes(session.will_message or b""), session.will_qos or 0, bool(session.will_retain)
        will = Publish(session.will_topic or "", payload, qos, retain)
        if not is_topic(will.topic) or will.qos > 2 or not self._admits_will(session, will):
            return
        if self.is_telemetry(will.topic):
            self.intake.offer(Delivery([(will.topic, will.payload)], time.time_ns(), lambda _: self.distribute(will)))
        else:
            self.distribute(will)

    def _admits_will(self, session: Session, will: Publish) -> bool:
        try:
            return self.admits(session, will)
        except BadFrame:
            return False  # its connection has ended already
