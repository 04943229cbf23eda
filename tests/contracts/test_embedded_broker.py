"""The embedded broker's promises, over real TCP: each holds with ours, and is shown to break with amqtt as it comes.

A test that takes `served` runs twice. Its run on the stock broker must fail (strict xfail): the day that amqtt mends a
defect, that run passes, the suite says so, and an override can go.
"""

import asyncio
import errno
import gc
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import pytest
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.errors import BrokerError

from services.ingest import delivery as ingest_delivery
from services.ingest.delivery import Delivery, Intake
from telemetrio.embedded import EmbeddedBroker
from telemetrio.embedded import broker as embedded_broker
from telemetrio.embedded import outgoing as embedded_outgoing
from telemetrio.embedded import retained as embedded_retained
from tests.fakes.ingest import Single, singles
from tests.peers.mqtt import (
    CONNACK,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    Client,
    Will,
    connect,
    packet,
    publish,
    text,
)

DATA, STATUS = "iot/devices/d1/data", "iot/devices/d1/status"
ANSWERS = {1: PUBACK, 2: PUBREC}
DEFECTS = (AssertionError, TimeoutError, EOFError, BrokerError)


class Ingest:
    """The far end of the intake: takes deliveries one by one and acknowledges when the test says so."""

    def __init__(self) -> None:
        self.intake = Intake()
        self._taken: deque[Single] = deque()

    async def next(self, deadline_s: float = 5.0) -> Single:
        async with asyncio.timeout(deadline_s):
            while not self._taken:
                self._taken.extend(singles(await self.intake.take()))
            return self._taken.popleft()

    @property
    def idle(self) -> bool:
        return not self._taken and not len(self.intake)


class Listening(Protocol):
    """What the tests ask of either broker."""

    ports: tuple[int, ...]

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class StockBroker(Broker):
    """amqtt as it comes, with ingest put where one would put it: behind its delivery of a message."""

    def __init__(self, intake: Intake, bind: str = "127.0.0.1:0") -> None:
        plugins: dict[str, Any] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}}
        super().__init__(BrokerConfig(listeners={"default": ListenerConfig(bind=bind)}, plugins=plugins))
        self.intake = intake
        self.ports: tuple[int, ...] = ()

    async def start(self) -> None:
        await super().start()
        self.ports = tuple(each.getsockname()[1] for each in self._servers["default"].instance.sockets)

    async def stop(self) -> None:
        if self.transitions.state == "started":
            await self.shutdown()

    async def _handle_message_delivery(self, client_session: Any, handler: Any, wait_deliver: Any) -> bool:
        seen = wait_deliver.result()
        if await super()._handle_message_delivery(client_session, handler, wait_deliver):
            self.intake.offer(Delivery([(seen.topic, seen.data)], 0, lambda _: None))
            return True
        return False


class Served:
    """A broker that listens, the ingest behind it, and how long a test waits for what must come."""

    def __init__(self, broker: Listening, ingest: Ingest, patience_s: float) -> None:
        self.broker = broker
        self.ingest = ingest
        self.patience_s = patience_s

    @property
    def port(self) -> int:
        return self.broker.ports[0]

    async def client(self, client_id: str, **how: Any) -> Client:
        return await Client.connected(self.port, client_id, **how)


@pytest.fixture(autouse=True)
async def complaints() -> AsyncIterator[list[dict[str, Any]]]:
    """What the loop had to say of tasks and callbacks that failed; nothing, after a test of the embedded broker."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    yield said
    await Client.cut_all()


@pytest.fixture
async def embedded(complaints: list[dict[str, Any]]) -> AsyncIterator[Served]:
    ingest = Ingest()
    broker = EmbeddedBroker(ingest.intake, hosts=("127.0.0.1",), port=0)
    await broker.start()
    yield Served(broker, ingest, 5.0)
    async with asyncio.timeout(5):
        await broker.stop()
    assert not complaints


STOCK = pytest.param(
    "stock",
    marks=[
        pytest.mark.long,  # it changes with its version only
        pytest.mark.xfail(strict=True, raises=DEFECTS),
        pytest.mark.filterwarnings("ignore::ResourceWarning"),  # it leaves sockets open
        pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    ],
)


@pytest.fixture(params=["embedded", STOCK])
async def served(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, complaints: list[dict[str, Any]]
) -> AsyncIterator[Served]:
    ingest = Ingest()
    caplog.set_level(logging.CRITICAL, "amqtt")
    if request.param == "embedded":
        broker: Listening = EmbeddedBroker(ingest.intake, hosts=("127.0.0.1",), port=0)
    else:
        broker = StockBroker(ingest.intake)
    await broker.start()
    if isinstance(broker, EmbeddedBroker):
        yield Served(broker, ingest, 5.0)
        async with asyncio.timeout(5):
            await broker.stop()
        assert not complaints
        return
    yield Served(broker, ingest, 1.5)
    await Client.cut_all()
    left = {asyncio.create_task(broker.stop())}
    for _ in range(3):  # amqtt swallows cancellation here and there
        if left:
            await asyncio.wait(left, timeout=1)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
    gc.collect()  # what it leaked is complained of here, not in the next test


async def until(condition: Callable[[], bool], deadline_s: float = 5.0) -> None:
    """Let the loop turn until it holds."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - it belongs to others, who announce nothing
            await asyncio.sleep(0)


