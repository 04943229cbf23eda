"""What can go wrong inside ingest.

IngestError
├── OutboxFull      no room on disk, or the disk refuses: nothing was committed, so nothing may be acknowledged
├── OutboxDamaged   the file is no outbox, or a message that waits in it is not what was kept: the next start mends it
└── RowDamaged      a row whose checksum doesn't hold: it is isolated, and the next one read
"""


class IngestError(Exception):
    """Base of this service's own errors."""


class OutboxFull(IngestError):
    """The message says which bound was met; it goes on by itself when there is room again."""


class OutboxDamaged(IngestError):
    """The process ends; where the next start can't mend it either, somebody must look at the file."""


class RowDamaged(IngestError):
    """`seq` says which."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"the checksum of row {seq} doesn't hold: it is kept in table isolated of the outbox")
        self.seq = seq
