"""What can go wrong in realtime that somebody must be told about."""

from services.realtime.transport import CloseCode


class RealtimeError(Exception):
    """Errors of this service.

    RealtimeError
    ├── BadMessage          the client sent something that is no message; it is told which field and why
    ├── Denied              a client may not come in; it is told why, and nothing about others
    ├── Crowded             not now: too many come at once, the process is about to restart, or nobody can be asked
    ├── LatestUnavailable   the table of latest values can't be read now; snapshots come from the feed alone
    ├── HistoryUnavailable  the store, or who has readings in it, can't be read now; a later resume may
    ├── TooMuchHistory      a client has missed more than a session may ask for
    └── ReviewUnavailable   who may still see what can't be asked now; it is asked again soon
    """


class BadMessage(RealtimeError):
    """`code` and `message` go to the client in an `error`; `id` is the id of its message, if it had a sane one."""

    def __init__(self, code: str, message: str, message_id: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = message_id


class LatestUnavailable(RealtimeError):
    """The database did not answer."""


class Denied(RealtimeError):
    """`code` closes a WebSocket; `status` is the same for a plain request."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = code - 4000 if 4400 <= code <= 4499 else 403


class Crowded(RealtimeError):
    """`retry_after_s` differs from client to client, so that they come back one by one."""

    def __init__(self, retry_after_s: float, code: int = CloseCode.OVERLOADED, why: str = "overloaded") -> None:
        super().__init__(f"{why}: come back in {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s
        self.code = code


class ReviewUnavailable(RealtimeError):
    """Whoever keeps the accounts did not answer."""


class HistoryUnavailable(RealtimeError):
    """The store did not answer, or not in time."""


class TooMuchHistory(RealtimeError):
    """More than the setting allows."""
