"""What can go wrong inside ingest.

IngestError
├── OutboxFull      no room on disk, or the disk refuses: nothing was committed, so nothing may be acknowledged
└── OutboxDamaged   a row whose checksum doesn't hold, or a file that is no outbox
"""


class IngestError(Exception):
    """Base of this service's own errors."""


class OutboxFull(IngestError):
    """The message says which bound was met; it goes on by itself when there is room again."""


class OutboxDamaged(IngestError):
    """Somebody must look at the file."""