# ---- acknowledgement


@pytest.mark.parametrize("qos", [1, 2])
async def test_no_answer_before_the_disk(served: Served, qos: int) -> None:
    """PUBACK and PUBREC leave only after ingest has said that the message is on disk."""
    client = await served.client("d1")
    client.send(publish(DATA, b"{}", qos, 7))
    await client.ping(served.patience_s)
    delivery = await served.ingest.next(served.patience_s)
    assert (delivery.topic, delivery.payload) == (DATA, b"{}")
    delivery.ack()
    answer = await client.receive()
    assert (answer.kind, answer.packet_id) == (ANSWERS[qos], 7)


async def test_qos_0_is_handed_over_in_order(embedded: Served) -> None:
    """Messages of all QoS reach ingest in the order in which they were sent."""
    client = await embedded.client("d1")
    sent = [str(number).encode() for number in range(300)]
    client.send(b"".join(publish(DATA, each, number % 3, number + 1) for number, each in enumerate(sent)))
    assert [(await embedded.ingest.next()).payload for _ in sent] == sent


async def test_answers_keep_the_order_of_receipt(served: Served) -> None:
    """Whatever order ingest acknowledges in, and whether a message went to ingest at all, answers come in order."""
    client = await served.client("d1")
    for packet_id, topic in ((1, DATA), (2, "elsewhere"), (3, DATA), (4, "telemetrio/live/x")):
        client.send(publish(topic, b"{}", 1, packet_id))
    first, second = await served.ingest.next(served.patience_s), await served.ingest.next(served.patience_s)
    second.ack()
    await client.ping(served.patience_s)
    first.ack()
    assert [(await client.receive()).packet_id for _ in range(4)] == [1, 2, 3, 4]


async def test_a_connection_that_dies_while_it_waits_loses_nothing_and_leaks_nothing(embedded: Served) -> None:
    """What arrived is ingested although its sender is gone, and neither a task nor an unseen exception stays."""
    before = len(asyncio.all_tasks())
    client = await embedded.client("d1")
    for packet_id in range(1, 51):
        client.send(publish(DATA, b"{}", 1 + packet_id % 2, packet_id))
    deliveries = [await embedded.ingest.next() for _ in range(50)]
    client.cut()
    await until(lambda: len(asyncio.all_tasks()) == before)
    for delivery in deliveries:
        delivery.ack()
    await (await embedded.client("d1")).ping()


# ---- QoS 2


async def test_an_unreleased_qos_2_message_is_taken_once(served: Served) -> None:
    """A PUBLISH repeated before its PUBREL is answered again and not ingested again; after it, it is a new one."""
    client = await served.client("d1")
    client.send(publish(DATA, b"one", 2, 7))
    (await served.ingest.next(served.patience_s)).ack()
    assert (await client.receive()).kind == PUBREC
    client.send(publish(DATA, b"one", 2, 7))
    assert (await client.receive()).kind == PUBREC
    client.send(packet(0x62, b"\x00\x07"))
    assert (await client.receive()).kind == PUBCOMP
    client.send(publish(DATA, b"two", 2, 7))
    assert (await served.ingest.next()).payload == b"two"


async def test_an_unknown_release_is_completed(served: Served) -> None:
    """PUBREL for an id that the broker doesn't know gets its PUBCOMP: the client asks until it does."""
    client = await served.client("d1")
    client.send(packet(0x62, b"\x30\x39"))
    answer = await client.receive(served.patience_s)
    assert (answer.kind, answer.packet_id) == (PUBCOMP, 12345)


