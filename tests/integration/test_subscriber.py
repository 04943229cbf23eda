"""The subscriber against a real Mosquitto: one session, nothing acknowledged before it is on disk, nothing lost."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.ingest.delivery import MAX_WAITING_BYTES, Delivery
from services.ingest.session import RECEIVE_MAXIMUM, SessionTakenOver
from shared.process import ExitCode
from tests.fakes.ingest import singles, turns
from tests.integration.subscriber_rig import (
    MemoryFilters,
    Rig,
    acknowledged,
    backoff_of_tests,
    contents,
    numbers,
    published,
    running,
)
from tests.peers.mosquitto import OPEN, Mosquitto
from tests.peers.mqtt import Client
from tests.peers.proxy import Proxy
from tests.peers.waiting import eventually_async

pytestmark = pytest.mark.peer("mosquitto")


@pytest.fixture(autouse=True)
async def tidy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    backoff_of_tests(monkeypatch)
    yield
    await Client.cut_all()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, f"{OPEN}max_queued_messages 0\n") as started:
        yield started


async def logged(mosquitto: Mosquitto, pattern: str) -> None:
    async def look() -> bool:
        return re.search(pattern, mosquitto.log) is not None

    await eventually_async(look)


async def test_messages_arrive_in_order_and_are_acknowledged_in_order(mosquitto: Mosquitto) -> None:
    """What a device sent first is first in the intake, and acknowledged first."""
    async with running(mosquitto.url) as rig:
        await published(mosquitto.port, *numbers(0, 200))
        taken = await rig.take(200)
        assert contents(taken) == numbers(0, 200)
        assert {delivery.topic for delivery in taken} == {"iot/devices/d1/data"}
        for delivery in taken:
            delivery.ack()
        await logged(mosquitto, r"PUBACK from telemetrio/ingest-1 \(Mid: 200,")
        assert acknowledged(mosquitto.log) == list(range(1, 201))


async def test_nothing_is_acknowledged_before_it_is_asked_for(mosquitto: Mosquitto) -> None:
    """A process that dies before the commit gets the message again; what it had acknowledged it doesn't."""
    async with Proxy(mosquitto.port) as proxy:
        dying = Rig(proxy.url)
        await dying.start()
        await published(mosquitto.port, *numbers(0, 3))
        taken = await dying.take(3)
        taken[0].ack()
        await logged(mosquitto, r"PUBACK from telemetrio/ingest-1 \(Mid: 1,")
        proxy.cut()
        await dying.stop()
    assert acknowledged(mosquitto.log) == [1]
    async with running(mosquitto.url) as rig:
        again = await rig.take(2)
        assert contents(again) == numbers(1, 3)
        for delivery in again:
            delivery.ack()
        await logged(mosquitto, r"PUBACK from telemetrio/ingest-1 \(Mid: 3,")


async def test_an_old_acknowledgement_never_travels_on_a_new_connection(mosquitto: Mosquitto) -> None:
    """Of a message that comes again only the new delivery is acknowledged, and it is known for a repeat."""
    async with Proxy(mosquitto.port) as proxy, running(proxy.url) as rig:
        await published(mosquitto.port, *numbers(0, 2))
        old = await rig.take(2)
        proxy.cut()
        await rig.connected(2)
        repeated = await rig.take(2)
        assert [delivery.repeated for delivery in repeated] == [True, True]
        assert rig.subscriber.stats().duplicates == 2
        for delivery in old:
            delivery.ack()
        await published(mosquitto.port, b"{}")
        last = await rig.take(1)
        assert contents(last) == [b"{}"]
        assert acknowledged(mosquitto.log) == []
        for delivery in (*repeated, *last):
            delivery.ack()
        await logged(mosquitto, r"PUBACK from telemetrio/ingest-1 \(Mid: 3,")
        assert acknowledged(mosquitto.log) == [1, 2, 3]


async def test_the_same_content_under_another_packet_id_is_no_repeat(mosquitto: Mosquitto) -> None:
    """A device that says the same thing twice has measured twice."""
    async with Proxy(mosquitto.port) as proxy, running(proxy.url) as rig:
        await published(mosquitto.port, b'{"a": 1}')
        (await rig.take(1))[0].ack()
        await logged(mosquitto, r"PUBACK from telemetrio/ingest-1 \(Mid: 1,")
        proxy.cut()
        await published(mosquitto.port, b'{"a": 1}')
        (delivery,) = await rig.take(1)
        assert delivery.topic == "iot/devices/d1/data"
        delivery.ack()


