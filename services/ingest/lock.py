"""One process for each outbox: a lock that the kernel lets go of when its holder ends, however it ends."""

import fcntl
import os
from pathlib import Path

from shared.process import ExitCode, Refusal


def hold(path: Path) -> int:
    """Return the descriptor that holds the lock until it is closed; raises Refusal when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
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