async def test_a_resumed_session_takes_a_qos_2_message_once(embedded: Served) -> None:
    """Sent again on a new connection of the same session, before or after the commit: ingested once, PUBREC there."""
    first = await embedded.client("d1", clean=False)
    first.send(publish(DATA, b"one", 2, 7) + publish(DATA, b"two", 2, 8))
    one, two = await embedded.ingest.next(), await embedded.ingest.next()
    one.ack()
    assert (await first.receive()).kind == PUBREC
    first.cut()
    second = await embedded.client("d1", clean=False)
    second.send(publish(DATA, b"one", 2, 7) + publish(DATA, b"two", 2, 8))
    assert (await second.receive()).packet_id == 7
    await second.ping()
    two.ack()
    assert (await second.receive()).packet_id == 8
    assert embedded.ingest.idle


# ---- last wills


async def test_a_will_goes_to_ingest_and_then_to_others(served: Served) -> None:
    """A broken line's will is a message like any other: on disk first, then to subscribers, then retained."""
    watcher = await served.client("watcher")
    await watcher.subscribe(STATUS)
    device = await served.client("d1", will=Will(STATUS, b"offline", 1, retain=True))
    device.cut()
    will = await served.ingest.next(served.patience_s)
    assert (will.topic, will.payload) == (STATUS, b"offline")
    await watcher.ping()
    will.ack()
    assert (await watcher.receive()).payload == b"offline"
    late = await served.client("late")
    await late.subscribe(STATUS)
    kept = await late.receive()
    assert (kept.payload, kept.flags & 1) == (b"offline", 1)


