"""Who may do what at Mosquitto: the clients and roles of our own services in its dynamic-security file.

The file is read and written while Mosquitto is down; afterwards Mosquitto keeps it, in an order of its own. Devices'
clients, and whatever an operator added, stay as they are.
"""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from shared.process import ExitCode, Refusal
from shared.topics import SERVICE_PREFIX, data_topic, error_topic, live_topic, registry_topic, status_topic

# as the plug-in itself makes them; our passwords are chance, so that more rounds would only make logins slow
_ROUNDS: Final = 101
_SALT_BYTES: Final = 12
_CONTROL: Final = "$CONTROL/dynamic-security"
_NOTHING: Final = {"publishClientSend": False, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}

SERVICES: Final = ("admin", "api", "ingest", "realtime")
Json = dict[str, Any]


class Rights(NamedTuple):
    """Topics that a role may publish to, and filters that it may subscribe to."""

    send: Sequence[str]
    read: Sequence[str]


def username(service: str) -> str:
    """No device can have it: their ids begin with a letter or a digit."""
    return f"_{service}"


def rights(prefixes: Sequence[str]) -> dict[str, Rights]:
    """Of each service; `prefixes`: what devices' topics begin with. Nobody of ours may speak as a device."""
    heard = [topic("+", prefix) for prefix in prefixes for topic in (data_topic, status_topic)]
    told = [error_topic("+", prefix) for prefix in prefixes]
    own = f"{SERVICE_PREFIX}/ingest/+"
    control = f"{SERVICE_PREFIX}/control/+"
    tried = f"{SERVICE_PREFIX}/doctor/+"  # `telemetrio doctor` comes with these rights
    return {
        "admin": Rights([f"{_CONTROL}/#"], [f"{_CONTROL}/#"]),
        "api": Rights([control, registry_topic(), f"{_CONTROL}/v1"], [f"{_CONTROL}/v1/response"]),
        "ingest": Rights(
            [live_topic("+"), own, f"{control}/done", tried, *told],
            [*heard, own, control, registry_topic(), tried],
        ),
        "realtime": Rights([], [live_topic("+"), registry_topic()]),
    }


def provisioned(state: Json, passwords: Mapping[str, str], prefixes: Sequence[str]) -> Json:
    """The file's content with our clients and roles as they should be; equal to `state` if they are."""
    clients = {client.get("username"): client for client in state.get("clients", [])}
    roles = {role.get("rolename"): role for role in state.get("roles", [])}
    for service, given in rights(prefixes).items():
        name = username(service)
        clients[name] = _client(name, passwords[service], clients.get(name, {}))
        roles[name] = _role(name, given, roles.get(name, {}))
    return {
        **state,
        "defaultACLAccess": state.get("defaultACLAccess", _NOTHING),
        "clients": [*clients.values()],
        "groups": state.get("groups", []),
        "roles": [*roles.values()],
    }


def _client(name: str, password: str, known: Json) -> Json:
    """As it is, if it has this password and this role alone; a new salt would be a change each time."""
    proven = _proves(known, password)
    held = {role.get("rolename") for role in known.get("roles", [])}
    if proven and held == {name} and not any(known.get(key) for key in ("disabled", "clientid", "groups")):
        return known
    proof = known if proven else _proof(password)
    keys = ("password", "salt", "iterations")
    return {"username": name, "roles": [{"rolename": name}], **{key: proof[key] for key in keys}}


def _proof(password: str) -> Json:
    salt = secrets.token_bytes(_SALT_BYTES)
    hashed = _hash(password, salt, _ROUNDS)
    return {"password": hashed, "salt": base64.b64encode(salt).decode(), "iterations": _ROUNDS}


def _proves(client: Json, password: str) -> bool:
    try:
        hashed = _hash(password, base64.b64decode(client["salt"]), int(client["iterations"]))
    except (KeyError, ValueError):
        return False
    return secrets.compare_digest(hashed, str(client.get("password")))


def _hash(password: str, salt: bytes, rounds: int) -> str:
    return base64.b64encode(hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)).decode()


def _role(name: str, given: Rights, known: Json) -> Json:
    """As it is, if it gives these rights alone, in whatever order."""
    topics = [*(("publishClientSend", topic) for topic in given.send)]
    topics += [("subscribePattern", topic) for topic in given.read]
    # what is allowed by default to whoever may subscribe is not so for the topics of the broker itself
    topics += [("publishClientReceive", topic) for topic in given.read if topic.startswith("$")]
    acls = [{"acltype": kind, "topic": topic, "priority": 0, "allow": True} for kind, topic in topics]
    same = sorted(map(_right, acls)) == sorted(map(_right, known.get("acls", [])))
    return known if same else {"rolename": name, "acls": acls}


def _right(acl: Json) -> tuple[str, str, int, bool]:
    return str(acl.get("acltype")), str(acl.get("topic")), int(acl.get("priority", 0)), bool(acl.get("allow"))


def provision(file: Path, secrets_dir: Path, prefixes: Sequence[str]) -> bool:
    """Whether the file had to change. Raises Refusal for what can't be read."""
    passwords = {service: _password(secrets_dir / f"broker-{service}.password") for service in SERVICES}
    state = _read(file)
    wanted = provisioned(state, passwords, prefixes)
    if wanted == state:
        return False
    _write(file, wanted)
    return True


def _password(file: Path) -> str:
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise Refusal(
            f"{file} can't be read: {error.strerror}; deploy/setup makes it", ExitCode.WRONG_SETTINGS
        ) from error
    if not password:
        raise Refusal(f"{file} is empty: remove it, and deploy/setup makes a new one", ExitCode.WRONG_SETTINGS)
    return password


def _read(file: Path) -> Json:
    if not file.exists():
        return {}
    try:
        state = json.loads(file.read_text())
    except ValueError as error:
        # devices' credentials are in it: somebody must look before it is thrown away
        message = f"{file} is damaged ({error}): bring it back from a backup, or move it away to begin anew"
        raise Refusal(message, ExitCode.WRONG_SETTINGS) from error
    if not isinstance(state, dict):
        raise Refusal(f"{file} is no dynamic-security file of Mosquitto: move it away", ExitCode.WRONG_SETTINGS)
    return state


def _write(file: Path, state: Json) -> None:
    """Whole, or not at all; its owner's alone. Mosquitto's own scratch file is called .new."""
    fresh = file.with_name(f"{file.name}.provision")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as new:
        json.dump(state, new, indent="\t")
        new.flush()
        os.fsync(new.fileno())
    fresh.replace(file)
