"""Whether a device counts as online: one pure rule for the API and the live view."""

from typing import Literal

Presence = Literal["online", "offline"]


def presence(status: tuple[str, int] | None, seen_ns: int | None, now_ns: int, offline_after_s: float) -> Presence:
    """What the device said of itself (`status`: word, time) holds until newer data; else it was heard lately or not."""
    if status is not None and (seen_ns is None or seen_ns <= status[1]):
        return "online" if status[0] == "online" else "offline"
    if seen_ns is None:
        return "offline"
    return "online" if now_ns - seen_ns <= offline_after_s * 1e9 else "offline"
