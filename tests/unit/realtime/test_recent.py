"""The newest values seen in the feed."""

from functools import reduce
from operator import itemgetter

from hypothesis import given
from hypothesis import strategies as st

from services.realtime.recent import Recent, newest
from shared.readings import Reading


def made(ts_ns: int, *, owner: int = 1, measurement: str = "m", **values: float) -> Reading:
    return Reading("d1", owner, measurement, ts_ns, {**values})


times = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc"), st.floats(0, 1)), min_size=1, max_size=20)


@given(times, st.integers(0, 20))
def test_a_late_reading_never_moves_a_value_back(seen: list[tuple[int, str, float]], known_ns: int) -> None:
    """Each metric has its newest value, whatever came late after it; so has it over what the table knew before."""
    recent = Recent(lambda: 0.0, 60)
    for ts_ns, metric, value in seen:
        recent.add(Reading("d1", 1, "m", ts_ns, {metric: value}))
    last = {metric: (ts_ns, value) for ts_ns, metric, value in sorted(seen, key=itemgetter(0))}
    kept = recent.get("d1")
    assert {name: (each.ts_ns, value) for each in kept for name, value in each.values.items()} == last
    assert sum(len(each.values) for each in kept) == len(last)
    assert [each.ts_ns for each in kept] == sorted(each.ts_ns for each in kept)
    table = made(known_ns, a=7.0, b=7.0, c=7.0)
    shown = reduce(newest, kept, table)
    assert shown.values == {
        name: last[name][1] if name in last and last[name][0] >= known_ns else 7.0 for name in "abc"
    }


def test_a_new_owner_sees_nothing_of_the_former_one() -> None:
    """Values do not merge across owners, nor across measurements."""
    recent = Recent(lambda: 0.0, 60)
    recent.add(made(5, a=1.0))
    recent.add(made(6, owner=2, b=2.0))
    assert recent.get("d1") == (made(6, owner=2, b=2.0),)
    recent.add(made(7, owner=2, measurement="n", c=3.0))
    recent.add(made(6, owner=2, b=1.0))
    assert recent.get("d1") == (made(7, owner=2, measurement="n", c=3.0),)


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
    assert recent.get("d1") == ()
    assert len(recent.get("d2")) == 1
