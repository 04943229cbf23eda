"""Bytes of a stream to whole packets: however they arrive, and whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetrio.embedded.connection import Connection
from telemetrio.embedded.embedded import is_device_topic
from telemetrio.embedded.exchange import Counters
from telemetrio.embedded.frames import (
    MAX_PACKET_BYTES,
    BadFrame,
    Frames,
    Publish,
    is_topic,
    read_publish,
    write_publish,
)
from telemetrio.embedded.wires import MAX_UNSENT_BYTES
from tests.peers.mqtt import packet

topics = st.text(st.characters(codec="utf-8", exclude_characters="+#\0"), min_size=1, max_size=50)
publishes = st.builds(
    Publish, topics, st.binary(max_size=300), st.integers(0, 2), st.booleans(), st.integers(1, 65_535)
).map(lambda message: message if message.qos else message._replace(packet_id=0))


@given(st.lists(publishes, max_size=10), st.data())
def test_packets_survive_any_way_of_cutting_the_stream(messages: list[Publish], data: st.DataObject) -> None:
    """Cut anywhere, byte by byte too, the same packets come out in the same order."""
    stream = b"".join(write_publish(message) for message in messages)
    frames, found, at = Frames(), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, 200))
        found += [read_publish(head, body) for head, body in frames.split(stream[at : at + step])]
        at += step
    assert found == messages


@given(st.binary(max_size=2_000))
def test_any_bytes_are_packets_or_refused(stream: bytes) -> None:
    """Nothing but BadFrame ever comes of garbage, and no more than it is kept."""
    frames = Frames()
    try:
        for head, body in frames.split(stream):
            if head & 0xF0 == 0x30:
                read_publish(head, body)
    except BadFrame:
        return


def test_a_packet_over_the_limit_is_refused_before_its_body() -> None:
    """The length alone decides: 1 MiB passes, a byte more doesn't."""
    assert list(Frames().split(b"\x30" + b"\x80\x80\x40")) == []
    assert len(packet(0x30, b"x" * MAX_PACKET_BYTES)) == MAX_PACKET_BYTES + 4
    with pytest.raises(BadFrame, match="over"):
        list(Frames().split(b"\x30\x81\x80\x40"))


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "a\0b"])
def test_a_topic_with_a_wildcard_is_none(topic: str) -> None:
    """Whoever publishes on a wildcard is cut off."""
    assert not is_topic(topic)


def test_device_topics_are_those_of_ingest() -> None:
    """Also one with a bad id: it becomes a dead letter, not somebody's private channel."""
    assert is_device_topic("iot/devices/d/data")
    assert is_device_topic("iot/devices/bad id/data")
    assert not is_device_topic("home/kitchen")


def test_the_parts_of_the_broker_are_bounded() -> None:
    """Counters start at nothing, and what waits for one client is at most a megabyte."""
    assert Counters() == Counters(0, 0, 0, 0, 0)
    assert MAX_UNSENT_BYTES == 1024 * 1024
    assert issubclass(Connection, object)
