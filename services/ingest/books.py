"""The books: every entry that came in is stored, spooled, dead-lettered or discarded, at every moment.

They are moved in the same transaction as the rows they speak of, and can be recounted from those rows.
"""

from collections import Counter
from typing import Final, NamedTuple

COLUMNS: Final = (
    "received",
    "stored",
    "spooled",
    "dead_lettered",
    "discarded",
    "redriven",
    # outside the identity: what else is worth counting
    "messages",
    "metrics_refused",
    "duplicates",
    "overwritten",
    "ignored",
    "status",
)
Moves = Counter[str]


def balanced(books: Moves) -> bool:
    """Whether the identity holds; see docs/architecture.md."""
    return books["received"] == books["stored"] + books["spooled"] + books["dead_lettered"] + books["discarded"]


def store_moves(taken: int, refused: int) -> Moves:
    """The store took `taken` entries off the spool, and refused so many of them for good."""
    return Counter(spooled=-taken, stored=taken - refused, dead_lettered=refused)


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
