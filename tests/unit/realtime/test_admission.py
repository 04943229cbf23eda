"""The rules of the door, by a clock that is set by hand."""

import pytest

from services.realtime.admission import COME_BACK_S, LOCAL_ADMIN, Guest, Offer, OpenDoor, Turnstile
from services.realtime.entrance import LOGIN_WITHIN_S
from services.realtime.errors import Crowded, Denied
from services.realtime.pace import Pace


def test_newcomers_have_turns() -> None:
    """Each waits for those before it, at most `patience_s`; after a quiet while nobody waits."""
    turnstile = Turnstile(per_s=10, patience_s=0.35)
    assert [round(turnstile.wait_s(100.0), 6) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    with pytest.raises(Crowded) as crowded:
        turnstile.wait_s(100.0)
    assert COME_BACK_S[0] <= crowded.value.retry_after_s <= COME_BACK_S[1]
    assert round(turnstile.wait_s(100.2), 6) == 0.2
    assert turnstile.wait_s(200.0) == 0.0


def test_a_pace_is_so_often_a_minute_and_as_often_at_once() -> None:
    """Refusals cost nothing, and say when it may again."""
    pace = Pace(per_min=3)
    assert [pace.wait_s(50.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert round(pace.wait_s(50.0), 6) == 20.0
    assert round(pace.wait_s(60.0), 6) == 10.0
    assert pace.wait_s(70.0) == 0.0
    assert pace.wait_s(70.0) > 0


async def test_an_open_door_asks_nobody() -> None:
    """Everybody is the local admin, who sees all, and stays so."""
    door = OpenDoor()
    assert not door.asks
    assert await door.admit(Offer("ticket", "x", "ws")) == LOCAL_ADMIN == Guest(1, None)
    assert await door.review({LOCAL_ADMIN}) == {LOCAL_ADMIN: LOCAL_ADMIN}


def test_a_denial_is_a_close_code_and_a_status() -> None:
    """The last three digits of ours are those of HTTP."""
    assert [Denied(code, "").status for code in (4401, 4403, 4408, 4429, 4503)] == [401, 403, 408, 429, 403]
    assert LOGIN_WITHIN_S == 10