async def test_messages_sent_while_ingest_is_away_wait_for_it(tmp_path: Path) -> None:
    """The session outlives ingest and, with persistence, the broker: all that was published meanwhile arrives."""
    with Mosquitto(tmp_path, persistent=True) as mosquitto:
        async with running(mosquitto.url):
            pass
        await published(mosquitto.port, *numbers(0, 50))
        mosquitto.stop()
        mosquitto.start()
        async with running(mosquitto.url) as rig:
            taken = await rig.take(50)
            assert contents(taken) == numbers(0, 50)
            assert rig.subscriber.stats().sessions_lost == 0
            for delivery in taken:
                delivery.ack()


async def test_a_broker_that_comes_back_without_the_session_is_used_and_counted(mosquitto: Mosquitto) -> None:
    """After kill -9 without persistence ingest subscribes anew, claims its name anew, and says what was lost."""
    async with running(mosquitto.url) as rig:
        mosquitto.kill()
        await rig.state("down")
        assert not rig.health.ready
        mosquitto.start()
        await rig.state("ok")
        assert rig.subscriber.stats().sessions_lost == 1
        await published(mosquitto.port, b"{}")
        (delivery,) = await rig.take(1)
        delivery.ack()
        curious = await Client.connected(mosquitto.port, "curious")
        await curious.subscribe(rig.settings.instance_topic)
        assert (await curious.receive()).payload.decode() == rig.settings.instance


async def test_each_connection_is_told(mosquitto: Mosquitto) -> None:
    """The first and the next, once it can take messages: whoever relies on notices asks what was changed meanwhile."""
    rig = Rig(mosquitto.url)
    told: list[str] = []
    rig.subscriber.connected = lambda: told.append(rig.health["broker"].state)
    await rig.start()
    mosquitto.kill()
    await rig.state("down")
    mosquitto.start()
    await rig.state("ok")
    await rig.stop()
    assert told == ["ok", "ok"]


async def test_without_a_broker_it_starts_and_waits(tmp_path: Path) -> None:
    """No broker is no reason to die: readiness says so until there is one."""
    mosquitto = Mosquitto(tmp_path)
    rig = Rig(mosquitto.url)
    rig.begin()
    await rig.down("Errno 111")
    states = [rig.health.ready]
    with mosquitto:
        await rig.state("ok")
        states.append(rig.health.ready)
        assert states == [False, True]
        await rig.stop()


@pytest.mark.parametrize("keepalive_s", [2])
async def test_a_half_open_connection_is_noticed(mosquitto: Mosquitto, keepalive_s: int) -> None:
    """When the network swallows everything both ways, it is noticed within 1.5 keepalives, and reconnected after."""
    async with Proxy(mosquitto.port) as proxy, running(proxy.url, keepalive_s=keepalive_s) as rig:
        proxy.swallow()
        await rig.down("silent", within_s=keepalive_s * 1.5)
        proxy.forward()
        await rig.state("ok")
        await published(mosquitto.port, b"{}")
        (await rig.take(1))[0].ack()


async def test_a_quiet_connection_stays(mosquitto: Mosquitto) -> None:
    """With nothing to say for several keepalives, pings keep both sides."""
    async with running(mosquitto.url, keepalive_s=1) as rig:
        await logged(mosquitto, r"(?s)(Sending PINGRESP to telemetrio/ingest-1.*){7}")
        assert rig.subscriber.stats().connections == 1
        assert "exceeded timeout" not in mosquitto.log


async def test_the_loser_of_a_name_exits_and_the_winner_goes_on(mosquitto: Mosquitto) -> None:
    """Two ingests of one name: the older ends with exit code 4 and takes no message that the newer then misses."""
    older = Rig(mosquitto.url)
    await older.start()
    async with running(mosquitto.url) as newer:
        reason = await older.died()
        assert isinstance(reason, SessionTakenOver)
        assert reason.code is ExitCode.SESSION_TAKEN_OVER
        await newer.state("ok")
        await published(mosquitto.port, *numbers(0, 20))
        taken = await newer.take(20)
        assert contents(taken) == numbers(0, 20)
        assert len(older.intake) == 0
        for delivery in taken:
            delivery.ack()


