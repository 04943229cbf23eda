"""The secret that everything signed depends on: what is too weak, and how `up` makes one and keeps it."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

MIN_CHARACTERS: Final = 32
# from examples and tutorials, which is where attackers have them from as well
_EXAMPLES: Final = frozenset(
    {
        "changeme",
        "change-me",
        "change-this",
        "change-this-in-production",
        "dev",
        "dev-secret-key",
        "development",
        "insecure",
        "my-secret-key",
        "password",
        "secret",
        "secret-key",
        "secret_key",
        "secret!",
        "super-secret-key",
        "supersecretkey",
        "your-secret-key",
        "your-secret-key-here",
        "your_secret_key",
        "your_secret_key_here",
        "your-secret-key-change-in-production",
        "your-super-secret-key-change-this-in-production",
    }
)
_MEND: Final = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


def weakness(secret: str) -> str | None:
    """Why this secret may not guard what others can reach, with the mend; None for a good one."""
    if secret.strip().lower() in _EXAMPLES:
        return f"this is an example that everybody knows; {_MEND}"
    if len(secret) < MIN_CHARACTERS or len(set(secret)) < 8:
        return f"this is too easy to guess, have {MIN_CHARACTERS} characters of chance; {_MEND}"
    return None


def kept_secret(file: Path) -> str:
    """The secret in `file`; made there, readable by its owner alone, if there is none. Raises OSError."""
    if not file.exists():
        fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as new:
            new.write(secrets.token_urlsafe(48))
            new.flush()
            os.fsync(new.fileno())
        with suppress(FileExistsError):
            os.link(fresh, file)  # whole, or not at all; of two processes that start at once one is first
        fresh.unlink()
    return file.read_text().strip()
