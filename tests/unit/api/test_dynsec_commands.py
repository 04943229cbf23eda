"""The difference between what Mosquitto's plug-in has and what the database says."""

from typing import Any

from services.api.dynsec.commands import Account, Found, admit, mend, ours

PREFIX = ["iot/devices"]


def held(*accounts: Account) -> Found:
    """As the plug-in lists them after they were admitted."""
    clients: dict[str, dict[str, Any]] = {}
    roles: dict[str, dict[str, Any]] = {}
    for account in accounts:
        role, _, client = admit(account, "secret", PREFIX)
        roles[role["rolename"]] = {name: role[name] for name in ("rolename", "acls")}
        clients[account.username] = {name: client[name] for name in ("username", "clientid", "roles")}
    return ours(list(clients.values()), roles.values())


def told(wanted: list[Account], found: Found) -> list[tuple[str, str]]:
    commands = mend(wanted, found, PREFIX).commands
    return [(command["command"], command.get("username") or command["rolename"]) for command in commands]


def test_an_account_is_one_devices_alone() -> None:
    """Its own client id, and a role with no other topic than its own; nothing is left of an earlier account."""
    role, delete, client = admit(Account("d1", "2026"), "secret", PREFIX)
    assert {acl["topic"] for acl in role["acls"]} == {"iot/devices/d1/#"}
    assert {acl["acltype"] for acl in role["acls"]} == {"publishClientSend", "publishClientReceive", "subscribePattern"}
    assert delete == {"command": "deleteClient", "username": "d1~2026"}
    assert (client["clientid"], client["password"], client["roles"]) == ("d1", "secret", [{"rolename": "device/d1"}])


def test_each_worker_may_have_a_prefix_of_its_own() -> None:
    """A device has its topics under all of them; a role of before is brought up to date once."""
    both, account = [*PREFIX, "iot/devices-2"], Account("d1", "a")
    assert {acl["topic"] for acl in admit(account, "secret", both)[0]["acls"]} == {
        "iot/devices/d1/#",
        "iot/devices-2/d1/#",
    }
    assert [command["command"] for command in mend([account], held(account), both).commands] == ["modifyRole"]


def test_what_is_right_is_left_alone() -> None:
    """No command, however often one looks."""
    accounts = [Account("d1", "a"), Account("d1", "b"), Account("d2", "a")]
    assert mend(accounts, held(*accounts), PREFIX) == ([], [])


def test_who_is_not_in_the_database_goes_first() -> None:
    """Revoked and deleted ones; their role only once nobody has it, because Mosquitto would crash."""
    found = held(Account("d1", "a"), Account("d1", "b"), Account("d2", "a"))
    wanted = [Account("d1", "b")]
    assert told(wanted, found) == [("deleteClient", "d1~a"), ("deleteClient", "d2~a")]
    of_somebody = {"username": "somebody", "roles": [{"rolename": "device/d2"}]}
    assert told(wanted, ours([found.clients["d1~b"], of_somebody], found.roles.values())) == []
    assert told(wanted, ours([found.clients["d1~b"]], found.roles.values())) == [("deleteRole", "device/d2")]


def test_a_device_is_disabled_and_enabled() -> None:
    """Once each: what is so already is not told again."""
    on, off = Account("d1", "a"), Account("d1", "a", disabled=True)
    found = held(on)
    assert told([off], found) == [("disableClient", "d1~a")]
    found.clients["d1~a"]["disabled"] = True
    assert told([off], found) == []
    assert told([on], found) == [("enableClient", "d1~a")]


def test_a_disabled_device_has_its_password_last() -> None:
    """From the first command on it is as it should be: nobody gets in without a password, nor into what is disabled."""
    commands = admit(Account("d1", "a", disabled=True), "secret", PREFIX)
    assert [command["command"] for command in commands[1:]] == [
        "deleteClient",
        "createClient",
        "disableClient",
        "setClientPassword",
    ]
    assert [command.get("password") for command in commands] == [None, None, None, None, "secret"]


def test_what_somebody_turned_by_hand_is_turned_back() -> None:
    """Another client id, a role with more rights, a role that was taken away."""
    account = Account("d1", "a")
    found = held(account)
    found.clients["d1~a"]["clientid"] = "d2"
    found.clients["d1~a"]["roles"] = []
    found.roles["device/d1"]["acls"].append({"acltype": "publishClientSend", "topic": "#", "allow": True})
    assert told([account], found) == [("modifyRole", "device/d1"), ("setClientId", "d1~a"), ("addClientRole", "d1~a")]
    assert told([account], Found(found.clients, {}))[0] == ("createRole", "device/d1")


def test_what_the_broker_lost_is_named() -> None:
    """Nobody knows its password any more, so that nothing can be told."""
    lost = Account("d1", "a")
    mending = mend([lost], Found({}, {}), PREFIX)
    assert mending.missing == [lost]
    assert [command["command"] for command in mending.commands] == ["createRole"]


def test_others_are_not_ours() -> None:
    """Accounts of services, people and other programs are neither counted nor touched."""
    clients = [{"username": "ingest"}, {"username": "d1"}, {"username": "d1~a"}]
    roles = [{"rolename": "admin"}, {"rolename": "devices"}, {"rolename": "device/d1"}]
    found = ours(clients, roles)
    assert (list(found.clients), list(found.roles)) == (["d1~a"], ["device/d1"])
