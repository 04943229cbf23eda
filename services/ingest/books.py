"""The books: every entry that came in is stored, spooled, dead-lettered or discarded, at every moment.

They are moved in the same transaction as the rows they speak of, and can be recounted from those rows.
"""

from collections import Counter
from typing import Any, NamedTuple

from shared.books import balanced

Moves = Counter[str]


def store_moves(taken: int, refused: int) -> Moves:
    """The store took `taken` entries off the spool, and refused so many of them for good."""
    return Counter(spooled=-taken, stored=taken - refused, dead_lettered=refused)


def told(books: Moves) -> dict[str, Any]:
    """As the health page shows them: with whether they balance, as the worker itself believes."""
    return {**books, "balanced": balanced(books)}


class Recount(NamedTuple):
    """What the tables say, against what the books say."""

    books: Moves
    spooled: int
    dead_lettered: int

    @property
    def agrees(self) -> bool:
        return (
            balanced(self.books)
            and self.books["spooled"] == self.spooled
            and self.books["dead_lettered"] == self.dead_lettered
        )
