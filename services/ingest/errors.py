"""What can go wrong inside ingest.

IngestError
├── OutboxFull      no room on disk, or the disk refuses: nothing was committed, so nothing may be acknowledged
├── OutboxDamaged   a file that is no outbox, and that could not be made one
└── RowDamaged      a row whose checksum doesn't hold: it is isolated, and the next one read
"""


class IngestError(Exception):
    """Base of this service's own errors."""


class OutboxFull(IngestError):
    """The message says which bound was met; it goes on by itself when there is room again."""


class OutboxDamaged(IngestError):
    """Somebody must look at the file."""


class RowDamaged(IngestError):
    """`seq` says which."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"the checksum of row {seq} doesn't hold: it is kept in table isolated of the outbox")
        self.seq = seq
