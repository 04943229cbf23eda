"""One connection, and a subscriber whose broker breaks every rule: nothing gets through, nothing gets lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import mqtt5
import pytest
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingReqPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
)

from services.ingest.acknowledgements import REMEMBERED, Acknowledgements
from services.ingest.connection import Connection, Tally
from services.ingest.delivery import MAX_WAITING, Intake
from services.ingest.errors import OutboxFull
from services.ingest.session import MAX_PACKET_BYTES, SessionSettings
from services.ingest.wire import read_packets
from tests.fakes.broker import FakeBroker, Transport
from tests.fakes.ingest import singles, turns
from tests.integration.subscriber_rig import MemoryFilters, Rig, backoff_of_tests, contents, running
from tests.peers.waiting import eventually_async

TOPIC = "iot/devices/d1/data"
BAD_TOPIC = b"\x30\x05\x00\x02\xff\xfe\x00"
# mqtt5 also reports the error below its panic as "ignored", through sys.unraisablehook
panics = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff_of_tests(monkeypatch)


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    async with FakeBroker() as opened:
        yield opened


def message(packet_id: int, payload: bytes = b"{}", *, duplicate: bool = False) -> PublishPacket:
    return PublishPacket(TOPIC, payload, qos=QoS.AT_LEAST_ONCE, packet_id=packet_id, duplicate=duplicate)


class Wire:
    """A connection on a transport that goes nowhere."""

    def __init__(self, known: dict[int, int] | None = None) -> None:
        self.intake = Intake()
        self.tally = Tally()
        self.transport = Transport()
        self.heard: list[bytes] = []
        own = ("own", lambda _connection, payload: self.heard.append(payload))
        self.connection = Connection(self.intake, self.tally, known or {}, own)
        self.connection.connection_made(self.transport)
        self.connection.release()

    def say(self, *packets: Packet) -> None:
        self.connection.data_received(b"".join(packet.write() for packet in packets))


async def test_acknowledgements_of_one_turn_are_one_write() -> None:
    """A hundred acknowledgements cost one system call, in the order of receipt."""
    wire = Wire()
    wire.say(*(message(packet_id) for packet_id in range(1, 101)))
    (delivery,) = await wire.intake.take()
    delivery.ack(100)
    assert wire.transport.writes == [b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in range(1, 101))]


async def test_packets_cut_anywhere_are_put_together() -> None:
    """Bytes come as the network pleases: one at a time they give the same messages."""
    wire = Wire()
    for byte in b"".join(message(number, b"%d" % number).write() for number in (1, 2, 300)):
        wire.connection.data_received(bytes([byte]))
    assert contents(singles(await wire.intake.take())) == [b"1", b"2", b"300"]


async def test_after_the_end_nothing_is_written_or_taken() -> None:
    """A commit that comes after the connection's end acknowledges nothing, and bytes that come after it say nothing."""
    wire = Wire()
    wire.say(message(1))
    wire.connection.connection_lost(None)
    (delivery,) = await wire.intake.take()
    delivery.ack(1)
    await turns(2)
    wire.say(message(2))
    assert (wire.transport.writes, len(wire.intake)) == ([], 0)


@panics
async def test_sound_messages_before_a_violation_count() -> None:
    """What came before the first bad byte is delivered; the connection is over all the same."""
    wire = Wire()
    wire.connection.data_received(message(1, b"good").write() + BAD_TOPIC + message(2, b"never").write())
    assert contents(singles(await wire.intake.take())) == [b"good"]
    assert wire.transport.writes == [b"\xe0\x01\x81"]
    assert wire.connection.ended.result().violated


@panics
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (BAD_TOPIC, DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x00\x00", DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x30\xff\xff\xff\xff\x01", DisconnectReasonCode.MALFORMED_PACKET),
        (b"\x30\xff\xff\xff\x7f" + bytes(MAX_PACKET_BYTES), DisconnectReasonCode.PACKET_TOO_LARGE),
        (b"\x32\x07\x00\x01a\x00\x00\x00x", DisconnectReasonCode.PROTOCOL_ERROR),  # packet id 0
        (PublishPacket("a", b"", qos=QoS.EXACTLY_ONCE, packet_id=1).write(), DisconnectReasonCode.PROTOCOL_ERROR),
        (ConnectPacket("x").write(), DisconnectReasonCode.PROTOCOL_ERROR),
    ],
)
async def test_each_violation_is_answered_with_its_code(data: bytes, code: DisconnectReasonCode) -> None:
    """The broker is told what it did, it is counted, and nothing of it reaches the intake."""
    wire = Wire()
    wire.connection.data_received(data)
    assert wire.transport.writes == [DisconnectPacket(reason_code=code).write()]
    assert (wire.tally.violations, len(wire.intake)) == (1, 0)


