"""Finding: something that is wrong, what it means, and what to do about it."""

from typing import NamedTuple


class Finding(NamedTuple):
    """`check`: which look found it. `found` is a fact, `means` what it costs, `mend` what to type or to change."""

    check: str
    found: str
    means: str
    mend: str
