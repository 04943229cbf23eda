"""What a client may send, and what it is told when it sends something else."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.realtime.errors import BadMessage
from services.realtime.frames import (
    PONG,
    error_frame,
    heartbeat_frame,
    reading_text,
    readings_frame,
    snapshot_frame,
    status_frame,
    subscribed_frame,
    welcome_frame,
)
from services.realtime.protocol import Subscribe, parse, server_messages
from shared.readings import DeviceStatus, Reading


@pytest.mark.parametrize(
    ("text", "code", "words", "message_id"),
    [
        ("{", "bad_message", "not JSON", None),
        ("[]", "bad_message", "", None),
        ("null", "bad_message", "", None),
        ('{"id":1}', "bad_message", "type", 1),
        ('{"type":"login","ticket":"x"}', "unknown_type", "login", None),
        ('{"type":["ping"]}', "unknown_type", "", None),
        ('{"type":"subscribe","id":7,"devices":"*","until":"-10m"}', "unknown_field", "until", 7),
        ('{"type":"subscribe","id":7,"devices":"*","every":1}', "unknown_field", "every", 7),
        ('{"type":"ping","id":true}', "unknown_field", "id", None),
        ('{"type":"subscribe","id":7,"devices":[]}', "bad_message", "devices", 7),
        ('{"type":"subscribe","id":7,"devices":"d1"}', "bad_message", "devices", 7),
        ('{"type":"subscribe","id":7,"devices":["no spaces"]}', "bad_message", "devices", 7),
        ('{"type":"subscribe","id":7,"devices":["d\\n"]}', "bad_message", "devices", 7),
        ('{"type":"subscribe","id":"7","devices":"*"}', "bad_message", "id", None),
        ('{"type":"subscribe","id":-1,"devices":"*"}', "bad_message", "id", None),
        ('{"type":"subscribe","id":1e999,"devices":"*"}', "bad_message", "", None),
        ('{"type":"subscribe","id":7,"devices":"*","metrics":["1x"]}', "bad_message", "metrics", 7),
    ],
)
def test_a_bad_message_is_told_which_field_and_why(text: str, code: str, words: str, message_id: int | None) -> None:
    """Every refusal has a code, names the field, and carries the id of the message if that was a good one."""
    with pytest.raises(BadMessage) as told:
        parse(text)
    assert (told.value.code, told.value.id) == (code, message_id)
    assert words in str(told.value)
    server_messages.validate_json(error_frame(told.value.code, str(told.value), told.value.id))


def test_a_thousand_devices_may_be_named_and_no_more() -> None:
    """The limit of ids in one subscription is exact."""
    message = {"type": "subscribe", "id": 1, "devices": [f"d{number}" for number in range(1_000)]}
    assert isinstance(parse(orjson.dumps(message).decode()), Subscribe)
    message["devices"] = [f"d{number}" for number in range(1_001)]
    with pytest.raises(BadMessage, match="devices"):
        parse(orjson.dumps(message).decode())


def test_deep_nesting_is_a_bad_message() -> None:
    """10,000 brackets are refused like any other nonsense."""
    with pytest.raises(BadMessage):
        parse("[" * 10_000 + "]" * 10_000)


@given(st.text() | st.dictionaries(st.sampled_from(["type", "id", "devices"]), st.text() | st.integers()).map(repr))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is sent is a message or a BadMessage, never another error."""
    try:
        parse(text)
    except BadMessage as error:
        server_messages.validate_json(error_frame(error.code, str(error), error.id))


values = st.dictionaries(
    st.sampled_from(["temperature", "x", "a-b.c_d"]),
    st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text(),
    min_size=1,
)


@given(st.integers(0, 2**62), values)
def test_readings_as_text_are_valid_messages(ts_ns: int, given_values: dict[str, float | bool | str]) -> None:
    """Frames that are put together from text parse as the models of the protocol, with the same values."""
    text = reading_text(Reading("d1", 7, "sensor_data", ts_ns, given_values))
    for frame in (readings_frame("abc", f"{text},{text}"), snapshot_frame(3, [text, text])):
        message = server_messages.validate_json(frame)
        assert [dict(one.values) for one in message.readings] == [given_values] * 2
    assert "user_id" not in orjson.loads(text)


def test_small_frames_are_valid_messages() -> None:
    """Each frame without readings parses as its model too."""
    frames = [
        welcome_frame(20.0),
        subscribed_frame(1, 2, ["d3"]),
        heartbeat_frame("abc"),
        PONG,
        error_frame("bad_message", 'a "quoted" reason'),
        status_frame(DeviceStatus("d1", 1, "offline", 1_767_225_600_000_000_000)),
        snapshot_frame(0, []),
    ]
    for frame in frames:
        server_messages.validate_json(frame)