async def test_a_restart_is_no_takeover(mosquitto: Mosquitto) -> None:
    """The name that a crashed process left behind doesn't stop its successor."""
    async with Proxy(mosquitto.port) as proxy:
        crashed = Rig(proxy.url)
        await crashed.start()
        proxy.cut()
        await crashed.stop()
    async with running(mosquitto.url) as rig:
        assert rig.subscriber.stats().connections == 1


async def test_five_thousand_are_under_way_and_no_more(mosquitto: Mosquitto) -> None:
    """Receive Maximum replaces Mosquitto's window of 20, bounds what is unacknowledged, and acknowledging moves it."""
    async with running(mosquitto.url) as rig:
        await published(mosquitto.port, *numbers(0, RECEIVE_MAXIMUM + 100))
        taken = await rig.take(RECEIVE_MAXIMUM)
        await published(mosquitto.port, b"online", topic="iot/devices/d1/status")
        assert len(taken) + len(rig.intake) == RECEIVE_MAXIMUM
        for delivery in taken:
            delivery.ack()
        rest = await rig.take(101)
        assert contents(rest[:-1]) == numbers(RECEIVE_MAXIMUM, RECEIVE_MAXIMUM + 100)
        for delivery in rest:
            delivery.ack()


async def test_a_full_intake_stops_the_reading(mosquitto: Mosquitto) -> None:
    """While the pipeline takes nothing, what waits stays bounded; when it takes, everything comes, in order."""
    async with running(mosquitto.url) as rig:
        await published(mosquitto.port, *(b'{"a": "%s"}' % (b"%d" % n * 2_500) for n in range(1_000, 5_000)))

        async def paused() -> bool:
            return rig.subscriber.stats().pauses > 0

        await eventually_async(paused)
        taken = await rig.take(4_000)
        assert rig.subscriber.stats().pauses > 0
        assert [delivery.payload[7:11] for delivery in taken] == [b"%d" % n for n in range(1_000, 5_000)]
        for delivery in taken:
            delivery.ack()


async def test_who_has_no_room_does_not_connect(mosquitto: Mosquitto) -> None:
    """A broker sends its whole window to whoever connects, again and again where it is not taken."""
    rig = Rig(mosquitto.url)
    rig.intake.offer(Delivery([("iot/devices/d1/data", b"x" * MAX_WAITING_BYTES)], 1, print))
    rig.begin()
    for number in range(20):
        await published(mosquitto.port, *numbers(number, number + 1))
    assert "telemetrio/ingest-1" not in mosquitto.log
    await rig.intake.take()
    await rig.state("ok")
    await rig.stop()


async def test_filters_that_are_no_longer_wanted_are_unsubscribed(mosquitto: Mosquitto) -> None:
    """Another prefix: the old filters end with the next start, and what is held is what is remembered."""
    filters = MemoryFilters()
    async with running(mosquitto.url, filters, device_prefix="old/devices"):
        assert "old/devices/+/data" in filters.filters
    async with running(mosquitto.url, filters) as rig:
        assert filters.filters == ["telemetrio/ingest/ingest-1", "iot/devices/+/data", "iot/devices/+/status"]
        await published(mosquitto.port, b"{}", topic="old/devices/d1/data")
        await published(mosquitto.port, b"{}")
        (delivery,) = await rig.take(1)
        assert delivery.topic == "iot/devices/d1/data"
        delivery.ack()


async def test_retained_status_is_wanted_once_and_retained_data_never(mosquitto: Mosquitto) -> None:
    """A new session learns what devices last said of themselves; an old one is not told again."""
    await published(mosquitto.port, b"online", topic="iot/devices/d1/status", retain=True)
    await published(mosquitto.port, b'{"a": 1}', retain=True)
    async with running(mosquitto.url) as rig:
        (delivery,) = await rig.take(1)
        assert delivery.topic == "iot/devices/d1/status"
        delivery.ack()
        await logged(mosquitto, "PUBACK from telemetrio/ingest-1")
    async with running(mosquitto.url) as rig:
        await published(mosquitto.port, b"{}")
        (delivery,) = await rig.take(1)
        assert delivery.payload == b"{}"
        delivery.ack()


async def test_a_share_group_and_filters_of_services(mosquitto: Mosquitto) -> None:
    """With a group the broker divides the devices' messages; `also` filters are delivered like any other."""
    async with running(mosquitto.url, share_group="workers", also=("telemetrio/control/ingest-1",)) as rig:
        assert "$share/workers/iot/devices/+/data" in rig.filters.filters
        await published(mosquitto.port, b"{}")
        await published(mosquitto.port, b"{}", topic="telemetrio/control/ingest-1")
        taken = await rig.take(2)
        assert [delivery.topic for delivery in taken] == ["iot/devices/d1/data", "telemetrio/control/ingest-1"]
        for delivery in taken:
            delivery.ack()


