"""The one thread: nothing runs twice at a time there, and nothing is left half done."""

import asyncio
import threading

import pytest

from services.ingest.thread import OneThread


async def test_a_cancelled_call_is_finished_first() -> None:
    """Whoever cancels it waits until the work is done: its result is known, in memory and on disk."""
    thread, begun, go_on, done = OneThread("one"), threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go_on.wait(5)
        done.append(threading.current_thread().name)

    calling = asyncio.create_task(thread.call(work))
    await asyncio.to_thread(begun.wait, 5)
    calling.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert done == ["one_0"]
    thread.close()
