"""How every process runs: one stop event, named parts in one task group, an orderly end, an exit code."""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import structlog

log = structlog.get_logger()


class ExitCode(IntEnum):
    """What the shell sees; docs/operations.md says what to do about each."""

    STOPPED = 0
    DIED = 1
    WRONG_SETTINGS = 2
    PORT_TAKEN = 3
    SESSION_TAKEN_OVER = 4
    PREREQUISITE_MISSING = 5
    NO_NETWORK = 6
    DID_NOT_STOP = 70


class Refusal(Exception):
    """The process can't go on, and somebody must act: one sentence that names the mend, and the exit code."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


class PartReturned(Exception):
    """A part that should run until `stop` came back early: the process must not look healthy without it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One named task of a process.

    `drains`: it watches `stop` itself and returns when it has drained (a server). Others are cancelled afterwards, the
    last one first, so list them in the order in which messages flow through them backwards: consumers before producers.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    drains: bool = False


async def run_parts(parts: Sequence[Part], stop: asyncio.Event) -> None:
    """Run all parts until `stop`. A part that raises or returns before that sets `stop` and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_watch(part, stop), name=part.name) for part in parts]
            await stop.wait()
            await asyncio.gather(*(task for task, part in zip(tasks, parts, strict=True) if part.drains))
            for task in reversed(tasks):
                task.cancel()
                await asyncio.wait([task])
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors


async def _watch(part: Part, stop: asyncio.Event) -> None:
    try:
        await part.run()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling() or stop.is_set():
            raise
        # nobody cancelled this part: whatever it awaited was, and the group would take that for an orderly end
        stop.set()
        raise PartReturned(f"{part.name} was cancelled by something that it awaited") from error
    except BaseException as error:
        log.exception("part_died", part=part.name, error=repr(error))
        stop.set()
        raise
    if not stop.is_set():
        stop.set()
        raise PartReturned(f"{part.name} ended although nobody asked it to")


def hasten_the_start() -> None:
    """Call before anything large is imported: what imports make stays, and looking through it is a tenth of a start."""
    gc.set_threshold(100_000)


def spare_the_collector() -> None:
    """Call once everything is open: what lives as long as the process is not looked through again and again.

    Readings are small objects without cycles, made and dropped by the thousand: reference counts free them at once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def run(main: Callable[[asyncio.Event], Awaitable[None]], *, grace_s: float) -> ExitCode:
    """Run `main(stop)` on a fresh loop until it returns; SIGTERM and SIGINT set `stop`.

    `grace_s` after `stop` was set the process is ended with DID_NOT_STOP, whatever still hangs.
    """
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_main(main, grace_s))
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return refusal.code


async def _main(main: Callable[[asyncio.Event], Awaitable[None]], grace_s: float) -> ExitCode:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watchdog = loop.create_task(_end_at_last(stop, grace_s))
    try:
        await main(stop)
    except Refusal:
        raise
    except Exception:
        log.exception("process_died")
        return ExitCode.DIED
    finally:
        watchdog.cancel()
    return ExitCode.STOPPED


async def _end_at_last(stop: asyncio.Event, grace_s: float) -> None:
    """Asked to stop, or by a part that died: an end that hangs ends all the same."""
    await stop.wait()
    # a thread, not loop.call_later: the loop may be what hangs
    last_resort = threading.Timer(grace_s, os._exit, [int(ExitCode.DID_NOT_STOP)])
    last_resort.daemon = True
    last_resort.start()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not every platform has it
    except ImportError:
        return None
    return uvloop.new_event_loop
