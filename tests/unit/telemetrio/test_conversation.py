"""A process that is spoken to by lines."""

import pytest

from telemetrio.conversation import conversation
from telemetrio.stage import Account


async def test_one_that_ends_is_told_by_its_exit_code() -> None:
    """Nobody waits for its answer."""
    async with conversation("telemetrio.nothing_of_this_name") as talk:
        with pytest.raises(RuntimeError, match="ended with 1"):
            await talk.answer()


async def test_a_line_is_answered_by_a_line() -> None:
    """JSON both ways; whoever leaves ends the process."""
    async with conversation("telemetrio.stage", "hypercorn", "50") as talk:
        assert int(await talk.answer()) > 0
        assert Account(*await talk.ask(b"[0, 0]")).published == 0
    assert talk.process.returncode is not None
