"""What the bench says to a Centrifugo, and how it hears it, without one."""

import asyncio
import json

from telemetrio.audience import CentrifugoSeat
from telemetrio.centrifugo import reading_of


async def test_a_client_connects_subscribes_and_counts_what_is_pushed() -> None:
    """Several publications may share a frame; a ping is answered."""
    seat = CentrifugoSeat(asyncio.get_running_loop().create_future(), measured=True)
    assert json.loads(seat.hello)["connect"] == {}
    subscribe = seat.take(b'{"id":1,"connect":{"client":"c","version":"6"}}')
    assert json.loads(subscribe or b"") == {"id": 2, "subscribe": {"channel": "bench"}}
    assert not seat.snapshot.done()
    assert seat.take(b'{"id":2,"subscribe":{}}') is None
    assert seat.snapshot.done()
    pushed = json.dumps({"push": {"channel": "bench", "pub": {"data": reading_of(3)}}}, separators=(",", ":"))
    assert seat.take(f"{pushed}\n{pushed}".encode()) is None
    assert (seat.frames, seat.readings, len(seat.late_ns)) == (1, 2, 2)
    assert 0 <= seat.late_ns[0] < 60 * 10**9
    assert seat.take(b"{}") == b"{}"