@panics
@pytest.mark.parametrize("streams", [200, pytest.param(1_000, marks=pytest.mark.long)])
async def test_random_streams_do_no_harm(streams: int) -> None:
    """Whatever bytes come, in whatever pieces: a message, a wait for more, or one orderly end. Never an exception."""
    chance = random.Random(5)
    seeds = [message(7, b'{"a": 1}').write(), ConnAckPacket().write(), DisconnectPacket().write(), b"\xd0\x00"]
    ended = 0
    for _ in range(streams):
        stream = bytearray(b"".join(chance.choices(seeds, k=3)) + chance.randbytes(chance.randrange(40)))
        for _ in range(chance.randrange(6)):
            stream[chance.randrange(len(stream))] = chance.randrange(256)
        wire = Wire()
        while stream:
            size = chance.randrange(1, 30)
            wire.connection.data_received(bytes(stream[:size]))
            del stream[:size]
        ended += wire.connection.ended.done()
    assert streams / 2 < ended < streams


@panics
def test_only_the_panic_of_mqtt5_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation, a Ctrl-C, an exit: whatever else is no Exception goes on its way."""
    assert "panicked" in str(read_packets(BAD_TOPIC).violation)

    def raising(error: BaseException) -> None:
        def read(_view: memoryview) -> None:
            raise error

        monkeypatch.setattr(mqtt5, "read", read)

    for error in (asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(), MemoryError()):
        raising(error)
        with pytest.raises(type(error)):
            read_packets(b"\xd0\x00")


async def test_reading_stops_at_the_bound_and_goes_on_when_there_is_room() -> None:
    """The intake holds its bound and one read more; taking it starts the reading again, once."""
    wire = Wire()
    wire.say(*(message(number) for number in range(1, MAX_WAITING)))
    assert wire.transport.is_reading()
    wire.say(message(MAX_WAITING))
    assert not wire.transport.is_reading()
    await turns()
    assert not wire.transport.is_reading()
    await wire.intake.take()
    await turns()
    assert wire.transport.is_reading()
    assert wire.tally.pauses == 1


async def test_while_reading_is_paused_the_broker_is_pinged_and_not_called_dead() -> None:
    """It can't be heard, and must hear us: ten silent keepalives end nothing; one after the resumption does."""
    wire = Wire()
    wire.say(*(message(number) for number in range(1, MAX_WAITING + 1)))
    keeper = asyncio.create_task(wire.connection.keep_alive(0.02))
    ping = PingReqPacket().write()

    async def pinged() -> bool:
        return wire.transport.writes.count(ping) >= 20

    await eventually_async(pinged)
    assert not wire.connection.ended.done()
    await wire.intake.take()
    await asyncio.wait([keeper], timeout=5)
    assert "silent" in wire.connection.ended.result().reason


async def test_what_was_only_held_is_no_repeat(broker: FakeBroker) -> None:
    """A message of a connection that never became ready was not handed over: when it comes again, it is taken."""
    broker.answers[ConnectPacket] = [ConnAckPacket(session_present=True), message(1, b"once")]
    broker.answers[SubscribePacket] = [DisconnectPacket(reason_code=DisconnectReasonCode.SERVER_BUSY)]
    rig = Rig(broker.url)
    rig.begin()
    await rig.down("server busy")
    assert len(rig.intake) == 0
    broker.answers[ConnectPacket] = [ConnAckPacket(session_present=True), message(1, b"once", duplicate=True)]
    del broker.answers[SubscribePacket]
    (delivery,) = await rig.take(1)
    assert (delivery.topic, delivery.payload) == (TOPIC, b"once")
    delivery.ack()
    await rig.stop()


async def test_repeats_are_told_by_id_content_and_flag() -> None:
    """Only what comes with the same id, the same content and the DUP flag is a repeat."""
    before = Wire()
    before.say(message(1, b"a"), message(2, b"b"), message(3, b"c"))
    wire = Wire(before.connection.remembered())
    wire.say(message(1, b"a", duplicate=True), message(2, b"x", duplicate=True), message(3, b"c"))
    assert [delivery.repeated for delivery in singles(await wire.intake.take())] == [True, False, False]
    assert wire.tally.duplicates == 1


async def test_what_is_remembered_is_bounded() -> None:
    """So much, the newest of it, over several connections; nothing once the session is lost."""
    known: dict[int, int] = {}
    for start in (1, 20_001):
        acknowledgements = Acknowledgements(lambda _data: None, known)
        for number in range(start, start + 20_000):
            acknowledgements.expect([number], [("t", b"%d" % number)], [message(number)])
        known = acknowledgements.remembered(handed_over=True)
    assert sorted(known) == list(range(40_001 - REMEMBERED, 40_001))
    again = Acknowledgements(lambda _data: None, known)
    oldest = 40_001 - REMEMBERED
    for number in (oldest, 40_001):
        again.expect([number], [("t", b"%d" % number)], [message(number)])
    assert oldest in again.remembered(handed_over=True)  # delivered again, so it may be once more
    last = Acknowledgements(lambda _data: None, known)
    last.forget()
    assert last.remembered(handed_over=True) == {}


