"""A worker that is to go can be stopped on its way."""

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest

from services.ingest.__main__ import _retire


async def never() -> None:
    await asyncio.Event().wait()


async def test_it_can_be_stopped_while_there_is_no_broker() -> None:
    """It may be away for good."""
    stop, subscriber = asyncio.Event(), Mock(retire=AsyncMock(side_effect=never))
    retiring = asyncio.create_task(_retire(subscriber, Mock(books={"spooled": 1}), stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(retiring, 5)


async def test_a_line_that_breaks_is_tried_again_and_a_refusal_is_not() -> None:
    """Nothing is lost by the one; the other is for somebody to mend."""
    stop, subscriber = asyncio.Event(), Mock(retire=AsyncMock(side_effect=[ConnectionError("cut"), None]))
    await _retire(subscriber, Mock(books={"spooled": 0}), stop)
    assert stop.is_set()
    assert subscriber.retire.await_count == 2
    subscriber = Mock(retire=AsyncMock(side_effect=ValueError("refused")))
    with pytest.raises(ValueError, match="refused"):
        await _retire(subscriber, Mock(books={"spooled": 0}), asyncio.Event())
