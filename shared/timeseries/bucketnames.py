"""Whose bucket is called what, for those who need InfluxDB's names and not its client."""

from collections.abc import Iterable


def bucket_name(bucket: str, owner: int) -> str:
    """Of one user."""
    return f"{bucket}_{owner:d}"


def owners_of(bucket: str, names: Iterable[str]) -> list[int]:
    """Whose buckets these are, in order: `{bucket}_7` is user 7's, and `{bucket}_07` nobody's."""
    ends = (name.removeprefix(f"{bucket}_") for name in names if name.startswith(f"{bucket}_"))
    return sorted(int(end) for end in ends if end.isascii() and end.isdecimal() and str(int(end)) == end)
