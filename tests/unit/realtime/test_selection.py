"""What a session may see, and what it asked for."""

from hypothesis import given
from hypothesis import strategies as st

from services.realtime.frames import reading_text
from services.realtime.protocol import Subscribe
from services.realtime.selection import Filter, UserIds, may_see, select
from shared.readings import Reading

DEVICES = ["d1", "d2", "d3"]
METRICS = ["a", "b", "c"]

subscriptions = st.builds(
    Subscribe,
    type=st.just("subscribe"),
    id=st.integers(0, 9),
    devices=st.just("*") | st.lists(st.sampled_from(DEVICES), min_size=1, max_size=3),
    metrics=st.none() | st.lists(st.sampled_from(METRICS), min_size=1, max_size=3),
)
readings = st.builds(
    Reading,
    st.sampled_from(DEVICES),
    st.integers(1, 3),
    st.just("m"),
    st.integers(0, 10**18),
    st.dictionaries(st.sampled_from(METRICS), st.floats(-1, 1), min_size=1),
)
owners = st.none() | st.frozensets(st.integers(1, 3), max_size=2)


def wanted(user_ids: UserIds, asked: list[Subscribe], reading: Reading) -> set[str]:
    """The rule, written the slow way: metric by metric, subscription by subscription."""
    if not may_see(user_ids, reading.user_id):
        return set()
    return {
        metric
        for metric in reading.values
        for one in asked
        if (one.devices == "*" or reading.device_id in one.devices) and (one.metrics is None or metric in one.metrics)
    }


@given(owners, st.lists(subscriptions, max_size=4), readings)
def test_a_session_sees_the_union_of_its_subscriptions_and_nothing_of_others(
    user_ids: UserIds, asked: list[Subscribe], reading: Reading
) -> None:
    """A metric is shown if, and only if, its owner is visible and some subscription asks for it."""
    text = Filter(select(user_ids, asked)).text(reading, reading_text(reading))
    metrics = wanted(user_ids, asked, reading)
    if not metrics:
        assert text is None
    else:
        values = {name: value for name, value in reading.values.items() if name in metrics}
        assert text == reading_text(reading._replace(values=values))


@given(st.lists(subscriptions, max_size=4))
def test_the_order_of_subscriptions_does_not_matter(asked: list[Subscribe]) -> None:
    """Sessions that ask for the same share one selection, in whatever order they asked."""
    turned = asked[::-1]
    assert select(None, asked) == select(None, turned)


def test_nobody_is_not_everybody() -> None:
    """An empty set of owners sees nothing; only None stands for all."""
    assert not may_see(frozenset(), 1)
    assert may_see(None, 1)
    assert may_see(frozenset({1}), 1)
    assert not may_see(frozenset({2}), 1)


def test_a_device_inside_everything_adds_only_what_it_adds() -> None:
    """`"*"` with all metrics makes every other subscription needless, so that such sessions share frames."""
    everything = Subscribe(type="subscribe", id=1, devices="*")
    one = Subscribe(type="subscribe", id=2, devices=["d1"], metrics=["a"])
    assert select(None, [everything, one]) == select(None, [everything])
    assert select(None, [everything]).whole
    both = select(None, [Subscribe(type="subscribe", id=1, devices="*", metrics=["b"]), one])
    assert both.devices == frozenset({("d1", frozenset({"a", "b"}))})
    assert not both.whole
