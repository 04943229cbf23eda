"""The examples of docs/protocol.md are golden files, and the code understands or produces each of them."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from services.realtime.conflation import Conflated
from services.realtime.cursor import Position
from services.realtime.errors import BadMessage
from services.realtime.frames import (
    PONG,
    Gap,
    Interruption,
    caught_up_frame,
    error_frame,
    gap_frame,
    heartbeat_frame,
    history_frame,
    reading_text,
    readings_frame,
    snapshot_frame,
    status_frame,
    subscribed_frame,
    welcome_frame,
)
from services.realtime.group import Chunk
from services.realtime.protocol import client_messages, parse, server_messages
from services.realtime.transports.socketio import events
from shared.readings import decode_announcement, encode_announcement, encode_readings
from shared.times import iso_ns

ROOT: Final = Path(__file__).parents[3]
PAYLOADS: Final = ROOT / "tests" / "payloads"
EXAMPLES: Final = dict(
    re.findall(r"```json title=(\S+)\n(.*?)```", (ROOT / "docs" / "protocol.md").read_text(), flags=re.DOTALL)
)
MINE: Final = sorted(path.name for path in PAYLOADS.glob("*.json") if path.name.startswith(("ws-", "socketio-", "ann")))

BATCH: Final = decode_announcement((PAYLOADS / "announcement.json").read_bytes())
(READING,) = BATCH.readings
(STATUS,) = BATCH.status


def cursor() -> str:
    position = Position()
    position.advance(BATCH)
    return position.cursor


def gap() -> str:
    conflated = Conflated(cursor())
    texts = [reading_text(READING._replace(ts_ns=READING.ts_ns + second * 1_000_000_000)) for second in range(4)]
    conflated.add(Chunk(texts, cursor()).rows, cursor())
    return conflated.frames()[0]


def refusal() -> str:
    try:
        parse('{"type":"subscribe","id":1,"devices":"*","until":"-10m"}')
    except BadMessage as error:
        return error_frame(error.code, str(error), error.id)
    raise AssertionError("it was taken")


PRODUCED: Final[dict[str, Callable[[], str]]] = {
    "ws-server-welcome.json": lambda: welcome_frame(20.0),
    "ws-server-subscribed.json": lambda: subscribed_frame(1, 1, ["greenhouse-8"]),
    "ws-server-snapshot.json": lambda: snapshot_frame(1, [reading_text(READING)]),
    "ws-server-readings.json": lambda: readings_frame(cursor(), reading_text(READING)),
    "ws-server-status.json": lambda: status_frame(STATUS),
    "ws-server-gap.json": gap,
    "ws-server-gap-not-stored-yet.json": lambda: gap_frame(
        Gap("*", Interruption(cursor(), iso_ns(READING.ts_ns), iso_ns(READING.ts_ns + 3_000_000_000)), "not_stored_yet")
    ),
    "ws-server-history.json": lambda: history_frame(3, [reading_text(READING)]),
    "ws-server-caught-up.json": lambda: caught_up_frame(3, cursor()),
    "ws-server-heartbeat.json": lambda: heartbeat_frame(cursor()),
    "ws-server-pong.json": lambda: PONG,
    "ws-server-error.json": refusal,
    "socketio-sensor-data.json": lambda: orjson.dumps(
        orjson.loads(events(readings_frame(cursor(), reading_text(READING)))[0][1:])[1]
    ).decode(),
    "announcement.json": lambda: encode_announcement(replace(BATCH, body=encode_readings(BATCH.readings))).decode(),
}


def golden(name: str) -> Any:
    return orjson.loads((PAYLOADS / name).read_bytes())


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_in_the_docs_is_its_golden_file(name: str) -> None:
    """What the page shows is what the tests play."""
    assert orjson.loads(EXAMPLES[name]) == golden(name)


@pytest.mark.parametrize("name", MINE)
def test_a_golden_message_is_shown_and_played(name: str) -> None:
    """Every golden message of the live protocols stands in the docs; clients' are accepted, servers' are produced."""
    assert name in EXAMPLES
    if name.startswith("ws-client-"):
        asked = parse((PAYLOADS / name).read_text())
        assert orjson.loads(client_messages.dump_json(asked, exclude_unset=True)) == golden(name)
    else:
        assert orjson.loads(PRODUCED[name]()) == golden(name)
    if name.startswith("ws-server-"):
        server_messages.validate_json((PAYLOADS / name).read_bytes())


def test_every_message_has_an_example() -> None:
    """No type of the protocol is without one."""
    types = {golden(name)["type"] for name in MINE if name.startswith("ws-")}
    schema = orjson.dumps([client_messages.json_schema(), server_messages.json_schema()]).decode()
    assert types == set(re.findall(r'"const":"(\w+)"', schema)) - {"*"}
