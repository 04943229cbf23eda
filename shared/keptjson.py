"""JSON that is kept for a while: orjson leaves room for 4 KB and more behind what it writes, which adds up."""

from collections.abc import Callable
from typing import Any

import orjson


def kept_json(value: Any, default: Callable[[Any], Any] | None = None, option: int | None = None) -> bytes:
    """What `orjson.dumps` writes, in bytes of their own length: use it for what lies in a list, a queue or a cache.

    Copied by joining, the quickest way: with so little memory touched, the whole is quicker than without.
    """
    return b"".join((orjson.dumps(value, default, option), b""))