async def test_a_connection_that_is_ended_twice_leaves_its_will(
    embedded: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while ingest is full: two reasons to end it in one turn of the loop are an end like any other."""
    monkeypatch.setattr(ingest_delivery, "MAX_WAITING", 1)
    device = await embedded.client("d1", will=Will(STATUS, b"offline", 1))
    device.send(publish(DATA, b"{}", 0) * 2)
    assert isinstance(embedded.broker, EmbeddedBroker)
    assert embedded.broker._broker is not None
    (connection,) = embedded.broker._broker.connections.values()
    await until(lambda: connection._paused)
    connection.abort()
    connection.abort()
    assert [(await embedded.ingest.next()).topic for _ in range(2)] == [DATA, STATUS]


async def test_a_will_that_may_not_be_published_is_not(served: Served) -> None:
    """A will on the services' tree is refused like a publish, also for a client that subscribed everything."""
    watcher = await served.client("watcher")
    await watcher.subscribe("#")
    (await served.client("d1", will=Will("telemetrio/live/x", b"forged"))).cut()
    device = await served.client("d2", will=Will("elsewhere", b"honest"))
    device.cut()
    assert (await watcher.receive()).payload == b"honest"


async def test_a_clean_end_leaves_no_will(embedded: Served) -> None:
    """DISCONNECT means no will, also when it comes in one segment with CONNECT and a message."""
    watcher = await embedded.client("watcher")
    await watcher.subscribe("bye")
    client = await Client.open(embedded.port)
    client.send(connect("d1", will=Will("bye", b"unclean")) + publish(DATA, b"{}") + b"\xe0\x00")
    assert (await embedded.ingest.next()).payload == b"{}"
    await client.closed()
    (await embedded.client("d2")).send(publish("bye", b"next"))
    assert (await watcher.receive()).payload == b"next"


# ---- ends of connections


async def test_silence_beyond_the_keepalive_ends_the_connection(served: Served) -> None:
    """After 1.5 x keepalive without a packet the connection is closed and its will sent: a power loss is seen."""
    device = await served.client("d1", keepalive=1, will=Will(STATUS, b"offline"))
    await device.closed(served.patience_s + 2)
    assert (await served.ingest.next()).payload == b"offline"


async def test_a_client_that_pings_stays(embedded: Served) -> None:
    """PINGREQ counts as life: a witness that connected later and says nothing is closed first."""
    device = await embedded.client("d1", keepalive=1)
    witness = await embedded.client("d2", keepalive=1)

    closing = asyncio.create_task(witness.closed())
    while not closing.done():
        await device.ping()
        await asyncio.wait({closing}, timeout=0.3)
    await closing
    device.send(publish(DATA, b"alive"))
    assert (await embedded.ingest.next()).payload == b"alive"


@pytest.mark.parametrize("clean", [True, False])
async def test_a_second_connect_ends_the_first(served: Served, *, clean: bool) -> None:
    """A client id has one connection: the older one is closed, with its will, and the newer one lives on."""
    older = await served.client("d1", clean=clean, will=Will(STATUS, b"older"))
    newer = await served.client("d1", clean=clean)
    await older.closed(served.patience_s)
    assert (await served.ingest.next(served.patience_s)).payload == b"older"
    await newer.subscribe("commands")
    newer.send(publish("commands", b"reset"))
    assert (await newer.receive()).payload == b"reset"


async def test_no_connect_no_connection(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that says nothing, or half a CONNECT, is closed when the time for CONNECT is over."""
    monkeypatch.setattr(embedded_broker, "CONNECT_WITHIN_S", 0.2)
    silent, half = await Client.open(served.port), await Client.open(served.port)
    half.send(connect("d1")[:9])
    await silent.closed(served.patience_s)
    await half.closed(served.patience_s)


async def test_mqtt_5_is_refused_by_its_own_code(served: Served) -> None:
    """A CONNECT of protocol level 5, with properties, a will and a user name, gets CONNACK 0x01 and the end."""
    client = await Client.open(served.port)
    properties, will = b"\x05\x11\x00\x00\x00\x0a", b"\x00" + text("bye") + text("unclean")
    body = text("MQTT") + b"\x05\x86\x00\x3c" + properties + text("d1") + will + text("user")
    client.send(packet(0x10, body))
    answer = await client.receive(served.patience_s)
    assert (answer.kind, answer.body[1]) == (CONNACK, 1)
    await client.closed()


async def test_stop_ends_whatever_is_open() -> None:
    """Idle, before CONNECT, amid a packet, waiting for ingest, reading nothing: stop ends them all, without a will."""
    ingest = Ingest()
    broker = EmbeddedBroker(ingest.intake, hosts=("127.0.0.1",), port=0)
    await broker.start()
    port = broker.ports[0]
    idle = await Client.connected(port, "idle", will=Will(STATUS, b"offline"))
    early, half = await Client.open(port), await Client.connected(port, "half")
    half.send(packet(0x30, text(DATA) + b"x" * 100)[:50])
    waiting = await Client.connected(port, "waiting")
    waiting.send(publish(DATA, b"{}", 1))
    stuck = await Client.connected(port, "stuck")
    await stuck.subscribe("big")
    for _ in range(200):
        await broker.publish("big", b"x" * 100_000)
    delivery = await ingest.next()
    async with asyncio.timeout(2):
        await broker.stop()
    delivery.ack()
    for client in (idle, early, half, waiting, stuck):
        await client.closed()
    assert ingest.idle


# ---- who may what


@pytest.mark.parametrize("topic", ["telemetrio/live/x", "telemetrio", "$SYS/broker"])
async def test_services_topics_are_not_for_clients(served: Served, topic: str) -> None:
    """A publish on the services' tree or the broker's own is acknowledged and goes nowhere."""
    watcher = await served.client("watcher")
    await watcher.subscribe("#")
    await watcher.subscribe("$SYS/#")
    client = await served.client("d1")
    client.send(publish(topic, b"forged", 1, 5, retain=True))
    assert (await client.receive(served.patience_s)).kind == PUBACK
    client.send(publish("elsewhere", b"honest"))
    assert (await watcher.receive(served.patience_s)).payload == b"honest"
    await client.ping()
    assert served.ingest.idle


@pytest.mark.parametrize("topic_filter", ["telemetrio/#", "telemetrio/live/+", "telemetrio", "$share/g/x"])
async def test_services_topics_cannot_be_subscribed(served: Served, topic_filter: str) -> None:
    """SUBACK 0x80 for the services' tree, and for shared subscriptions, which would silently get nothing."""
    assert await (await served.client("d1")).subscribe(topic_filter) == 0x80


async def test_everything_is_not_what_services_say(embedded: Served) -> None:
    """`#` brings devices' messages and ingest's to devices, never the services' tree."""
    assert isinstance(embedded.broker, EmbeddedBroker)
    client = await embedded.client("d1")
    await client.subscribe("#")
    await embedded.broker.publish("telemetrio/live/x", b"inside")
    await embedded.broker.publish("iot/devices/d1/errors", b"not_json")
    assert (await client.receive()).payload == b"not_json"
    assert embedded.ingest.idle


async def test_a_refused_publish_is_counted(embedded: Served) -> None:
    """What is acknowledged and dropped shows in the figures."""
    assert isinstance(embedded.broker, EmbeddedBroker)
    client = await embedded.client("d1")
    client.send(publish("telemetrio/x", b"12345") + publish(DATA, b"123"))
    await client.ping()
    stats = embedded.broker.stats()
    assert (stats.connections, stats.messages, stats.message_bytes, stats.refused) == (1, 2, 8, 1)


@pytest.mark.parametrize(
    "bad",
    [
        publish("a/+/b", b""),
        publish("#", b""),
        publish("", b""),
        publish("a\0b", b""),
        packet(0x30, b"\x00\x02\xff\xfe"),
        packet(0x30, b"\x00\x50ab"),
        packet(0x36, text("a") + b"\x00\x01"),
        packet(0x32, text("a") + b"\x00\x00"),
        packet(0x82, b"\x00\x01" + text("a") + b"\x03"),
        packet(0x80, b"\x00\x01" + text("a") + b"\x00"),
        packet(0x82, b"\x00\x01"),
        packet(0x40, b"\x00"),
        packet(0xF0, b""),
        packet(0x00, b""),
        packet(0x20, b"\x00\x00"),
        connect("again"),
        b"\x30\xff\xff\xff\xff\x7f",
        packet(0x30, b"")[:1] + b"\x81\x80\x40",
    ],
)
async def test_a_broken_rule_ends_the_connection(embedded: Served, bad: bytes) -> None:
    """Wildcards in topics, lying lengths, reserved bits, packets of servers: closed, and nothing reaches ingest."""
    client, neighbour = await embedded.client("d1"), await embedded.client("d2")
    client.send(bad)
    await client.closed()
    await neighbour.ping()
    assert embedded.ingest.idle


# ---- bounds


async def test_a_packet_over_1_mib_is_not_read(served: Served) -> None:
    """Its length is enough to close the connection: the body is never waited for, nor kept."""
    client = await served.client("d1")
    client.send(b"\x30\x81\x80\x40" + text(DATA))
    await client.closed(served.patience_s)


async def test_a_packet_of_1_mib_is_taken(embedded: Served) -> None:
    """The limit itself is within the limit, also when it comes in pieces."""
    client = await embedded.client("d1")
    payload = b"x" * (1024 * 1024 - len(text(DATA)))
    client.send(publish(DATA, payload))
    assert len((await embedded.ingest.next()).payload) == len(payload)


async def test_a_full_ingest_is_not_read_past(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """While ingest is full nothing more is taken, and a client that we don't read is not called silent."""
    witness = await served.client("witness", keepalive=2)
    monkeypatch.setattr(ingest_delivery, "MAX_WAITING", 10)
    device = await served.client("d1", keepalive=1)
    device.send(b"".join(publish(DATA, b"{}", 1, packet_id) for packet_id in range(1, 101)) + b"\xc0\x00")
    await until(lambda: len(served.ingest.intake) >= 10, served.patience_s)
    for _ in range(100):
        await asyncio.sleep(0)  # the loop turns: whoever reads on, reads now
    assert len(served.ingest.intake) == 10
    await witness.closed()  # it was silent for three seconds, as long as the device was not read
    assert len(served.ingest.intake) == 10
    for _ in range(100):
        (await served.ingest.next()).ack()
    answers = [(await device.receive()).kind for _ in range(101)]
    assert sorted(answers) == [PUBACK] * 100 + [PINGRESP]


async def test_late_acknowledgement_costs_no_tasks(served: Served) -> None:
    """However fast messages come and however late ingest acknowledges, tasks and messages held are bounded."""
    before, total = len(asyncio.all_tasks()), 10_000
    client = await served.client("d1")
    client.send(b"".join(publish(DATA, b"{}", 1, packet_id) for packet_id in range(1, total + 1)))
    held: list[Single] = []
    while len(held) < 2_000:
        held.append(await served.ingest.next(served.patience_s))
    (await served.client("d2")).send(publish(DATA, b"other"))
    assert (await served.ingest.next(served.patience_s)).payload == b"other"
    assert len(asyncio.all_tasks()) < before + 10
    while total:
        for delivery in held:
            delivery.ack()
            assert (await client.receive()).kind == PUBACK
        total -= len(held)
        held = [await served.ingest.next() for _ in range(min(total, 2_000))]


async def test_a_subscriber_that_reads_nothing_costs_nobody(served: Served) -> None:
    """QoS 0 for it is left out beyond a bound, without tasks or memory; everybody else gets everything."""
    before = len(asyncio.all_tasks())
    stuck, reader = await served.client("stuck"), await served.client("reader")
    publisher = await served.client("publisher")
    await stuck.subscribe("big")
    await reader.subscribe("big")
    for number in range(400):
        publisher.send(publish("big", number.to_bytes(2, "big") + b"x" * 100_000))
        assert (await reader.receive(served.patience_s)).payload[:2] == number.to_bytes(2, "big")
    assert len(asyncio.all_tasks()) < before + 25
    if isinstance(served.broker, EmbeddedBroker):
        assert served.broker.stats().dropped > 200


async def test_a_subscriber_that_acknowledges_nothing_is_closed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QoS 1 can't be left out, so the connection of one that doesn't acknowledge ends; its neighbours' don't."""
    monkeypatch.setattr(embedded_outgoing, "MAX_OUTSTANDING", 20)
    stuck, reader = await served.client("stuck"), await served.client("reader")
    await stuck.subscribe("x", 1)
    await reader.subscribe("x", 1)
    publisher = await served.client("publisher")
    for packet_id in range(1, 31):
        publisher.send(publish("x", b"{}", 1, packet_id))
        got = await reader.receive(served.patience_s)
        reader.send(packet(0x40, got.publish_id))
        assert (await publisher.receive()).kind == PUBACK
    await stuck.closed(served.patience_s)
    await reader.ping()


async def test_retained_messages_are_for_those_who_asked(served: Served) -> None:
    """A client that connects gets what its own filters match, and nothing because others subscribed it."""
    publisher = await served.client("publisher")
    publisher.send(publish("a/b", b"kept", 1, 1, retain=True))
    await publisher.receive()
    other = await served.client("other")
    await other.subscribe("a/#")
    assert (await other.receive()).flags & 1
    bystander = await served.client("bystander")
    await bystander.ping(served.patience_s)
    await bystander.subscribe("c")
    await bystander.ping(served.patience_s)


async def test_retained_messages_are_bounded(embedded: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a message is passed on and not kept, and that is counted; clearing one makes room."""
    assert isinstance(embedded.broker, EmbeddedBroker)
    monkeypatch.setattr(embedded_retained, "MAX_TOPICS", 2)
    monkeypatch.setattr(embedded_retained, "MAX_BYTES", 1_000)
    for topic, payload in (("a", b"1"), ("b", b"2"), ("c", b"3"), ("a", b""), ("d", b"4"), ("b", b"x" * 2_000)):
        await embedded.broker.publish(topic, payload, retain=True)
    client = await embedded.client("late")
    await client.subscribe("+")
    assert (await client.receive()).topic == "d"
    await client.ping()
    assert embedded.broker.stats().retained_refused == 2


async def test_many_retained_messages_come_at_the_subscribers_pace(embedded: Served) -> None:
    """A new subscriber of a fleet gets every retained status, though they are more than may be outstanding."""
    assert isinstance(embedded.broker, EmbeddedBroker)
    for number in range(3_000):
        await embedded.broker.publish(f"iot/devices/d{number}/status", b"online", 1, retain=True)
    client = await embedded.client("fleet")
    await client.subscribe("iot/devices/+/status", 1)
    seen: set[str] = set()
    while len(seen) < 3_000:
        got = await client.receive()
        seen.add(got.topic)
        client.send(packet(0x40, got.publish_id))
    await client.ping()


async def test_connections_are_bounded(embedded: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection too many is closed at once and counted; those that are there stay."""
    assert isinstance(embedded.broker, EmbeddedBroker)
    monkeypatch.setattr(embedded_broker, "MAX_CONNECTIONS", 1)
    client = await embedded.client("d1")
    await (await Client.open(embedded.port)).closed()
    await client.ping()
    assert embedded.broker.stats().connections_refused == 1


# ---- subscribers


@pytest.mark.parametrize(("published", "granted", "expected"), [(0, 2, 0), (1, 0, 0), (1, 2, 1), (2, 1, 1), (2, 2, 2)])
async def test_a_subscriber_gets_the_lower_qos(embedded: Served, published: int, granted: int, expected: int) -> None:
    """The QoS of a message is the lower of the publisher's and the subscription's, with its whole handshake."""
    client = await embedded.client("reader")
    assert await client.subscribe("x/+", granted) == granted
    publisher = await embedded.client("publisher")
    publisher.send(publish("x/y", b"hello", published, 9))
    got = await client.receive()
    assert (got.kind, got.qos, got.payload) == (PUBLISH, expected, b"hello")
    if expected == 1:
        client.send(packet(0x40, got.publish_id))
    elif expected == 2:
        client.send(packet(0x50, got.publish_id))
        assert (await client.receive()).body == got.publish_id
        client.send(packet(0x70, got.publish_id))
    await client.ping()


async def test_asking_again_changes_the_qos_and_unsubscribing_ends_it(served: Served) -> None:
    """The last SUBSCRIBE of a filter counts, once; after UNSUBSCRIBE nothing comes."""
    client = await served.client("reader")
    await client.subscribe("x", 0)
    await client.subscribe("x", 1)
    client.send(publish("x", b"1", 1, 1))
    seen = {(each.kind, each.qos) for each in [await client.receive(), await client.receive()]}
    assert seen == {(PUBLISH, 1), (PUBACK, 0)}
    client.send(packet(0x40, b"\x00\x01") + packet(0xA2, b"\x00\x09" + text("x")))
    assert (await client.receive(served.patience_s)).body == b"\x00\x09"
    client.send(publish("x", b"2"))
    await client.ping()


# ---- listening


async def test_a_taken_port_is_an_oserror() -> None:
    """EADDRINUSE reaches the caller as itself, and the addresses that were free are given back."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        broker = EmbeddedBroker(Intake(), hosts=("127.0.0.1", "::1"), port=port)
        with pytest.raises(OSError) as refusal:  # noqa: PT011 - its errno is looked at
            await broker.start()
        assert refusal.value.errno == errno.EADDRINUSE
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_both_loopbacks_share_one_port_and_one_broker() -> None:
    """A message that comes by 127.0.0.1 reaches a subscriber on ::1."""
    broker = EmbeddedBroker(Intake(), hosts=("127.0.0.1", "::1"), port=0)
    await broker.start()
    assert len(broker.ports) == 2
    assert len(set(broker.ports)) == 1
    six = await Client.open(broker.ports[0], "::1")
    six.send(connect("six"))
    assert (await six.receive()).kind == CONNACK
    await six.subscribe("x")
    (await Client.connected(broker.ports[0], "four")).send(publish("x", b"hello"))
    assert (await six.receive()).payload == b"hello"
    await broker.stop()


async def test_an_address_that_this_machine_lacks_is_left_out() -> None:
    """As on a machine without IPv6: what is there is served."""
    broker = EmbeddedBroker(Intake(), hosts=("127.0.0.1", "192.0.2.1"), port=0)
    await broker.start()
    await (await Client.connected(broker.ports[0], "d1")).ping()
    assert len(broker.ports) == 1
    await broker.stop()


# ---- real clients


@pytest.mark.peer("mosquitto")
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mosquittos_own_clients_publish_and_subscribe(qos: int) -> None:
    """mosquitto_sub gets what mosquitto_pub sends at every QoS, once ingest has it."""
    ingest = Ingest()
    broker = EmbeddedBroker(ingest.intake, hosts=("127.0.0.1", "::1"), port=0)
    await broker.start()
    at = ["-h", "localhost", "-p", str(broker.ports[0]), "-q", str(qos), "-t", DATA]
    subscriber = await asyncio.create_subprocess_exec("mosquitto_sub", "-C", "1", *at, stdout=asyncio.subprocess.PIPE)
    inside = broker._broker
    assert subscriber.stdout is not None
    assert inside is not None
    async with asyncio.timeout(10):
        while not inside.subscriptions:  # noqa: ASYNC110 - a buffered pipe tells nothing
            await asyncio.sleep(0)
        publisher = await asyncio.create_subprocess_exec("mosquitto_pub", "-m", '{"temperature": 23.5}', *at)
        delivery = await ingest.next()
        assert delivery.payload == b'{"temperature": 23.5}'
        delivery.ack()
        assert await publisher.wait() == 0
        assert b'{"temperature": 23.5}' in await subscriber.stdout.read()
        assert await subscriber.wait() == 0
    await broker.stop()
    assert ingest.idle
