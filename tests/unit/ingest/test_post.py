"""Post: what ingest has to say besides its batches is sent in order, and never waited for."""

import asyncio

import pytest

from services.ingest.post import MAX_WAITING, Post
from tests.fakes.ingest import turns


async def test_messages_are_sent_in_order() -> None:
    """Those that wait already, and those that come."""
    post, sent = Post(), []

    async def send(topic: str, payload: bytes) -> None:
        await asyncio.sleep(0)
        sent.append((topic, payload))

    post.put("a", b"1")
    running = asyncio.create_task(post.deliver(send))
    await turns()
    post.put("b", b"2")
    await turns()
    running.cancel()
    assert sent == [("a", b"1"), ("b", b"2")]
    assert post.sent == 2


async def test_what_was_not_sent_is_sent_by_the_next_connection() -> None:
    """A line that breaks costs no message that was waiting for it."""
    post, sent = Post(), []

    async def breaks(_topic: str, _payload: bytes) -> None:
        raise ConnectionAbortedError

    async def send(topic: str, _payload: bytes) -> None:
        sent.append(topic)

    post.put("a", b"")
    post.put("b", b"")
    with pytest.raises(ConnectionAbortedError):
        await post.deliver(breaks)
    running = asyncio.create_task(post.deliver(send))
    await turns()
    running.cancel()
    assert sent == ["a", "b"]


def test_without_a_broker_the_queue_is_bounded() -> None:
    """What is over the bound is left out and counted."""
    post = Post()
    for number in range(MAX_WAITING + 3):
        post.put("t", b"%d" % number)
    assert (len(post), post.dropped) == (MAX_WAITING, 3)
