"""Topics: what is built is parsed back, and nothing else is taken for a device's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identifiers import DEVICE_ID_PATTERN
from shared.topics import (
    DeviceTopic,
    check_prefix,
    control_topic,
    data_topic,
    error_topic,
    instance_topic,
    live_topic,
    parse_device_topic,
    registry_topic,
    status_topic,
)

device_ids = st.from_regex(DEVICE_ID_PATTERN, fullmatch=True)


@given(device_ids, st.sampled_from(["iot/devices", "plant/7", "a"]))
def test_a_topic_that_we_build_is_parsed_back(device_id: str, prefix: str) -> None:
    """For every device id and prefix."""
    assert parse_device_topic(data_topic(device_id, prefix), prefix) == DeviceTopic(device_id, "data", device_id)
    assert parse_device_topic(status_topic(device_id, prefix), prefix) == DeviceTopic(device_id, "status", device_id)
    assert parse_device_topic(error_topic(device_id, prefix), prefix) is None


@pytest.mark.parametrize(
    "topic",
    [
        *("", "iot/devices", "iot/devices/", "iot/devices/d1", "iot/devices/d1/", "iot/devices/d1/data/"),
        *("iot/devicesd1/data", "iot/devices/d1/errors", "iot/devices/a/b/data", "x/iot/devices/d1/data"),
    ],
)
def test_other_topics_are_nobodys(topic: str) -> None:
    """They are not taken for a device's message."""
    assert parse_device_topic(topic) is None


@pytest.mark.parametrize("level", ["", "-d", "d 1", "d\n", "ä", "a" * 129])
def test_a_bad_device_id_is_told_as_such(level: str) -> None:
    """Its message becomes a dead letter, so the level is kept as it was."""
    assert parse_device_topic(f"iot/devices/{level}/data") == DeviceTopic(None, "data", level)


@given(st.text())
def test_no_text_makes_the_parser_raise(text: str) -> None:
    """Whatever a client publishes to."""
    for topic in (text, f"iot/devices/{text}", f"iot/devices/{text}/data"):
        parse_device_topic(topic)


def test_a_long_topic_is_parsed_like_a_short_one() -> None:
    """Only the short ones are remembered."""
    prefix = "p/" * 200 + "q"
    assert parse_device_topic(data_topic("d1", prefix), prefix) == DeviceTopic("d1", "data", "d1")


def test_what_services_say_is_on_topics_of_their_own() -> None:
    """No device's topic is one of them."""
    topics = [live_topic("w1"), instance_topic("w1"), control_topic("w1"), registry_topic()]
    assert topics == ["telemetrio/live/w1", "telemetrio/ingest/w1", "telemetrio/control/w1", "telemetrio/registry"]
    assert [parse_device_topic(topic) for topic in topics] == [None] * 4


@pytest.mark.parametrize("prefix", ["iot/devices", "plant/7", "a", "Werk-4", "x" * 128])
def test_a_prefix_may_be_any_plain_topic(prefix: str) -> None:
    """It is taken as it is."""
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "a/+",
        "#",
        "a b",
        "a,b",
        "a\x00",
        "$SYS/a",
        "telemetrio",
        "telemetrio/live",
        "x" * 129,
    ],
)
def test_a_prefix_that_can_be_no_devices_is_refused_with_the_mend(prefix: str) -> None:
    """Wildcards, empty levels, the services' own tree."""
    with pytest.raises(ValueError, match="write it like iot/devices"):
        check_prefix(prefix)
