"""Logs: one JSON object per line off a terminal, readable lines on it, foreign chatter left out."""

import json
import subprocess
import sys

import pytest

from shared.logs import configure_logs

PROGRAM = """
import logging, sys
import structlog
from shared.logs import configure_logs
configure_logs(sys.argv[1], sys.argv[2])
log = structlog.get_logger()
log.debug("detail")
log.info("started", port=5000)
logging.getLogger("amqtt.broker").info("chatter")
logging.getLogger("amqtt.broker").warning("trouble")
try:
    raise OSError("gone")
except OSError:
    log.exception("died")
"""


def lines(level: str, style: str) -> list[str]:
    """What a process of its own writes to standard error: logging is configured once and for all."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, level, style], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("style", ["auto", "json"])
def test_off_a_terminal_every_line_of_ours_is_json(style: str) -> None:
    """With level, time and the exception inside it."""
    started, foreign, died = lines("info", style)
    told = json.loads(started)
    assert (told["event"], told["level"], told["port"]) == ("started", "info", 5000)
    assert told["timestamp"].endswith("Z")
    assert foreign.endswith("amqtt.broker WARNING trouble")
    assert "OSError: gone" in json.loads(died)["exception"]


@pytest.mark.parametrize("level", ["loud", ""])
def test_a_level_that_isnt_one_is_refused(level: str) -> None:
    """Settings check it before; here it is a mistake of ours, and changes nothing."""
    with pytest.raises(KeyError):
        configure_logs(level)


def test_the_level_is_a_threshold() -> None:
    """More with debug, less with error."""
    assert [json.loads(line)["event"] for line in lines("debug", "json") if line[0] == "{"] == [
        *("detail", "started", "died"),
    ]
    assert [json.loads(line)["event"] for line in lines("error", "json") if line[0] == "{"] == ["died"]


def test_the_console_style_is_for_people() -> None:
    """Words, not JSON."""
    assert any("started" in line and "port" in line and line[0] != "{" for line in lines("info", "console"))
