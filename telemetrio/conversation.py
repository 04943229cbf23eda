"""A process of a benchmark that is spoken to by lines: one question, one answer, both JSON."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson


class Conversation(NamedTuple):
    """A process that answers a line by a line."""

    process: Process

    async def ask(self, line: bytes = b"") -> Any:
        assert self.process.stdin is not None  # noqa: S101 - asked for by PIPE
        self.process.stdin.write(line + b"\n")
        return await self.answer()

    async def answer(self) -> Any:
        """The next line; raises RuntimeError when the process has ended."""
        assert self.process.stdout is not None  # noqa: S101 - asked for by PIPE
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the bench ended with {await self.process.wait()}")
        return orjson.loads(line)


@asynccontextmanager
async def conversation(*command: str) -> AsyncIterator[Conversation]:
    """`python -m` with this command; it is asked to end afterwards."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *command, stdin=PIPE, stdout=PIPE, limit=2**20)
    try:
        yield Conversation(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
