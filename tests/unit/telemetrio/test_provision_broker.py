"""Our services at Mosquitto's dynamic security: what is put into its file, and what is left as it is."""

import base64
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from shared.process import ExitCode, Refusal
from telemetrio.provision.broker import SERVICES, provision, provisioned, username

PASSWORDS = {service: f"password of {service}" for service in SERVICES}
PREFIXES = ["iot/devices"]
DEVICE = {"username": "d~first", "clientid": "d", "roles": [{"rolename": "device/d"}], "password": "x", "salt": "y"}
ROLE = {"rolename": "device/d", "acls": []}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for service, password in PASSWORDS.items():
        (tmp_path / f"broker-{service}.password").write_text(f"{password}\n")
    return tmp_path


def acls(state: dict[str, Any], service: str, kind: str) -> set[str]:
    (role,) = [role for role in state["roles"] if role["rolename"] == username(service)]
    return {acl["topic"] for acl in role["acls"] if acl["acltype"] == kind and acl["allow"]}


def test_the_first_time_it_is_all_made(secrets: Path) -> None:
    """Nobody else may do anything; the passwords are there as hashes alone, and the file is its owner's."""
    file = secrets / "dynamic-security.json"
    assert provision(file, secrets, PREFIXES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "password of" not in file.read_text()
    state = json.loads(file.read_text())
    assert state["defaultACLAccess"]["publishClientSend"] is state["defaultACLAccess"]["subscribe"] is False
    client = next(client for client in state["clients"] if client["username"] == "_ingest")
    salt = base64.b64decode(client["salt"])
    hashed = hashlib.pbkdf2_hmac("sha512", b"password of ingest", salt, client["iterations"])
    assert base64.b64decode(client["password"]) == hashed
    assert not provision(file, secrets, PREFIXES)


def test_only_what_is_ours_is_brought_up_to_date() -> None:
    """A new password and another prefix change our clients and roles; devices' stay, and so do the operator's own."""
    before = provisioned({"clients": [DEVICE], "roles": [ROLE], "other": 1}, PASSWORDS, PREFIXES)
    after = provisioned(before, {**PASSWORDS, "api": "another"}, [*PREFIXES, "iot/devices-2"])
    known, new = ({each["username"]: each for each in state["clients"]} for state in (before, after))
    assert {name for name in known if known[name] != new[name]} == {"_api"}
    assert new["d~first"] == DEVICE
    assert ROLE in after["roles"]
    assert after["other"] == 1
    assert "iot/devices-2/+/data" in acls(after, "ingest", "subscribePattern")
    assert provisioned(after, {**PASSWORDS, "api": "another"}, [*PREFIXES, "iot/devices-2"]) == after


@pytest.mark.parametrize(
    "turned", [{"disabled": True}, {"clientid": "x"}, {"roles": []}, {"roles": [{"rolename": "_api"}]}]
)
def test_what_somebody_turned_is_turned_back(turned: dict[str, Any]) -> None:
    """A client of ours that was disabled, tied to a client id, or given another role; a role that was widened."""
    right = provisioned({}, PASSWORDS, PREFIXES)
    clients = [client | turned if client["username"] == "_ingest" else client for client in right["clients"]]
    wide = {"acltype": "publishClientSend", "topic": "#", "priority": 0, "allow": True}
    roles = [role | {"acls": [*role["acls"], wide]} for role in right["roles"]]
    assert provisioned({**right, "clients": clients, "roles": roles}, PASSWORDS, PREFIXES) == right


def test_no_service_may_speak_as_a_device() -> None:
    """None publishes data or status, and only the api and the administrator change who may what."""
    state = provisioned({}, PASSWORDS, PREFIXES)
    sent = {service: acls(state, service, "publishClientSend") for service in SERVICES}
    assert {topic for topics in sent.values() for topic in topics if topic.startswith("iot/")} == {
        "iot/devices/+/errors"
    }
    assert {name for name, topics in sent.items() if any("$CONTROL" in topic for topic in topics)} == {"admin", "api"}
    assert sent["realtime"] == set()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("dynamic-security.json", "{", "damaged"),
        ("dynamic-security.json", "[]", "no dynamic-security file"),
        ("broker-api.password", "\n", "empty"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(secrets: Path, name: str, text: str, said: str) -> None:
    """A damaged file holds the devices' credentials: somebody must look."""
    (secrets / name).write_text(text)
    with pytest.raises(Refusal, match=said) as caught:
        provision(secrets / "dynamic-security.json", secrets, PREFIXES)
    assert caught.value.code == ExitCode.WRONG_SETTINGS
    assert (secrets / name).read_text() == text


def test_a_missing_password_names_who_makes_it(secrets: Path) -> None:
    """deploy/setup does."""
    (secrets / "broker-admin.password").unlink()
    with pytest.raises(Refusal, match="deploy/setup makes it"):
        provision(secrets / "dynamic-security.json", secrets, PREFIXES)
