"""How large a body may be, by path: Quart knows one limit for all, and applies it before any route is asked."""

from collections.abc import Mapping
from typing import Any

from quart import Request


def request_with_limits(limits: Mapping[str, int]) -> type[Request]:
    """A request class whose body may be so many bytes on these paths, and as the app says on all others."""

    class LimitedRequest(Request):
        def __init__(self, method: str, scheme: str, path: str, *rest: Any, **given: Any) -> None:
            own = limits.get(path.rstrip("/"))
            if own is not None:
                given["max_content_length"] = own
            super().__init__(method, scheme, path, *rest, **given)

    return LimitedRequest
