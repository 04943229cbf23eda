"""The board of latest values: newer wins, and nothing that waits is forgotten or starved."""

import random

from services.ingest.group import Group
from services.ingest.latest import Latest, LatestBoard
from shared.readings import DeviceStatus, Reading, Value
from tests.fakes.ingest import NOW, delivery


def group(*readings: Reading, status: tuple[DeviceStatus, ...] = (), seen_ns: int = NOW) -> Group:
    return Group(deliveries=[delivery("any", {}, seen_ns)], readings=list(readings), status=list(status))


def reading(ts_ns: int, device_id: str = "d1", owner: int = 1, measurement: str = "m", **values: Value) -> Reading:
    return Reading(device_id, owner, measurement, ts_ns, values or {"a": float(ts_ns)})


def test_nothing_is_on_the_board_before_it_is_on_disk() -> None:
    """merged() tells what will be; apply() says that it is."""
    board = LatestBoard()
    changed = board.merged(group(reading(1)))
    assert len(board) == 0
    board.apply(changed)
    assert board.waiting(10)["d1"].values == {"a": 1.0}
    again = board.merged(group(reading(2, b=2.0)))
    assert board.waiting(10)["d1"].values == {"a": 1.0}
    assert again["d1"].values == {"a": 1.0, "b": 2.0}


def test_the_order_of_arrival_does_not_matter() -> None:
    """Whatever the order, the newest reading's time and the owner's last values stand."""
    choices = random.Random(5)
    readings = [reading(ts_ns, a=float(ts_ns)) for ts_ns in range(20)]
    choices.shuffle(readings)
    board = LatestBoard()
    for each in readings:
        board.apply(board.merged(group(each)))
    assert (board.waiting(1)["d1"].ts_ns, board.waiting(1)["d1"].values) == (19, {"a": 19.0})


def test_a_new_owner_or_measurement_begins_anew() -> None:
    """The old owner's values are not shown to the new one."""
    for other in (reading(2, owner=2, b=2.0), reading(2, measurement="n", b=2.0)):
        board = LatestBoard()
        board.apply(board.merged(group(reading(1, a=1.0), other)))
        assert board.waiting(1)["d1"].values == {"b": 2.0}
        assert board.waiting(1)["d1"].user_id == other.user_id


def test_a_status_alone_is_no_reading() -> None:
    """Its time is its own, and an older one says nothing."""
    board = LatestBoard()
    online, offline = DeviceStatus("d1", 1, "online", 5), DeviceStatus("d1", 1, "offline", 4)
    board.apply(board.merged(group(status=(online, offline))))
    row = board.waiting(1)["d1"]
    assert (row.status, row.status_ns, row.ts_ns, row.measurement) == ("online", 5, 0, "")


def test_what_changed_while_it_was_pushed_still_waits() -> None:
    """Only the row that was pushed is forgotten, and each row has a generation of its own on disk."""
    board = LatestBoard()
    board.apply(board.merged(group(reading(1))))
    pushed = board.waiting(10)
    board.apply(board.merged(group(reading(2))))
    assert board.pushed(pushed) == [("d1", 1)]
    assert board.waiting(10)["d1"].generation == 2
    board.pushed(board.waiting(10))
    assert len(board) == 0


def test_those_who_change_all_the_time_do_not_starve_the_others() -> None:
    """More devices than one push takes, the first of them changing during every push: all get their turn."""
    board = LatestBoard()
    board.apply(board.merged(group(*(reading(1, f"d{number}") for number in range(6)))))
    seen: set[str] = set()
    for turn in range(2, 8):
        pushed = board.waiting(2)
        board.apply(board.merged(group(*(reading(turn, device_id) for device_id in pushed))))
        board.pushed(pushed)
        seen |= set(pushed)
    assert len(seen) == 6


def test_generations_go_on_after_a_restart() -> None:
    """A row of this life is never taken for one of the last."""
    board = LatestBoard()
    board.load({"d1": Latest(1, "m", 5, 5, {"a": 5.0}, generation=41)})
    assert board.merged(group(reading(6)))["d1"].generation == 42
    assert board.merged(group(reading(4)))["d1"].values == {"a": 5.0}
