"""The newest values seen in the feed."""

from hypothesis import given
from hypothesis import strategies as st

from services.realtime.recent import Recent
from shared.readings import Reading


def made(ts_ns: int, *, owner: int = 1, measurement: str = "m", **values: float) -> Reading:
    return Reading("d1", owner, measurement, ts_ns, {**values})


times = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc"), st.floats(0, 1)), min_size=1, max_size=20)


@given(times)
def test_a_late_reading_never_moves_a_value_back(seen: list[tuple[int, str, float]]) -> None:
    """A metric of the newest reading has that reading's value, whatever came late after it."""
    recent = Recent(lambda: 0.0, 60)
    for ts_ns, metric, value in seen:
        recent.add(Reading("d1", 1, "m", ts_ns, {metric: value}))
    newest = max(ts_ns for ts_ns, _, _ in seen)
    last = {metric: value for ts_ns, metric, value in seen if ts_ns == newest}
    kept = recent.get("d1")
    assert kept is not None
    assert kept.ts_ns == newest
    assert {metric: kept.values[metric] for metric in last} == last
    assert kept.values.keys() == {metric for _, metric, _ in seen}


def test_a_new_owner_sees_nothing_of_the_former_one() -> None:
    """Values do not merge across owners, nor across measurements."""
    recent = Recent(lambda: 0.0, 60)
    recent.add(made(5, a=1.0))
    recent.add(made(6, owner=2, b=2.0))
    assert recent.get("d1") == made(6, owner=2, b=2.0)
    recent.add(made(7, owner=2, measurement="n", c=3.0))
    assert recent.get("d1") == made(7, owner=2, measurement="n", c=3.0)


def test_what_the_table_has_by_now_is_forgotten() -> None:
    """A device is kept for keep_s after its last reading, and no longer."""
    now = 0.0
    recent = Recent(lambda: now, 60)
    recent.add(made(1, a=1.0))
    now = 50.0
    recent.add(made(2, a=2.0)._replace(device_id="d2"))
    recent.forget()
    assert len(recent) == 2
    now = 61.0
    recent.forget()
    assert recent.get("d1") is None
    assert recent.get("d2") is not None
