"""What the dynamic-security plug-in is told, and the difference between what it has and what it should have. Pure.

A credential is a client of the plug-in; a device is a role that allows its own topics. Clients whose name has a `~` and
roles that begin with `device/` are ours; the accounts of services and of people are never touched.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.api.credentials.usernames import MARK, Named
from shared.topics import device_topics

Command = dict[str, Any]

_ROLE: Final = "device/"
_RIGHTS: Final = ("publishClientSend", "publishClientReceive", "subscribePattern")


class Account(NamedTuple):
    """A credential as the database has it."""

    device_id: str
    name: str
    disabled: bool = False

    @property
    def username(self) -> str:
        return Named(self.device_id, self.name).username


class Found(NamedTuple):
    """What the plug-in has of ours, as it lists it: clients by username, roles by name; `held`: roles of anybody."""

    clients: Mapping[str, Command]
    roles: Mapping[str, Command]
    held: frozenset[str] = frozenset()


class Mending(NamedTuple):
    """`commands` bring it to what it should be; `missing` are accounts whose passwords nobody knows any more."""

    commands: list[Command]
    missing: list[Account]


def admit(account: Account, password: str, prefixes: Sequence[str]) -> list[Command]:
    """Make an account; whatever was left of an earlier one of its name goes first.

    That of a disabled device has its password last: nobody gets in meanwhile.
    """
    client = {**_of("createClient", account.username), "clientid": account.device_id}
    client["roles"] = [{"rolename": _role(account.device_id)}]
    proof = {"password": password}
    commands = [_make_role(account.device_id, prefixes), _of("deleteClient", account.username)]
    if not account.disabled:
        return [*commands, {**client, **proof}]
    return [
        *commands,
        client,
        _of("disableClient", account.username),
        {**_of("setClientPassword", account.username), **proof},
    ]


def ours(clients: Sequence[Command], roles: Iterable[Command]) -> Found:
    """Leave out what belongs to others."""
    return Found(
        {client["username"]: client for client in clients if MARK in client["username"]},
        {role["rolename"]: role for role in roles if role["rolename"].startswith(_ROLE)},
        frozenset(name for client in clients for name in _roles(client)),
    )


def mend(wanted: Sequence[Account], found: Found, prefixes: Sequence[str]) -> Mending:
    """First what ends somebody's access, then the rest. A role goes a look later than the last who had it.

    (Mosquitto 2.0.11 crashes when it lists a client whose role was deleted.)
    """
    names = {account.username for account in wanted}
    devices = {account.device_id for account in wanted}
    held = {_role(device_id) for device_id in devices} | found.held
    commands = [_of("deleteClient", name) for name in found.clients if name not in names]
    commands += [{"command": "deleteRole", "rolename": name} for name in found.roles if name not in held]
    for device_id in sorted(devices):
        commands += _mend_role(device_id, found.roles.get(_role(device_id)), prefixes)
    for account in wanted:
        client = found.clients.get(account.username)
        if client is not None:
            commands += _mend_client(account, client)
    return Mending(commands, [account for account in wanted if account.username not in found.clients])


def _mend_role(device_id: str, role: Command | None, prefixes: Sequence[str]) -> list[Command]:
    wanted = _make_role(device_id, prefixes)
    if role is None:
        return [wanted]
    same = {_right(each) for each in role.get("acls", ())} == {_right(each) for each in wanted["acls"]}
    return [] if same else [{**wanted, "command": "modifyRole"}]


def _mend_client(account: Account, client: Command) -> list[Command]:
    commands = []
    if bool(client.get("disabled")) != account.disabled:
        commands.append(_of("disableClient" if account.disabled else "enableClient", account.username))
    if client.get("clientid") != account.device_id:
        commands.append({**_of("setClientId", account.username), "clientid": account.device_id})
    role = _role(account.device_id)
    if role not in _roles(client):
        commands.append({**_of("addClientRole", account.username), "rolename": role})
    return commands


def _make_role(device_id: str, prefixes: Sequence[str]) -> Command:
    topics = [f"{device_topics(device_id, prefix)}#" for prefix in prefixes]
    rights = [(right, topic) for topic in topics for right in _RIGHTS]
    acls = [{"acltype": right, "topic": topic, "priority": 0, "allow": True} for right, topic in rights]
    return {"command": "createRole", "rolename": _role(device_id), "acls": acls}


def _roles(client: Command) -> set[str]:
    return {each["rolename"] for each in client.get("roles", ())}


def _right(acl: Command) -> tuple[Any, ...]:
    return acl.get("acltype"), acl.get("topic"), acl.get("allow")


def _role(device_id: str) -> str:
    return f"{_ROLE}{device_id}"


def _of(command: str, username: str) -> Command:
    return {"command": command, "username": username}
