"""The board of latest values: newer wins, and nothing that waits is forgotten, starved, or kept on disk twice."""

import random

from services.ingest.latest import Latest, LatestBoard
from shared.readings import DeviceStatus, Reading, Value
from tests.fakes.ingest import NOW


def reading(ts_ns: int, device_id: str = "d1", owner: int = 1, measurement: str = "m", **values: Value) -> Reading:
    return Reading(device_id, owner, measurement, ts_ns, values or {"a": float(ts_ns)})


def take(board: LatestBoard, *readings: Reading, status: tuple[DeviceStatus, ...] = ()) -> None:
    board.take(board.seq + 1, readings, status, NOW)


def test_values_merge_metric_by_metric() -> None:
    """What a device said earlier of another metric stays, and nobody's values are changed in their place."""
    board = LatestBoard()
    first = reading(1)
    take(board, first)
    waiting = board.waiting(10)
    take(board, reading(2, b=2.0))
    assert waiting["d1"].values == first.values == {"a": 1.0}
    assert board.waiting(10)["d1"].by_time() == [(1, {"a": 1.0}), (2, {"b": 2.0})]
    take(board, reading(2, c=2.0), reading(3, a=3.0, b=3.0), reading(1, d=1.0))
    assert board.waiting(10)["d1"].by_time() == [(2, {"c": 2.0}), (3, {"a": 3.0, "b": 3.0})]
    assert first.values == {"a": 1.0}


def test_what_is_kept_is_read_back() -> None:
    """A row of the file, of one time and of several."""
    board = LatestBoard()
    take(board, reading(1, a=1.0), reading(2, b=2.0), reading(3, c=3.0), reading(1, device_id="d2"))
    for device_id, row in board.waiting(10).items():
        assert Latest.of(row.kept_row(device_id)) == row


def test_the_order_of_arrival_does_not_matter() -> None:
    """Whatever the order, the newest reading's time and the owner's last values stand."""
    choices = random.Random(5)
    readings = [reading(ts_ns, a=float(ts_ns)) for ts_ns in range(20)]
    choices.shuffle(readings)
    board = LatestBoard()
    for each in readings:
        take(board, each)
    assert (board.waiting(1)["d1"].ts_ns, board.waiting(1)["d1"].values) == (19, {"a": 19.0})


def test_a_new_owner_or_measurement_begins_anew() -> None:
    """The old owner's values are not shown to the new one."""
    for other in (reading(2, owner=2, b=2.0), reading(2, measurement="n", b=2.0)):
        board = LatestBoard()
        take(board, reading(1, a=1.0), other)
        assert board.waiting(1)["d1"].values == {"b": 2.0}
        assert board.waiting(1)["d1"].user_id == other.user_id


def test_a_status_alone_is_no_reading() -> None:
    """Its time is its own, and an older one says nothing."""
    board = LatestBoard()
    take(board, status=(DeviceStatus("d1", 1, "online", 5), DeviceStatus("d1", 1, "offline", 4)))
    row = board.waiting(1)["d1"]
    assert (row.status, row.status_ns, row.ts_ns, row.measurement) == ("online", 5, 0, "")


def test_what_changed_while_it_was_pushed_still_waits() -> None:
    """Only the row that was pushed is forgotten."""
    board = LatestBoard()
    take(board, reading(1))
    pushed = board.waiting(10)
    take(board, reading(2))
    assert board.pushed(pushed) == []
    assert board.waiting(10)["d1"].ts_ns == 2
    board.pushed(board.waiting(10))
    assert len(board) == 0


def test_only_what_is_on_disk_is_forgotten_there() -> None:
    """A row that a checkpoint wrote again during the push stays: the database hasn't heard that."""
    board = LatestBoard()
    take(board, reading(1), reading(1, "d2"))
    board.saved(board.checkpoint())
    pushed = board.waiting(10)
    take(board, reading(2, "d2"))
    board.saved(board.checkpoint())
    assert board.pushed(pushed) == [("d1", 1)]
    assert board.pushed(board.waiting(10)) == [("d2", 2)]
    assert board.pushed({}) == []


def test_a_checkpoint_holds_what_changed_since_the_last_one() -> None:
    """And says up to which row of the spool; what was pushed meanwhile needs none."""
    board = LatestBoard()
    take(board, reading(1), reading(1, "d2"))
    first = board.checkpoint()
    assert (first.seq, [row[0] for row in first.rows]) == (1, ["d1", "d2"])
    board.saved(first)
    saved = board.unsaved
    take(board, reading(2), reading(2, "d3"))
    assert (saved, board.unsaved) == (False, True)
    board.pushed({device_id: row for device_id, row in board.waiting(10).items() if device_id == "d3"})
    second = board.checkpoint()
    assert (second.seq, [row[0] for row in second.rows]) == (2, ["d1"])


def test_those_who_change_all_the_time_do_not_starve_the_others() -> None:
    """More devices than one push takes, the first of them changing during every push: all get their turn."""
    board = LatestBoard()
    take(board, *(reading(1, f"d{number}") for number in range(6)))
    seen: set[str] = set()
    for turn in range(2, 8):
        pushed = board.waiting(2)
        take(board, *(reading(turn, device_id) for device_id in pushed))
        board.pushed(pushed)
        seen |= set(pushed)
    assert len(seen) == 6


def test_generations_go_on_after_a_restart() -> None:
    """A row of this life is never taken for one of the last."""
    board = LatestBoard()
    board.load({"d1": Latest(1, "m", 5, 5, {"a": 5.0}, generation=41)}, 7)
    take(board, reading(4))
    row = board.waiting(1)["d1"]
    assert (row.generation, row.values, row.ts_ns, board.seq) == (42, {"a": 5.0}, 5, 8)


def test_a_device_that_changes_hands_takes_nothing_along() -> None:
    """Neither the old owner's values under the new one's name, nor what it said of itself: a tenant sees their own."""
    board = LatestBoard()
    take(board, reading(1, owner=7, secret=42.0), status=(DeviceStatus("d1", 7, "online", 1),))
    take(board, status=(DeviceStatus("d1", 8, "offline", 2),))
    row = board.waiting(1)["d1"]
    assert (row.user_id, row.measurement, row.values, row.status) == (8, "", {}, "offline")
    take(board, reading(3, owner=9, a=1.0))
    row = board.waiting(1)["d1"]
    assert (row.user_id, row.values, row.status, row.status_ns) == (9, {"a": 1.0}, "", 0)
