"""What a device, or its last will, says of itself. Pure."""

from typing import Any, Final

import orjson

from shared.payloads import MAX_PAYLOAD

_STATUS: Final = ("online", "offline")


def parse_status(payload: bytes) -> str | None:
    """`online` or `offline`, as a bare word, a JSON string or `{"status": …}`; None for anything else."""
    if len(payload) > MAX_PAYLOAD:
        return None
    word: Any = payload.strip().decode("utf-8", "replace")
    if word[:1] in ("{", '"'):
        try:
            word = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return None
        if isinstance(word, dict):
            word = word.get("status")
    word = word.lower() if isinstance(word, str) else None
    return word if word in _STATUS else None
