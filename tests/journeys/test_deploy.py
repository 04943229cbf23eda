"""deploy/ without Docker: its very configuration, all servers as processes, and what one sees from outside."""

import http.client
import re
from base64 import b64encode
from collections.abc import Iterator

import pytest

from shared.identifiers import is_device_id
from tests.peers.guest import Guest
from tests.peers.installation import Installation
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer(name) for name in ("mosquitto", "influxd", "postgres", "nginx", "openssl", "dashboard")]
NOT_AUTHORIZED, NO_MATCHING_SUBSCRIBERS = 0x87, 0x10


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("installation")) as running:
        yield running


@pytest.fixture(scope="module")
def guest(site: Installation) -> Guest:
    return Guest(site.outside, site.first_password)


async def test_a_device_from_its_first_credential_to_the_screens(site: Installation, guest: Guest) -> None:
    """Made by the API, published over TLS, read by the API and seen on /ws and /socket.io, all through the proxy."""
    await guest.sees_what_a_device_publishes("journey")
    assert "ticket=" not in site.proxy_log


def test_a_device_has_its_own_topics_and_no_others(site: Installation, guest: Guest) -> None:
    """Neither another device's, nor our services'; nor may it take another's name, or come without its password."""
    password = guest.device("quiet")
    with site.outside.device("quiet", password) as device:
        assert device.publish("iot/devices/quiet/status", b"online") == 0
        for topic in ("iot/devices/journey/data", "telemetrio/live/ingest", "telemetrio/control/ingest"):
            assert device.publish(topic, b"{}") == NOT_AUTHORIZED
        for pattern in ("#", "iot/devices/journey/errors", "telemetrio/live/+", "$CONTROL/#"):
            assert device.subscribe(pattern) >= 0x80
    name = "quiet~first"
    for username, word, client_id in ((name, password, "journey"), (name, "guessed", "quiet"), ("", "", "x")):
        stranger = site.outside.mqtt(username, word, client_id)
        assert stranger.connect() >= 0x80
        stranger.leave()


def test_our_services_have_no_more_rights_than_they_need(site: Installation) -> None:
    """Ingest can't speak as a device, realtime can't speak at all, and only the api may change who may what."""
    passwords = {name: site.secret(f"broker-{name}.password") for name in ("api", "ingest", "realtime")}
    allowed = {
        "ingest": {"telemetrio/live/other", "iot/devices/d/errors"},
        "realtime": set[str](),
        "api": {"telemetrio/control/other", "$CONTROL/dynamic-security/v1"},
    }
    topics = {"iot/devices/d/data", "iot/devices/d/status", *allowed["ingest"], *allowed["api"]}
    for name, password in passwords.items():
        with site.outside.mqtt(f"_{name}", password, f"test-{name}") as client:
            granted = {topic for topic in topics if client.publish(topic, b"{}") in (0, NO_MATCHING_SUBSCRIBERS)}
            assert granted == allowed[name], name
            assert client.subscribe("#") >= 0x80


def test_no_device_can_be_called_like_a_service(site: Installation) -> None:
    """Mosquitto hangs up on whoever has a client id, for the next one who comes with it."""
    log = (site.folder / "broker" / "log").read_text()
    seen = re.findall(r" as (\S+) \(.*u'(_\w+)'", log)
    ours = {(user, name) for name, user in seen if not name.startswith("test-")}
    assert {user for user, _ in ours} == {"_api", "_ingest", "_realtime"}
    assert not [name for _, name in ours if is_device_id(name)]
    assert {"telemetrio/ingest", "telemetrio/ingest/live", "telemetrio/ingest/post"} <= {name for _, name in ours}


def test_a_token_of_the_store_either_writes_or_reads(site: Installation) -> None:
    """The token that ingest has reads nothing, and the one of api and realtime writes nothing."""
    port = site.influx.port
    statuses = {}
    for right in ("write", "read"):
        for path, body in (("/write?db=telemetrio", "probe v=1"), ("/query?db=telemetrio&q=SELECT+*+FROM+probe", "")):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request(
                "POST", path, body, {"Authorization": f"Basic {b64encode(site.token(right).encode()).decode()}"}
            )
            answer = connection.getresponse()
            told = answer.read()
            connection.close()
            statuses[right, path.partition("?")[0]] = answer.status if b'"error"' not in told else 403
    assert statuses == {
        ("write", "/write"): 204,
        ("write", "/query"): 403,
        ("read", "/write"): 403,
        ("read", "/query"): 200,
    }


def test_who_only_reads_the_store_finds_it_well(site: Installation) -> None:
    """Neither api nor realtime takes it for an outage that it may not write."""
    eventually(lambda: site.api.dependency("store") == site.realtime.dependency("store") == "ok", 30)


def test_the_proxy_publishes_what_it_should(site: Installation, guest: Guest) -> None:
    """The dashboard and the API's description, over TLS alone; no figures, no foreign host, JSON when all is away."""
    outside = site.outside
    plain = http.client.HTTPConnection("127.0.0.1", site.http_port, timeout=10)
    plain.request("GET", "/devices?x=1")
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, f"{site.origin}/devices?x=1")
    plain.close()
    assert "<!doctype html>" in outside.ask("GET", "/")[1].lower()
    assert outside.ask("GET", "/docs")[0] == 200
    assert outside.ask("GET", "/openapi.json")[1]["openapi"].startswith("3.")
    assert [outside.ask("GET", path)[0] for path in ("/metrics", "/readyz", "/api/v1/devices")] == [404, 404, 401]
    assert outside.ask("GET", "/", Host="evil.example")[0] == 421
    headers = {"Origin": "https://evil.example"}
    assert outside.ask("POST", "/api/v1/auth/login", {"email": "a", "password": "b"}, **headers)[0] == 403
    site.realtime.stop()
    try:
        status, told = outside.ask("GET", "/sse")
        assert (status, told["code"]) == (503, "unavailable")
    finally:
        site.realtime.start()
