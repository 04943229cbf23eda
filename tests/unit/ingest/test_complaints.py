"""Complaints: a device is told why, at most once a second, and nothing that was left out goes uncounted."""

import asyncio
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Final

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest import complaints as complaints_module
from services.ingest.acceptor import Acceptor
from services.ingest.complaints import EVERY_S, MAX_PATHS, Complaint, Complaints, Limiter, encode_complaint
from services.ingest.group import Letter
from services.ingest.post import Post
from services.ingest.registry import Registry
from shared.profiles import DEFAULT_PROFILE
from tests.fakes.ingest import delivery, registering, settings_in, turns
from tests.peers.waiting import eventually_async

GOLDEN: Final = Path(__file__).parents[2] / "payloads" / "device-error.json"


def letters(*contents: object, registry: Registry | None = None) -> list[Letter]:
    acceptor = Acceptor(registering() if registry is None else registry, settings_in(Path()))
    return [letter for group in acceptor.groups(delivery("d1", each) for each in contents) for letter in group.letters]


LETTER: Final = letters(b"?")[0]

steps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.floats(0, 2)), max_size=30)


@settings(deadline=None)
@given(steps)
def test_a_second_lies_between_two_and_all_are_counted(given_steps: list[tuple[str, int, float]]) -> None:
    """Whatever comes when: per device at most one a second, and told plus left out is all that was refused."""
    limiter, now_s = Limiter(), 0.0
    told: dict[str, list[tuple[float, int]]] = defaultdict(list)
    added: dict[str, int] = defaultdict(int)

    def tell() -> None:
        for device_id, complaint in limiter.due(now_s).items():
            told[device_id].append((now_s, complaint.left_out))

    for device_id, number, wait_s in given_steps:
        for _ in range(number):
            limiter.add(device_id, LETTER)
        added[device_id] += number
        tell()
        now_s += wait_s
    now_s += EVERY_S
    tell()
    assert limiter.next_s() is None
    for device_id, number in added.items():
        times = [at for at, _ in told[device_id]]
        assert all(later >= earlier + EVERY_S for earlier, later in pairwise(times))
        assert sum(1 + left_out for _, left_out in told[device_id]) == number


def test_the_first_is_told_at_once_and_the_rest_a_second_later() -> None:
    """Also when nothing more comes: the last word is the newest refusal, with the number of those before it."""
    limiter = Limiter()
    limiter.add("d1", LETTER)
    assert limiter.next_s() == 0.0
    assert limiter.due(10.0) == {"d1": Complaint(LETTER, 0)}
    newest = LETTER._replace(code="newest")
    for letter in (LETTER, LETTER, newest):
        limiter.add("d1", letter)
    assert limiter.due(10.9) == {}
    assert limiter.next_s() == 11.0
    assert limiter.due(11.0) == {"d1": Complaint(newest, 2)}
    assert limiter.due(99.0) == {}
    assert limiter._quiet_until_s == {}


def test_of_many_devices_the_last_are_left_out() -> None:
    """The memory is bounded, and so is what is forgotten: it is counted."""
    limiter = Limiter()
    for number in range(complaints_module.MAX_DEVICES + 5):
        limiter.add(f"d{number}", LETTER)
    assert limiter.dropped == 5
    assert len(limiter.due(0.0)) == complaints_module.MAX_DEVICES


def test_a_stranger_hears_nothing() -> None:
    """Neither an unknown device nor a name that none can have: nobody makes us send to a topic of their choice."""
    registry = Registry("refuse", DEFAULT_PROFILE)
    registry.replace([])
    strange = letters(b"?", registry=registry)
    acceptor = Acceptor(registering(), settings_in(Path()))
    nameless = [letter for group in acceptor.groups([delivery("a b", b"?")]) for letter in group.letters]
    post = Post()
    complaints = Complaints(post)
    complaints.hear([*strange, *nameless])
    complaints.tell()
    assert len(strange) == len(nameless) == 1
    assert len(post) == 0


def test_a_complaint_is_the_documented_message() -> None:
    """As in docs/protocol.md; of many paths the first twenty."""
    (letter,) = letters({"temperature": "warm", "humidity": 5})
    assert json.loads(encode_complaint(Complaint(letter, 2))) == json.loads(GOLDEN.read_text())
    (long,) = letters({"good": 1, **{f"m{number}": [] for number in range(50)}})
    told = orjson.loads(encode_complaint(Complaint(long, 0)))
    assert [each["path"] for each in told["paths"]] == [f"m{number}" for number in range(MAX_PATHS)]


def test_a_device_hears_it_on_its_own_topic() -> None:
    """Which begins as the settings say."""
    post = Post()
    complaints = Complaints(post, "site/7")
    complaints.hear([LETTER])
    complaints.tell()
    assert [topic for topic, _ in post._waiting] == ["site/7/d1/errors"]


async def test_the_part_tells_by_the_clock() -> None:
    """What is held back is told when its second is over, without another refusal to remind of it."""
    now_s = 0.0
    post = Post()
    complaints = Complaints(post, clock=lambda: now_s)
    running = asyncio.create_task(complaints.run())
    complaints.hear([LETTER])
    await turns()
    complaints.hear([LETTER, LETTER])
    await turns()
    assert len(post) == 1
    now_s = EVERY_S

    async def told() -> bool:
        return len(post) == 2

    await eventually_async(told)
    assert [topic for topic, _ in post._waiting] == ["iot/devices/d1/errors"] * 2
    assert orjson.loads(post._waiting[1][1])["left_out"] == 1
    running.cancel()
