"""The clock: this machine's against those of the servers that it works with."""

import asyncio
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetrio.doctor.finding import Finding

MAX_SKEW_S: Final = 5.0
_WITHIN_S: Final = 10.0


async def check_clock_by(
    url: str, now_s: Callable[[], float] = time.time, ca_file: Path | None = None
) -> Sequence[Finding]:
    """By the Date of whatever a web server answers; one that doesn't answer is another check's business."""
    said = await asyncio.to_thread(_date, url, ca_file)
    return [] if said is None else judge(url, said - now_s())


async def check_clock_of(engine: AsyncEngine, now_s: Callable[[], float] = time.time) -> Sequence[Finding]:
    """By PostgreSQL's; raises what the database raises."""
    async with engine.connect() as connection:
        said = float(await connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
    return judge("PostgreSQL", said - now_s())


def judge(whose: str, ahead_s: float) -> Sequence[Finding]:
    """`ahead_s`: of us."""
    if abs(ahead_s) <= MAX_SKEW_S:
        return []
    found = (
        f"The clock of {whose} is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} that of this machine"
    )
    means = (
        "readings without a time get a wrong one, those of honest devices are refused as too far in the future "
        "(TELEMETRIO_MAX_AHEAD_S), and tokens and tickets are refused, or hold too long"
    )
    mend = "set both by NTP: timedatectl set-ntp true (or install chrony); then look with timedatectl"
    return [Finding("clock", found, means, mend)]


def _date(url: str, ca_file: Path | None) -> float | None:
    context = ssl.create_default_context(cafile=ca_file)
    try:
        with urllib.request.urlopen(url, timeout=_WITHIN_S, context=context) as answer:  # noqa: S310 - as the operator set it
            said = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        with error:
            said = error.headers.get("Date")
    except (OSError, HTTPException):
        return None
    try:
        return None if said is None else parsedate_to_datetime(said).timestamp()
    except ValueError:
        return None
