"""The broker: who may come in, what it says of its limits, and what it does beyond those that it doesn't say."""

import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.ingest.session import MAX_PACKET_BYTES
from shared.broker import BrokerSettings, client_id
from shared.topics import SERVICE_PREFIX
from telemetrio.doctor.finding import Finding
from telemetrio.doctor.line import Refused, connected

QUEUED: Final = 1_500
_SHARED: Final = 40
_SESSION_S: Final = 86_400
_LEAST_WINDOW: Final = 100


class Limits(NamedTuple):
    """What the broker says when one connects; None: nothing."""

    receive_max: int
    max_packet_bytes: int | None
    session_s: int
    qos: int
    retained: bool
    shared: bool


async def check_broker(settings: BrokerSettings) -> Sequence[Finding]:
    """Whether it lets us in, and what it says of itself."""
    name = _name()
    try:
        async with connected(settings, name, expiry_s=_SESSION_S) as line:
            said = line.greeting
            session_s = _SESSION_S if said.session_expiry_interval is None else said.session_expiry_interval
            limits = Limits(
                said.receive_max,
                said.max_packet_size,
                session_s,
                said.max_qos.value,
                said.retain_available,
                said.shared_subscription_available,
            )
        async with connected(settings, name):
            pass  # nothing is left of the session
    except (OSError, Refused) as error:
        return [_away(settings, error)]
    return judge(limits)


def judge(limits: Limits) -> Sequence[Finding]:
    """What of that is too little."""
    found: list[Finding] = []
    if limits.receive_max < _LEAST_WINDOW:
        found.append(
            Finding(
                "broker",
                f"It takes {limits.receive_max} unacknowledged messages of a client at a time",
                "a device that catches up waits for a round trip after each few messages, and so do announcements",
                "Mosquitto: max_inflight_messages 1000; EMQX: mqtt.max_inflight = 1000",
            )
        )
    if limits.max_packet_bytes is None or limits.max_packet_bytes > MAX_PACKET_BYTES:
        most = "any size" if limits.max_packet_bytes is None else f"{limits.max_packet_bytes} bytes"
        found.append(
            Finding(
                "broker",
                f"It takes messages of {most}, ingest of {MAX_PACKET_BYTES} bytes at most",
                "larger ones are acknowledged to the device, and then thrown away by the broker without a word",
                f"Mosquitto: max_packet_size {MAX_PACKET_BYTES}; EMQX: mqtt.max_packet_size = 1MB",
            )
        )
    if limits.session_s < _SESSION_S:
        found.append(
            Finding(
                "broker",
                f"It keeps a session for {limits.session_s} s, not the {_SESSION_S} s that ingest asks for",
                "a worker that is down for longer loses what devices said meanwhile",
                "raise the limit of the session expiry at the broker: EMQX: mqtt.session_expiry_interval = 1d",
            )
        )
    if limits.qos < 1 or not limits.retained:
        lacking = "QoS 1" if limits.qos < 1 else "retained messages"
        means = "ingest does not work with it: it would lose messages, or fight with another of its name"
        found.append(Finding("broker", f"It does not offer {lacking}", means, "allow it at the broker, or use another"))
    return found


async def check_queue(settings: BrokerSettings) -> Sequence[Finding]:
    """Whether it keeps what is said to a worker that is away: the only way to know is to say something."""
    topic, name = _topic(), _name()
    try:
        async with connected(settings, name, expiry_s=60) as line:
            await line.subscribe(topic)
        async with connected(settings, _name()) as line:
            await line.publish(topic, [b"%d" % number for number in range(QUEUED)])
        async with connected(settings, name, expiry_s=60, fresh=False) as line:
            kept = await line.count(QUEUED)
        async with connected(settings, name):
            pass  # nothing is left of the session
    except Refused as error:
        return [_forbidden("queue", error)]
    except OSError as error:
        return [_away(settings, error, "queue")]
    return judge_queue(kept)


def judge_queue(kept: int) -> Sequence[Finding]:
    """`kept` of QUEUED."""
    if kept >= QUEUED:
        return []
    found = f"Of {QUEUED} messages to a client that was away it kept {kept}"
    means = "while a worker of ingest restarts, what devices say beyond that is acknowledged to them, and lost"
    mend = "Mosquitto: max_queued_messages 1000000 (and max_queued_bytes 0); EMQX: mqtt.max_mqueue_len = 1000000"
    return [Finding("queue", found, means, mend)]


async def check_share(settings: BrokerSettings) -> Sequence[Finding]:
    """Whether a shared subscription hands what a dead member would get to the others."""
    topic = _topic()
    pattern, away, here = f"$share/{SERVICE_PREFIX}-doctor/{topic}", _name(), _name()
    try:
        async with connected(settings, away, expiry_s=60) as line:
            await line.subscribe(pattern)
        async with connected(settings, here) as line:
            await line.subscribe(pattern)
            async with connected(settings, _name()) as sender:
                await sender.publish(topic, [b"%d" % number for number in range(_SHARED)])
            heard = await line.count(_SHARED)
        async with connected(settings, away):
            pass
    except Refused as error:
        return [_forbidden("share", error)]
    except OSError as error:
        return [_away(settings, error, "share")]
    return judge_share(heard)


def judge_share(heard: int) -> Sequence[Finding]:
    """`heard` of _SHARED, by the one that was there."""
    if heard >= _SHARED:
        return []
    found = f"Of {_SHARED} messages to a group with one member away, the other one got {heard}"
    means = "while one worker of ingest is down, its share of the devices' messages waits for it, or is lost"
    mend = "leave TELEMETRIO_SHARE_GROUP empty and give each worker a TELEMETRIO_DEVICE_PREFIX of its own, or use EMQX"
    return [Finding("share", found, means, mend)]


def _away(settings: BrokerSettings, error: Exception, check: str = "broker") -> Finding:
    said = str(error) or type(error).__name__
    means = "no message of a device comes in, and nothing is told live"
    mend = "start the broker; look at TELEMETRIO_MQTT_URL, its user and password, and TELEMETRIO_MQTT_CA_FILE"
    return Finding(check, f"The broker at {settings.address} can't be used: {said}", means, mend)


def _forbidden(check: str, error: Refused) -> Finding:
    means = "what the broker does with messages to a worker that is away is not known"
    mend = f"let this user publish and subscribe {SERVICE_PREFIX}/doctor/#, or leave this out: --skip {check}"
    return Finding(check, f"It could not be tried: {error}", means, mend)


def _name() -> str:
    return client_id("doctor", secrets.token_hex(4))


def _topic() -> str:
    return f"{SERVICE_PREFIX}/doctor/{secrets.token_hex(8)}"