async def test_the_session_is_asked_for_as_agreed(broker: FakeBroker) -> None:
    """Clean start off, a day's expiry, Receive Maximum 5,000, 1 MiB a packet; QoS 1, and no retained telemetry."""
    async with running(broker.url):
        (connect,) = broker.of(ConnectPacket)
        assert isinstance(connect, ConnectPacket)
        assert (connect.client_id, connect.clean_start, connect.session_expiry_interval) == (
            "telemetrio/ingest-1",
            False,
            86_400,
        )
        assert (connect.receive_max, connect.max_packet_size, connect.keep_alive) == (5_000, 1024 * 1024, 30)
        (subscribe,) = broker.of(SubscribePacket)
        assert isinstance(subscribe, SubscribePacket)
        data = next(one for one in subscribe.topic_filters if one.pattern == "iot/devices/+/data")
        assert (data.max_qos.name, data.retain_as_published, data.retain_handling.name) == (
            "AT_LEAST_ONCE",
            False,
            "SEND_NEVER",
        )


async def test_the_brokers_keepalive_wins(broker: FakeBroker) -> None:
    """A broker that wants a sign of life each second gets two."""
    broker.answers[ConnectPacket] = [ConnAckPacket(server_keep_alive=1)]
    async with running(broker.url):

        async def pinged() -> bool:
            return len(broker.of(PingReqPacket)) >= 3

        await eventually_async(pinged)


@pytest.mark.parametrize(
    ("codes", "word"),
    [
        ([0, 0, 1], "grants iot/devices/+/data with QoS 0 only"),
        ([0, 1, 135], "refuses the subscription iot/devices/+/status: not authorized"),
        ([0, 1], "answered 2 of 3"),
    ],
)
async def test_without_its_subscriptions_it_is_not_ready(broker: FakeBroker, codes: list[int], word: str) -> None:
    """A broker that grants less than QoS 1 would lose messages: ingest says so and tries again."""
    granted = {code.value: code for code in (SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE, *_OTHER_CODES)}
    broker.answers[SubscribePacket] = [SubAckPacket(2, [granted[code] for code in codes])]
    rig = Rig(broker.url)
    rig.begin()
    await rig.down(word)
    assert not rig.health.ready
    del broker.answers[SubscribePacket]
    await rig.state("ok")
    await rig.stop()


_OTHER_CODES = (SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, SubAckReasonCode.NOT_AUTHORIZED)


async def test_a_refused_connection_is_tried_again(broker: FakeBroker) -> None:
    """The reason is on the health page until the broker takes us."""
    broker.answers[ConnectPacket] = [ConnAckPacket(reason_code=ConnAckReasonCode.SERVER_UNAVAILABLE)]
    rig = Rig(broker.url)
    rig.begin()
    await rig.down("refuses the connection: server unavailable")
    broker.answers[ConnectPacket] = [ConnAckPacket()]
    await rig.state("ok")
    await rig.stop()


async def test_a_broker_that_says_nothing_is_given_up(broker: FakeBroker) -> None:
    """A port that accepts and never answers holds nobody for longer than a keepalive."""
    broker.answers[ConnectPacket] = None
    rig = Rig(broker.url, keepalive_s=1)
    rig.begin()
    await rig.down("no answer within 1 s")
    await rig.stop()


@panics
async def test_a_broken_broker_is_told_counted_and_tried_again(broker: FakeBroker) -> None:
    """Bad UTF-8 in a topic: DISCONNECT 0x81, one violation, and a new connection; the process lives."""
    async with running(broker.url) as rig:
        broker.say(BAD_TOPIC)
        await rig.connected(2)
        assert rig.subscriber.stats().violations == 1
        assert broker.farewells == [0x81]


async def test_a_full_disk_delays_the_session_and_ends_nothing(broker: FakeBroker) -> None:
    """Filters that can't be written down are no reason to die: it is tried again until there is room."""

    class Full(MemoryFilters):
        room = False

        async def save(self, filters: Sequence[str]) -> None:
            if not self.room:
                raise OutboxFull("the disk is full")
            await super().save(filters)

    filters = Full()
    rig = Rig(broker.url, filters)
    rig.begin()
    await rig.down("the disk is full")
    filters.room = True
    await rig.state("ok")
    await rig.stop()


async def test_another_name_on_the_topic_ends_it(broker: FakeBroker) -> None:
    """What is held at that moment is left to the other one."""
    other = PublishPacket(SessionSettings("ingest-1").instance_topic, b"somebody else")
    broker.answers[ConnectPacket] = [ConnAckPacket(session_present=True), message(1), other]
    rig = Rig(broker.url)
    rig.begin()
    assert "another ingest is connected" in str(await rig.died())
    assert len(rig.intake) == 0
