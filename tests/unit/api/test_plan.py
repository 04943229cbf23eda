"""How much a page asks a store for at once."""

from hypothesis import given
from hypothesis import strategies as st

from services.api.readings.plan import Pace, number_of, part_of
from shared.timeseries.calendar import Run

HOUR = 3_600 * 10**9


def windows(runs: list[Run]) -> list[tuple[int, int]]:
    return [(run.start_ns + place * run.width_ns, run.width_ns) for run in runs for place in range(run.number)]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=5),
    st.integers(0, 12),
    st.integers(0, 30),
)
def test_a_part_is_some_of_the_windows(widths: list[tuple[int, int]], first: int, number: int) -> None:
    """Those that a list of them would give."""
    runs, start = [], 0
    for width, repeated in widths:
        runs.append(Run(start, width, repeated))
        start = runs[-1].end_ns
    assert windows(part_of(runs, first, number)) == windows(runs)[first : first + number]
    assert number_of(runs) == len(windows(runs))


def test_the_first_question_is_small() -> None:
    """A device of unknown density is thought to send ten values a second; one window is asked for in any case."""
    assert Pace(1_000_000, [Run(0, HOUR, 100)]).size == 27
    assert Pace(10, [Run(0, HOUR, 100)]).size == 1


def test_questions_grow_while_little_is_found() -> None:
    """Eightfold each, and never beyond what is left by the density seen so far."""
    pace = Pace(1_000, [Run(0, 100 * 10**9, 10_000)])
    assert pace.size == 1
    pace.took(1, 0)
    assert pace.size == 8
    pace.took(8, 80)
    assert pace.size == 64
    pace.took(64, 640)
    assert (pace.left, pace.size) == (280, 28)


@given(st.integers(100, 10_000), st.lists(st.integers(1, 100), min_size=50, max_size=50))
def test_a_page_reads_about_its_allowance(allowance: int, densities: list[int]) -> None:
    """However dense windows are, it goes on until the allowance is used."""
    pace, place = Pace(allowance, [Run(0, HOUR, 10**9)]), 0
    while pace.left > 0:
        before, size = pace.left, pace.size
        assert size >= 1
        pace.took(size, size * densities[place % 50])
        place += 1
        assert before > 0
    assert place < 10_000
