"""What schemathesis can't send by itself; it loads this file by name."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context: Any, value: Any) -> bytes:
    """One text, as it stands."""
    return value if isinstance(value, bytes) else str(value).encode()
