"""deploy/compose.yaml itself, in a Docker engine: from nothing to the screens, down and up, killed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

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


def say(stack: Stack, device_id: str, password: str, number: int, prefix: str = "iot/devices") -> None:
    """A reading with a time of its own: to say it again changes nothing."""
    payload = b'{"temperature": %d, "timestamp": %d}' % (number, 1_790_000_000_000 + number)
    with stack.outside.device(device_id, password) as device:
        assert device.publish(f"{prefix}/{device_id}/data", payload) == 0


def said(stack: Stack, device_id: str, password: str, number: int, prefix: str = "iot/devices") -> bool:
    try:
        say(stack, device_id, password, number, prefix)
    except (OSError, AssertionError):  # the broker is on its way
        return False
    return True


PROMETHEUS = "http://127.0.0.1:9090/api/v1"
# what only trouble counts, and who was never in trouble has no series of
ONLY_IN_TROUBLE = ("_refused_total", 'outcome="refused"', "_gaps_total", "_ended_total")


@pytest.mark.usefixtures("guest")
def test_prometheus_reaches_every_service_and_the_dashboards_have_data(stack: Stack) -> None:
    """With the profile `observe`: each target is up, its alerts are read, and each panel's question has an answer."""
    stack.compose("--profile", "observe", "up", "-d", "prometheus")
    boards = [json.loads(file.read_text()) for file in (stack.deploy / "grafana" / "dashboards").glob("*.json")]
    asked = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]

    def ask(*paths: str) -> list[Any]:
        return [told["data"] for told in stack.ask_inside("prometheus", *(f"{PROMETHEUS}/{path}" for path in paths))]

    def reached() -> set[str]:
        (told,) = ask("targets?state=active")
        return {one["labels"]["job"] for one in told["activeTargets"] if one["health"] == "up"}

    def unanswered() -> set[str]:
        answers = ask(*(f"query?query={quote(expression)}" for expression in asked))
        return {expression for expression, told in zip(asked, answers, strict=True) if not told["result"]}

    eventually(lambda: stack.state("prometheus")["Running"], 30)
    eventually(lambda: reached() == {"api", "ingest", "realtime"}, 90)
    (rules,) = ask("rules")
    assert len(rules["groups"][0]["rules"]) > 5
    guest = Guest(stack.outside, None)
    password = guest.device("looked-at")
    say(stack, "looked-at", password, 1)
    guest.stored("looked-at", 1)  # the store is asked, too
    quiet = {one for one in asked if any(name in one for name in ONLY_IN_TROUBLE)}
    try:
        eventually(lambda: unanswered() <= quiet, 90)
    except AssertionError as error:
        raise AssertionError(f"no data: {unanswered() - quiet}") from error


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


def test_the_doctor_finds_nothing_to_mend(stack: Stack) -> None:
    """Asked in two containers, each for what its rights allow."""
    for service, left_out in (("ingest", ("query",)), ("api", ("write", "queue"))):
        skipped = [word for name in left_out for word in ("--skip", name)]
        stack.compose("exec", "-T", service, "telemetrio", "doctor", *skipped)


@pytest.mark.usefixtures("guest")
def test_a_new_password_of_the_database(stack: Stack) -> None:
    """As docs/operations.md has it: the old one is good for nothing afterwards, and the services have the new one."""
    file = stack.deploy / "secrets" / "postgres.password"
    old = file.read_text()
    subprocess.run([sys.executable, str(stack.deploy / "setup"), "--new", file.name], check=True, capture_output=True)
    stack.compose("up", "-d", "--force-recreate", "--no-deps", "database")
    eventually(lambda: stack.state("database")["Health"]["Status"] == "healthy", 60)
    told = "psql -U telemetrio -c \"ALTER ROLE telemetrio PASSWORD '$(cat /run/secrets/postgres.password)'\""
    stack.compose("exec", "-T", "database", "sh", "-c", told)
    stack.compose("up", "-d", "--force-recreate", "--no-deps", "api", "ingest", "realtime")
    stack.healthy()
    Guest(stack.outside, None)
    for password, answer in ((old, "refused"), (file.read_text(), "1")):
        words = f"PGPASSWORD={password} psql -h 127.0.0.1 -U telemetrio -tA -c 'SELECT 1' || echo refused"
        assert stack.compose("exec", "-T", "database", "sh", "-c", words).strip() == answer


@pytest.mark.usefixtures("guest")
def test_two_of_each(stack: Stack) -> None:
    """Added after a `down`: a device's topics of the second ingest are open to it, and what it says there is stored."""
    files = ("-f", "compose.yaml", "-f", "compose.scale.yaml")
    stack.down()
    try:
        with stack.variable("PIN", "pin-two"):
            stack.compose(*files, "up", "-d")
        stack.healthy()
        guest = Guest(stack.outside, None)
        password = guest.device("second")
        eventually(lambda: said(stack, "second", password, 1, "iot/devices-2"), 60)
        guest.stored("second", 1, 60)
    finally:
        stack.compose(*files, "down", "-t", "25")
        stack.up()


@pytest.mark.usefixtures("guest")
def test_a_backup_is_brought_back(stack: Stack) -> None:
    """Every volume is lost: users, devices, their passwords and readings are there again, and the device goes on."""
    guest = Guest(stack.outside, None)
    password = guest.device("kept")
    say(stack, "kept", password, 1)
    guest.stored("kept", 1)
    folder = stack.deploy / "backup"
    folder.mkdir(mode=0o700)
    os.chown(folder, 10001, 10001)
    run = ("run", "--rm", "--no-deps", "-T")
    stack.compose(*run, "-v", f"{folder}:/backup", "api", "backup", "/backup/site.tar")
    stack.compose(*run, "-v", f"{folder}:/backup", "api", "backup", "--check", "/backup/site.tar")
    accounts = stack.compose("exec", "-T", "broker", "cat", "/mosquitto/data/dynamic-security.json")
    stack.down("-v")
    stack.up()
    stack.compose("stop", "api", "ingest", "realtime", "broker")
    stack.compose(*run, "-v", f"{folder}:/backup", "ingest", "restore", "--replace", "/backup/site.tar")
    written = "umask 077; cat > /mosquitto/data/dynamic-security.json"
    stack.compose(*run, "--entrypoint", "sh", "broker-setup", "-c", written, typed=accounts)
    stack.compose("up", "-d", "--force-recreate", "broker-setup", "broker", "api", "ingest", "realtime")
    stack.healthy()
    again = Guest(stack.outside, None)
    again.stored("kept", 1)
    eventually(lambda: said(stack, "kept", password, 2), 60)
    again.stored("kept", 2)
