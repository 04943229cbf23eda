"""`telemetrio bench realtime`, small: it measures real processes, and fails when a client misses something."""

import asyncio

import pytest
from rich.console import Console

from telemetrio import audience, stage
from telemetrio.audience import Heard, Seat, summed
from telemetrio.bench_realtime import Plan, bench_realtime


@pytest.mark.parametrize("server", ["hypercorn", pytest.param("uvicorn", marks=pytest.mark.long)])
async def test_it_measures_a_server(server: str) -> None:
    """Each reading arrives at each client; the report has a figure for what it cost and how long it took."""
    figures = await bench_realtime(Plan(["idle"], 0.5, [server], 10.0), Console(quiet=True))
    assert [figure.name for figure in figures] == ["idle: commit to client"]
    assert "p50" in figures[0].value


async def test_it_measures_beside_socket_io() -> None:
    """Frontends that speak it get readings, and those on /ws miss none."""
    figures = await bench_realtime(Plan(["socketio"], 0.5, ["hypercorn"], 10.0), Console(quiet=True))
    assert "p99" in figures[0].value
    assert not figures[1].value.endswith(" 0/s")


def test_a_seat_counts_what_it_hears() -> None:
    """Readings, frames, gaps, and how late each reading was by the clock of both processes."""
    loop = asyncio.new_event_loop()
    seats = [Seat(loop.create_future(), measured=measured) for measured in (True, False)]
    one = b'{"device_id":"d","timestamp":"2026-01-01T12:00:01.000000000Z","measurement":"m","values":{}}'
    for seat in seats:
        seat.take(b'{"type":"snapshot","id":1,"readings":[' + one + b"]}")
        assert seat.snapshot.done()
        seat.take(b'{"type":"readings","cursor":"c","readings":[' + one + b"," + one + b"]}")
        seat.take(b'{"type":"gap"}')
    seats[1].take(b'{"type":"readings","cursor":"c","readings":[' + one + b"]}")
    heard = summed(seats)
    assert heard[:3] == Heard(3, 5, 2, 0, 0, 0, 0, 0, 0)[:3]
    assert heard.gaps == 2
    assert len(seats[0].late_ns) == 2
    assert seats[1].late_ns == []
    loop.close()


def test_both_sides_agree_on_the_question() -> None:
    """The clients ask for every device that the server publishes."""
    assert b'"*"' in audience._SUBSCRIBE
    assert stage.DEVICES > 1
