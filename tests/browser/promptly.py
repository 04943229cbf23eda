"""Whether a page shows within a second what a device says."""

from collections.abc import Callable
from typing import Final

from playwright.sync_api import Locator, expect

WITHIN_MS: Final = 1_000
TRIES: Final = 10


def shown_within_a_second(shown: Locator, say: Callable[[int], object]) -> None:
    """Of ten readings: a page that polls or waits shows none of them so soon, a machine that is held up misses some."""
    late = AssertionError("nothing was said")
    for value in range(20, 20 + TRIES):
        say(value)
        try:
            expect(shown).to_contain_text(f"{value}.0", timeout=WITHIN_MS)
        except AssertionError as error:
            late = error
        else:
            return
    raise late
