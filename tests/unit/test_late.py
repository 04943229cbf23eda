"""Which readings count as late, and how a write carries the index of them."""

from shared.readings import Reading
from shared.timeseries.body import body_of
from shared.timeseries.late import late_ranges
from shared.timeseries.store import LateRange
from tests.fakes.batches import committed

SECOND_NS = 10**9
NOW = 1_000 * SECOND_NS


def reading(ts_ns: int, device: str = "d1", owner: int = 1, measurement: str = "m", value: float = 1.0) -> Reading:
    return Reading(device, owner, measurement, ts_ns, {"a": value})


SENT = [
    reading(NOW - 61 * SECOND_NS),
    reading(NOW - 90 * SECOND_NS, measurement="n"),
    reading(NOW - 60 * SECOND_NS),
    reading(NOW + SECOND_NS),
    reading(5, "d2", 2),
]


def test_late_is_more_than_a_minute_between_a_reading_and_its_commit() -> None:
    """One range for each device and owner, around all of its late readings and over its measurements."""
    assert late_ranges(SENT, NOW) == [
        LateRange("d1", 1, NOW - 90 * SECOND_NS, NOW - 61 * SECOND_NS + 1, 2),
        LateRange("d2", 2, 5, 6, 1),
    ]
    assert late_ranges(SENT[2:4], NOW) == []


def test_a_write_carries_one_index_point_for_each_device_and_batch() -> None:
    """With the batch's own time of commit: a device late in two batches has two."""
    body = body_of([committed(SENT, NOW), committed(SENT[:1], NOW + 1), committed(SENT[3:4], NOW + 2)])
    assert len(b"\n".join(body.lines).split(b"\n")) == 7
    assert body.late == [
        b"telemetrio_late,device_id=d1,user_id=1 n=2i,ts_max=939000000000i,ts_min=910000000000i 1000000000000",
        b"telemetrio_late,device_id=d2,user_id=2 n=1i,ts_max=5i,ts_min=5i 1000000000000",
        b"telemetrio_late,device_id=d1,user_id=1 n=1i,ts_max=939000000000i,ts_min=939000000000i 1000000000001",
    ]


def test_what_has_no_line_is_not_in_the_index() -> None:
    """Positions count over all batches; a bad name or time breaks no index line of its neighbours."""
    bad = [reading(1, "a\nb"), reading(2, value=float("nan")), reading(-(2**70))]
    body = body_of([committed([bad[0], reading(3)], NOW), committed([*bad, reading(4)], NOW)])
    assert [position for position, _ in body.unwritable] == [0, 2, 3, 4]
    assert body.lines == [b"m,device_id=d1,user_id=1 a=1.0 3", b"m,device_id=d1,user_id=1 a=1.0 4"]
    assert body.late == [
        b"telemetrio_late,device_id=d1,user_id=1 n=1i,ts_max=3i,ts_min=3i 1000000000000",
        b"telemetrio_late,device_id=d1,user_id=1 n=1i,ts_max=4i,ts_min=4i 1000000000000",
    ]
