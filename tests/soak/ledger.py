"""What was acknowledged against what was found. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class Verdict(NamedTuple):
    """Numbers of messages. `lost`: acknowledged and not found; `doubled`: found more often; `wrong`: another value.

    `letters`: of the `bad` ones that were acknowledged, those that are dead letters.
    """

    acknowledged: int
    lost: int
    doubled: int
    wrong: int
    bad: int
    letters: int

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong) and self.letters == self.bad


def judge(
    acknowledged: Collection[int],
    sent: Mapping[int, float],
    bad: Mapping[int, bytes],
    found: Sequence[tuple[int, float]],
    letters: Collection[bytes],
) -> Verdict:
    """`found`: (ts_ns, value) of every point of the store. What was sent and not acknowledged may be there, once."""
    known = set(letters)
    good = {ts_ns for ts_ns in acknowledged if ts_ns in sent}
    times = {ts_ns for ts_ns, _ in found}
    said = [payload for ts_ns, payload in bad.items() if ts_ns in acknowledged]
    return Verdict(
        acknowledged=len(good) + len(said),
        lost=len(good - times),
        doubled=len(found) - len(times),
        wrong=sum(sent.get(ts_ns) != value for ts_ns, value in found),
        bad=len(said),
        letters=sum(payload in known for payload in said),
    )
