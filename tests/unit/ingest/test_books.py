"""The books: the identity, and what a recount compares."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.books import Recount, store_moves, told
from shared.books import balanced

some = st.integers(0, 10**9)


@given(some, some, some, some)
def test_every_move_keeps_the_identity(accepted: int, refused: int, taken: int, lost: int) -> None:
    """A commit and an answer of the store leave balanced books balanced."""
    books = Counter(received=accepted + refused, spooled=accepted, dead_lettered=refused)
    assert balanced(books)
    books.update(store_moves(taken, lost))
    assert balanced(books)
    assert books["spooled"] == accepted - taken


def test_a_recount_agrees_only_when_tables_and_books_say_the_same() -> None:
    """One entry too few in a table, or books that don't balance, and it says so."""
    books = Counter(received=10, stored=5, spooled=3, dead_lettered=2)
    assert Recount(books, 3, 2).agrees
    assert not Recount(books, 2, 2).agrees
    assert not Recount(books, 3, 1).agrees
    assert not Recount(books + Counter(received=1), 3, 2).agrees


def test_the_books_are_told_with_their_balance() -> None:
    """A recount is `telemetrio doctor`'s; here is what the worker itself believes."""
    books = Counter(received=3, stored=2, spooled=1)
    assert told(books) == {"received": 3, "stored": 2, "spooled": 1, "balanced": True}
    assert told(books + Counter(received=1))["balanced"] is False
