"""How a process runs and ends: parts, their order, exit codes, and the end of what will not end."""

import asyncio
import gc
import signal
import subprocess
import sys
import weakref
from collections.abc import Awaitable, Callable

import pytest

from shared.process import ExitCode, Part, PartReturned, Refusal, run, run_parts, spare_the_collector


class Recorder:
    """Parts that write down when they begin and end."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def until_cancelled(self, name: str) -> Part:
        async def wait() -> None:
            self.said.append(f"{name} begins")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(0)  # its last words take a turn of the loop
                self.said.append(f"{name} ends")

        return Part(name, wait)

    def draining(self, name: str, stop: asyncio.Event) -> Part:
        async def drain() -> None:
            await stop.wait()
            self.said.append(f"{name} drained")

        return Part(name, drain, drains=True)


async def test_parts_end_in_order_after_those_that_drain() -> None:
    """`stop`: the server drains first, then the last part is cancelled and has ended before the one before it is."""
    stop, parts = asyncio.Event(), Recorder()
    running = asyncio.create_task(
        run_parts(
            [parts.until_cancelled("outbox"), parts.until_cancelled("pipeline"), parts.draining("server", stop)], stop
        )
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stop.set()
    await running
    assert parts.said == [
        *("outbox begins", "pipeline begins", "server drained", "pipeline ends", "outbox ends"),
    ]


async def dies() -> None:
    raise OSError("the disk is gone")


async def returns() -> None:
    await asyncio.sleep(0)


async def awaits_what_is_cancelled() -> None:
    cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    await cancelled


@pytest.mark.parametrize(
    ("part", "error", "words"),
    [
        (dies, OSError, "the disk is gone"),
        (returns, PartReturned, "odd ended although nobody asked it to"),
        (awaits_what_is_cancelled, PartReturned, "odd was cancelled by something that it awaited"),
    ],
)
async def test_a_part_that_ends_early_ends_the_process(
    part: Callable[[], Awaitable[None]], error: type[Exception], words: str
) -> None:
    """It may raise, return or be cancelled from within: the others are ended, and its error is the process's."""
    stop, parts = asyncio.Event(), Recorder()
    async with asyncio.timeout(5):
        with pytest.raises(error, match=words):
            await run_parts([parts.until_cancelled("writer"), Part("odd", part)], stop)
    assert stop.is_set()
    assert parts.said == ["writer begins", "writer ends"]


async def test_an_error_while_draining_is_raised() -> None:
    """A server that fails at its end makes the exit code tell it."""
    stop = asyncio.Event()

    async def fails() -> None:
        await stop.wait()
        raise OSError("no clean end")

    stop.set()
    with pytest.raises(OSError, match="no clean end"):
        await run_parts([Part("server", fails, drains=True)], stop)


@pytest.mark.parametrize("code", [ExitCode.PORT_TAKEN, ExitCode.WRONG_SETTINGS])
def test_a_refusal_is_a_sentence_and_its_exit_code(code: ExitCode, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody needs a traceback to see that a port is taken."""

    async def main(_stop: asyncio.Event) -> None:
        raise Refusal("use another port", code)

    assert run(main, grace_s=5) == code
    assert capsys.readouterr().err == "use another port\n"


def test_an_error_is_exit_code_1_and_no_error_is_0() -> None:
    """The supervisor restarts what died, and leaves what was asked to stop."""

    async def ends(_stop: asyncio.Event) -> None:
        await asyncio.sleep(0)

    async def fails(_stop: asyncio.Event) -> None:
        raise OSError

    assert run(ends, grace_s=5) == ExitCode.STOPPED
    assert run(fails, grace_s=5) == ExitCode.DIED


PROGRAM = """
import asyncio, sys
from shared.process import Part, run, run_parts

async def obeys():
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()

async def never_ends():
    while True:
        try:
            await obeys()
        except asyncio.CancelledError:
            print("not yet", flush=True)

async def dies():
    raise OSError

how = {"obeys": [obeys], "hangs": [never_ends], "dies": [obeys, dies], "dies hanging": [never_ends, dies]}
parts = [Part(each.__name__, each) for each in how[sys.argv[1]]]
sys.exit(run(lambda stop: run_parts(parts, stop), grace_s=float(sys.argv[2])))
"""


@pytest.mark.parametrize(
    ("how", "number", "code"),
    [
        ("obeys", signal.SIGTERM, ExitCode.STOPPED),
        ("obeys", signal.SIGINT, ExitCode.STOPPED),
        ("hangs", signal.SIGTERM, ExitCode.DID_NOT_STOP),
        ("dies", None, ExitCode.DIED),
        ("dies hanging", None, ExitCode.DID_NOT_STOP),
    ],
)
def test_a_process_ends_with_its_code_whatever_hangs(how: str, number: signal.Signals | None, code: ExitCode) -> None:
    """A signal, or the death of a part, is followed by the end within the grace: 0, 1, or 70 by force."""
    grace_s = "0.2" if code == ExitCode.DID_NOT_STOP else "30"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how, grace_s], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if number is not None:
            process.send_signal(number)
        assert process.wait(15) == code
    finally:
        process.kill()
        process.communicate()


def test_the_collector_is_spared_and_still_finds_cycles() -> None:
    """What lives on is frozen; garbage with cycles made later is found all the same."""
    before = gc.get_threshold()
    try:
        spare_the_collector()
        assert gc.get_freeze_count() > 0
        loop: list[object] = []
        loop.append(loop)
        gone = weakref.ref(_Marker(loop))
        del loop
        gc.collect()
        assert gone() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


class _Marker:
    """Can be referred to weakly, and is part of a cycle."""

    def __init__(self, loop: list[object]) -> None:
        loop.append(self)
