"""Structured logs on standard error: readable on a terminal, JSON lines elsewhere. Secrets never come here."""

import logging
import sys
from typing import Final, Literal, TextIO, cast

import structlog

# foreign loggers whose news below WARNING is noise, and whose formatting costs CPU on the hot path
_QUIET: Final = ("amqtt", "transitions", "hypercorn", "engineio", "socketio", "alembic", "asyncio", "aiosqlite")


class _StandardError:
    """Looked up with each line: whoever redirects standard error means the log, too."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure_logs(level: str = "info", style: Literal["auto", "console", "json"] = "auto") -> None:
    """Set up structlog and the standard logging below it. `auto`: console on a terminal, JSON otherwise."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    numeric = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        # local variables may hold secrets: a traceback shows lines only
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
