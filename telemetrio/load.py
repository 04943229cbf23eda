"""Load for `telemetrio bench`, in a process of its own: so many messages from so many connections, paced or not.

Run as `python -m telemetrio.load`, a Job as JSON on standard input; answers with a Result as JSON. Loopback only.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

import orjson

from telemetrio.publisher import Message, Publisher

_TICK_S: Final = 0.02
_LOGGED_IN_S: Final = 0.5
_GIVE_UP_S: Final = 120.0


class Job(NamedTuple):
    """`rate` in messages a second over all connections; 0: as fast as they are acknowledged.

    `stamped`: each message carries the time at which it was made, which is when it is sent.
    """

    mqtt_port: int
    connections: int
    messages: int
    rate: float
    in_flight: int = 100
    devices: int = 100
    stamped: bool = False


class Result(NamedTuple):
    """Latency from send to PUBACK."""

    acknowledged: int
    seconds: float
    p50_ms: float
    p99_ms: float


class Pace:
    """Messages round the devices; gives as many as are due since `begin`."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._numbers = itertools.count()
        self._begun: float | None = None
        self.given = 0

    def begin(self) -> None:
        self._begun = time.monotonic()

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        job = self._job
        if self._begun is None:
            raise StopIteration
        due = job.messages if not job.rate else min(job.messages, (time.monotonic() - self._begun) * job.rate)
        if self.given >= due:
            raise StopIteration
        self.given += 1
        number = next(self._numbers)
        topic = b"iot/devices/bench-%05d/data" % (number % job.devices)
        time_of = b', "timestamp": %d' % time.time_ns() if job.stamped else b""
        values = b'"temperature": %.2f, "humidity": 55.5, "pressure": 1013.25' % (20 + number % 100 / 10)
        return Message(topic, b"{%b%b}" % (values, time_of))


async def run(job: Job) -> Result:
    """Publish all; raises ConnectionError when a connection is lost, TimeoutError when it takes too long."""
    latencies: list[float] = []
    pace = Pace(job)
    loop = asyncio.get_running_loop()
    publishers = [
        (
            await loop.create_connection(
                lambda number=number: Publisher(  # type: ignore[misc] # a default that binds the loop's variable
                    f"bench-{number}", pace, lambda _message, seconds: latencies.append(seconds), job.in_flight
                ),
                "127.0.0.1",
                job.mqtt_port,
            )
        )[1]
        for number in range(job.connections)
    ]
    await asyncio.sleep(_LOGGED_IN_S)  # what logging in costs is no part of it
    begun = time.monotonic()
    pace.begin()
    async with asyncio.timeout(_GIVE_UP_S):
        while len(latencies) < job.messages:
            await asyncio.sleep(_TICK_S)
            for publisher in publishers:
                if publisher.done.done() and publisher.done.exception():
                    await publisher.done
                publisher.more()
    seconds = time.monotonic() - begun
    for publisher in publishers:
        publisher.close()
        publisher.done.cancel()
    latencies.sort()
    count = len(latencies)
    return Result(count, seconds, latencies[count // 2] * 1000, latencies[int(count * 0.99)] * 1000)


def main() -> None:
    job = Job(*orjson.loads(sys.stdin.buffer.read()))
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415 - not every platform has it

        uvloop.install()
    sys.stdout.buffer.write(orjson.dumps(tuple(asyncio.run(run(job)))))


if __name__ == "__main__":
    main()
