"""The one rule by which a device counts as online."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.presence import Presence, presence

SECOND: Final = 1_000_000_000
NOW: Final = 1_767_268_800 * SECOND


@pytest.mark.parametrize(
    ("status", "seen_s_ago", "expected"),
    [
        (None, None, "offline"),
        (None, 0, "online"),
        (None, 300, "online"),
        (None, 301, "offline"),
        (None, -60, "online"),
        (("offline", 10), 11, "offline"),
        (("offline", 10), 9, "online"),
        (("offline", 10), 10, "offline"),
        (("online", 86_400), None, "online"),
        (("online", 86_400), 90_000, "online"),
        (("online", 86_400), 400, "offline"),
        (("asleep", 10), None, "offline"),
    ],
)
def test_a_word_holds_until_newer_data(
    status: tuple[str, int] | None, seen_s_ago: int | None, expected: Presence
) -> None:
    """What a device said of itself holds until it sends data after that; then it counts whether it was heard lately."""
    said = None if status is None else (status[0], NOW - status[1] * SECOND)
    seen_ns = None if seen_s_ago is None else NOW - seen_s_ago * SECOND
    assert presence(said, seen_ns, NOW, 300.0) == expected


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_without_a_word_only_time_counts(seen_s_ago: int, offline_after_s: int) -> None:
    """A device that never said anything of itself is online exactly while it was heard within the setting."""
    found = presence(None, NOW - seen_s_ago * SECOND, NOW, float(offline_after_s))
    assert (found == "online") == (seen_s_ago <= offline_after_s)
