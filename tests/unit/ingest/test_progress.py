"""Progress: never ahead of a row that the store may not have."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.progress import Progress


@given(st.sets(st.integers(1, 50), min_size=1), st.randoms())
def test_it_is_the_end_of_what_has_no_gap(ends: set[int], choices: object) -> None:
    """In whatever order the answers come, it says how far all of them have come together, and in the end all."""
    order = list(pairwise([0, *sorted(ends)]))
    answers = list(order)
    choices.shuffle(answers)  # type: ignore[attr-defined] # hypothesis' random
    progress, given_before = Progress(), set()
    for after, last in answers:
        progress.answer(after, last)
        given_before.add((after, last))
        wanted = 0
        for each in order:
            if each not in given_before:
                break
            wanted = each[1]
        assert progress.seq == wanted
