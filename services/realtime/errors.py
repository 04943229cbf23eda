"""What can go wrong in realtime that somebody must be told about."""


class RealtimeError(Exception):
    """Errors of this service.

    RealtimeError
    ├── BadMessage          the client sent something that is no message; it is told which field and why
    ├── LatestUnavailable   the table of latest values can't be read now; snapshots come from the feed alone
    ├── HistoryUnavailable  the store, or who has readings in it, can't be read now; a later resume may
    └── TooMuchHistory      a client has missed more than a session may ask for
    """


class BadMessage(RealtimeError):
    """`code` and `message` go to the client in an `error`; `id` is the id of its message, if it had a sane one."""

    def __init__(self, code: str, message: str, message_id: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = message_id


class LatestUnavailable(RealtimeError):
    """The database did not answer."""


class HistoryUnavailable(RealtimeError):
    """The store did not answer, or not in time."""


class TooMuchHistory(RealtimeError):
    """More than the setting allows."""