async def test_an_orderly_stop_acknowledges_what_it_took(mosquitto: Mosquitto) -> None:
    """A stop waits for the commit of what was delivered, so that the next start doesn't get it again."""
    async with running(mosquitto.url) as rig:
        await published(mosquitto.port, b"{}")
        (delivery,) = await rig.take(1)
        stopping = asyncio.create_task(rig.stop())
        await turns()
        delivery.ack()
        await stopping
    await logged(mosquitto, "(?s)PUBACK from telemetrio/ingest-1.*DISCONNECT from telemetrio/ingest-1")


async def test_retiring_empties_the_session_and_ends_it(mosquitto: Mosquitto) -> None:
    """What waits at the broker still comes; then nothing is left there: no filter, no session, no name."""
    filters = MemoryFilters()
    async with running(mosquitto.url, filters):
        pass
    await published(mosquitto.port, *numbers(0, 30))
    async with running(mosquitto.url, filters) as rig:
        retiring = asyncio.create_task(rig.subscriber.retire())
        taken = await rig.take(30)
        await logged(mosquitto, "UNSUBSCRIBE from telemetrio/ingest-1")
        await published(mosquitto.port, b"too late")
        for delivery in taken:
            delivery.ack()
        await retiring
        assert contents(taken) == numbers(0, 30)
        assert filters.filters == []
        assert len(rig.intake) == 0
    async with running(mosquitto.url, filters) as rig:
        assert rig.subscriber.stats().messages == 0
        answers = re.findall(r"Sending CONNACK to telemetrio/ingest-1 \((\d), 0\)", mosquitto.log)
        assert answers == ["0", "1", "0"]  # a session was there for the second one only


async def test_a_wrong_password_is_said_and_never_shown(tmp_path: Path) -> None:
    """The health page names the reason; the password is nowhere."""
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    with Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}\n") as mosquitto:
        rig = Rig(f"mqtt://ingest:hunter2@127.0.0.1:{mosquitto.port}")
        rig.begin()
        detail = await rig.down("not authorized")
        assert "hunter2" not in detail + repr(rig.broker) + repr(rig.broker.address)
        await rig.stop()


def certificate(directory: Path) -> tuple[Path, Path]:
    """One that signs itself, for 127.0.0.1."""
    certificate, key = directory / "ca.pem", directory / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *subject]
    subprocess.run(
        [*made, "-days", "2", "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    return certificate, key


@pytest.mark.peer("openssl")
async def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    """mqtts:// works with the given authority, and trusts no other."""
    authority, key = certificate(tmp_path)
    with Mosquitto(tmp_path, f"{OPEN}certfile {authority}\nkeyfile {key}\nmax_queued_messages 0\n") as mosquitto:
        url = f"mqtts://127.0.0.1:{mosquitto.port}"
        stranger = Rig(url)
        stranger.begin()
        await stranger.down("CERTIFICATE_VERIFY_FAILED")
        await stranger.stop()
        async with running(url, mqtt_ca_file=authority) as rig:
            await logged(mosquitto, "Sending PINGRESP to telemetrio/ingest-1")
            assert rig.subscriber.stats().connections == 1


async def test_a_line_that_breaks_under_load_loses_nothing_and_doubles_nothing(mosquitto: Mosquitto) -> None:
    """Cut a dozen times amid 6,000 messages, some acknowledged late: each is handed over once, in order."""
    wanted = numbers(0, 6_000)
    seen: list[bytes] = []
    async with Proxy(mosquitto.port) as proxy, running(proxy.url) as rig:
        publishing = asyncio.create_task(published(mosquitto.port, *wanted))
        cuts, late = 0, []
        async with asyncio.timeout(30):
            while len(seen) < len(wanted):
                taken = singles(await rig.intake.take())
                seen += [delivery.payload for delivery in taken if not delivery.repeated]
                late += taken
                if len(seen) > (cuts + 1) * 450:  # what is late now is acknowledged after its connection's end
                    proxy.cut()
                    cuts += 1
                    await turns(cuts)
                for delivery in late:
                    delivery.ack()
                late.clear()
        await publishing
        assert seen == wanted
        assert rig.subscriber.stats().duplicates > 0
        assert cuts >= 10
