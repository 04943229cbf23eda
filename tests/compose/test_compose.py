"""deploy/compose.yaml itself, in a Docker engine: from nothing to the screens, down and up, killed."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.compose.engine import Engine
from tests.compose.stack import SERVICES, Stack
from tests.peers.guest import Guest
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.compose, *(pytest.mark.peer(name) for name in ("docker", "debootstrap", "openssl"))]
NOT_AUTHORIZED = 0x87


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with ExitStack() as stack:
        running = Engine()
        running.start(stack)
        running.make_images()
        yield running


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(engine, tmp_path_factory.mktemp("compose"))
    made.down("-v", "--remove-orphans")  # of a run that was cut off
    try:
        made.up()
        yield made
    finally:
        made.down("-v", "--remove-orphans")


@pytest.fixture(scope="module")
def guest(stack: Stack) -> Guest:
    return Guest(stack.outside, stack.first_password())


FILES: tuple[tuple[str, ...], ...] = (
    (),
    ("--profile", "observe"),
    ("-f", "compose.yaml", "-f", "compose.scale.yaml"),
)


@pytest.mark.parametrize("words", FILES, ids=["one", "observe", "scale"])
def test_the_file_is_clean(stack: Stack, words: tuple[str, ...]) -> None:
    """For Debian's docker-compose, and for `docker compose` where it is installed: no error, and not one warning."""
    programs = [("docker-compose",), *([("docker", "compose")] if has_plugin() else [])]
    for program in programs:
        assert stack.warnings(*words, "config", "-q", program=program) == ""


def has_plugin() -> bool:
    places = ("/usr/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins", "/usr/local/lib/docker/cli-plugins")
    return any((Path(place) / "docker-compose").exists() for place in places) and bool(shutil.which("docker"))


async def test_a_device_from_its_first_credential_to_the_screens(guest: Guest, stack: Stack) -> None:
    """Made by the API, published over TLS, read by the API, seen on /ws and /socket.io; another's topic is refused."""
    password = await guest.sees_what_a_device_publishes("journey")
    with stack.outside.device("journey", password) as device:
        assert device.publish("iot/devices/other/data", b"{}") == NOT_AUTHORIZED


def test_down_and_up_again(guest: Guest, stack: Stack) -> None:
    """Users, devices, credentials and readings are still there, and the device goes on."""
    password = guest.device("lasting")
    say(stack, "lasting", password, 1)
    guest.stored("lasting", 1)
    stack.down()
    stack.up()
    again = Guest(stack.outside, None)
    again.stored("lasting", 1)
    say(stack, "lasting", password, 2)
    again.stored("lasting", 2)


def test_each_service_killed_once_heals(stack: Stack) -> None:
    """What was published before, while it is away and after is there once it is back, whichever it is."""
    guest, number = Guest(stack.outside, None), 0
    password = guest.device("unmoved")
    for service in SERVICES:
        number += 1
        say(stack, "unmoved", password, number)
        stack.crash(service)
        stack.healthy()
        number += 1
        eventually(lambda: said(stack, "unmoved", password, number), 60)  # noqa: B023 - called within this round
        guest.stored("unmoved", number, 120)


def say(stack: Stack, device_id: str, password: str, number: int) -> None:
    """A reading with a time of its own: to say it again changes nothing."""
    payload = b'{"temperature": %d, "timestamp": %d}' % (number, 1_790_000_000_000 + number)
    with stack.outside.device(device_id, password) as device:
        assert device.publish(f"iot/devices/{device_id}/data", payload) == 0


def said(stack: Stack, device_id: str, password: str, number: int) -> bool:
    try:
        say(stack, device_id, password, number)
    except (OSError, AssertionError):  # the broker is on its way
        return False
    return True


def test_prometheus_reaches_every_service(stack: Stack) -> None:
    """With the profile `observe`: each target is up, and its alerts are read."""
    stack.compose("--profile", "observe", "up", "-d", "prometheus")
    targets = "http://127.0.0.1:9090/api/v1/targets?state=active"

    def reached() -> set[str]:
        told: Any = stack.ask_inside("prometheus", targets)["data"]["activeTargets"]
        return {one["labels"]["job"] for one in told if one["health"] == "up"}

    eventually(lambda: stack.state("prometheus")["Running"], 30)
    eventually(lambda: reached() == {"api", "ingest", "realtime"}, 90)
    rules: Any = stack.ask_inside("prometheus", "http://127.0.0.1:9090/api/v1/rules")["data"]["groups"]
    assert len(rules[0]["rules"]) > 5


def test_nothing_runs_as_root_and_no_secret_is_in_a_layer(stack: Stack) -> None:
    """Ours run as 10001 on a file system that they can't write; what makes the image up holds no secret."""
    for service in ("api", "ingest", "realtime"):
        told = stack.engine.inspect(stack.container(service))
        assert told["Config"]["User"] == "10001:10001"
        assert told["HostConfig"]["ReadonlyRootfs"]
        assert told["HostConfig"]["CapDrop"] == ["ALL"]
    secrets = [file.read_bytes().strip() for file in (stack.deploy / "secrets").glob("*") if file.suffix != ".pem"]
    archive = stack.deploy / "image.tar"
    stack.engine.run("save", "-o", archive, "telemetrio:under-test")
    content = archive.read_bytes()
    assert [secret for secret in secrets if secret in content] == []
