"""The names of the books' counters, and the identity between them: ingest moves them, the api shows them."""

from collections.abc import Mapping
from typing import Any, Final

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


def balanced(books: Mapping[str, Any]) -> bool:
    """Whether every entry that came in is stored, spooled, dead-lettered or discarded."""
    placed = books["stored"] + books["spooled"] + books["dead_lettered"] + books["discarded"]
    return bool(books["received"] == placed)
