"""The announcer inside one process: the very value, at once."""

from services.ingest.announcer import DirectAnnouncer
from shared.readings import ReadingBatch


def test_it_hands_over_the_value_itself() -> None:
    """No copy, no encoding, in order."""
    seen: list[ReadingBatch] = []
    announcer = DirectAnnouncer(seen.append)
    batches = [ReadingBatch("ingest", "e", seq, seq - 1, 0, 0) for seq in (1, 2)]
    for batch in batches:
        announcer.announce(batch)
    assert seen[0] is batches[0]
    assert seen == batches
