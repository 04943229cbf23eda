"""One process for each outbox: a lock that the kernel lets go of when its holder ends, however it ends."""

import fcntl
import os
from pathlib import Path

from shared.process import ExitCode, Refusal


def hold(path: Path) -> int:
    """Return the descriptor that holds the lock until it is closed.

    Raises Refusal when another process has it, and when nothing can be written there.
    """
    make(path.parent)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Refusal(
            f"{path.parent} is in use by another telemetrio: stop it, or give this one its own directory "
            "(--data-dir, TELEMETRIO_DATA_DIR)",
            ExitCode.WRONG_SETTINGS,
        ) from error
    return descriptor


def make(directory: Path) -> None:
    """Raise Refusal where it isn't there and can't be made."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from error


def _unwritable(directory: Path, error: OSError) -> Refusal:
    return Refusal(
        f"{directory} can't be written ({error.strerror}): mend its disk, or give another directory "
        "(--data-dir, TELEMETRIO_DATA_DIR)",
        ExitCode.DIED,
    )
