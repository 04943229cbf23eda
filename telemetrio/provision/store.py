"""An InfluxDB ready for the services: set up once, with its bucket, a token that only writes and one that only reads.

On 2.x InfluxDB itself makes the tokens, so that they are kept where the services read them; on 1.x a token is a user
and a password, and the password is kept there.
"""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Any, Final, NamedTuple

from shared.process import ExitCode, Refusal
from shared.timeseries.bucketmaker import BucketMaker
from shared.timeseries.influx import ask
from shared.timeseries.influxhttp import Answer, InfluxHttp, Target, outage
from shared.timeseries.influxql import Statement, quoted
from shared.timeseries.store import Denied, StoreError, Unavailable

_ADMIN: Final = "admin"
_TIMEOUT_S: Final = 15.0
_LOOK_EVERY_S: Final = 0.5
_AUTHORIZATIONS: Final = "/api/v2/authorizations"
# what each may do, and what it is called at InfluxDB
_USERS: Final = {"write": "telemetrio_ingest", "read": "telemetrio_reader"}


class Wanted(NamedTuple):
    """`tokens`: the folder in which `write/token` and `read/token` are kept. `retention_days` 0: as the bucket says."""

    url: str
    org: str
    bucket: str
    retention_days: int
    admin_password: str
    admin_token: str
    tokens: Path
    within_s: float = 120.0

    def target(self, token: str) -> Target:
        return Target(self.url, token, self.org, self.bucket)


def provision(wanted: Wanted) -> str:
    """Return what was done, in a few words; raises Refusal, with the server's words, where it can't be done."""
    try:
        return asyncio.run(_provision(wanted))
    except (StoreError, TimeoutError, OSError) as error:
        raise Refusal(f"{wanted.url}: {str(error) or 'no answer in time'}", ExitCode.DIED) from error


async def _provision(wanted: Wanted) -> str:
    anybody = InfluxHttp(wanted.target(""), _TIMEOUT_S)
    try:
        async with asyncio.timeout(wanted.within_s):
            version = await _version(anybody)
            if version[0] > 2:
                message = f"InfluxDB {version[0]} makes its tokens by its own command: see docs/operations.md"
                raise Refusal(message, ExitCode.WRONG_SETTINGS)
            await (_users if version[0] == 1 else _tokens)(wanted, anybody)
    finally:
        await anybody.close()
    return f"InfluxDB {version[0]}.{version[1]} has {wanted.bucket}, a token that writes and one that reads"


async def _version(http: InfluxHttp) -> tuple[int, int]:
    """As soon as it answers."""
    while True:
        try:
            return await http.version() or (2, 0)
        except Unavailable:
            await asyncio.sleep(_LOOK_EVERY_S)


async def _users(wanted: Wanted, anybody: InfluxHttp) -> None:
    """On 1.x: an admin, the database, a user who writes and one who reads."""
    token = f"{_ADMIN}:{wanted.admin_password}"
    admin = InfluxHttp(wanted.target(token), _TIMEOUT_S)
    try:
        try:
            await ask(admin, "", Statement("SHOW DATABASES", {}))
        except Denied:  # there is nobody yet: then anybody may make the first one, who must be an admin
            password = _literal(wanted.admin_password)
            made = f"CREATE USER {quoted(_ADMIN)} WITH PASSWORD {password} WITH ALL PRIVILEGES"
            await ask(anybody, "", Statement(made, {}))
        await _ensure_bucket(wanted, token)
        listed = await ask(admin, "", Statement("SHOW USERS", {}))
        known = {row[0] for each in listed for row in each.get("values", ())}
        for right, name in _USERS.items():
            kept = _kept(wanted.tokens / right) or f"{name}:{secrets.token_urlsafe(32)}"
            password = _literal(kept.partition(":")[2])
            made = f"CREATE USER {quoted(name)} WITH PASSWORD {password}"
            changed = f"SET PASSWORD FOR {quoted(name)} = {password}"
            granted = f"GRANT {right.upper()} ON {quoted(wanted.bucket)} TO {quoted(name)}"
            for statement in (changed if name in known else made, granted):
                await ask(admin, "", Statement(statement, {}))
            _keep(wanted.tokens / right, kept)
    finally:
        await admin.close()


async def _tokens(wanted: Wanted, anybody: InfluxHttp) -> None:
    """On 2.x: set up if it never was, then the bucket, and a token of each kind."""
    answer, said = await anybody.manage("GET", "/api/v2/setup", {})
    if _checked(answer, said).get("allowed"):
        first = {"username": _ADMIN, "password": wanted.admin_password, "token": wanted.admin_token}
        first |= {"org": wanted.org, "bucket": wanted.bucket}
        _checked(*await anybody.manage("POST", "/api/v2/setup", {}, first))
    await _ensure_bucket(wanted, wanted.admin_token)
    admin = InfluxHttp(wanted.target(wanted.admin_token), _TIMEOUT_S)
    try:
        for right in _USERS:
            await _ensure_token(wanted, admin, right)
    finally:
        await admin.close()


async def _ensure_token(wanted: Wanted, admin: InfluxHttp, right: str) -> None:
    """The one that is kept, if InfluxDB knows one of its name; else a new one, and older ones end."""
    asked = await admin.manage("GET", _AUTHORIZATIONS, {"org": wanted.org})
    ours = [one for one in _checked(*asked).get("authorizations", []) if one.get("description") == _USERS[right]]
    active = [one for one in ours if one.get("status") == "active"]
    folder = wanted.tokens / right
    if _kept(folder) and active:
        return
    for one in active:
        _checked(*await admin.manage("PATCH", f"{_AUTHORIZATIONS}/{one['id']}", {}, {"status": "inactive"}))
    bucket = _checked(*await admin.manage("GET", "/api/v2/buckets", {"org": wanted.org, "name": wanted.bucket}))
    (found,) = bucket["buckets"]
    resource = {"type": "buckets", "id": found["id"], "orgID": found["orgID"]}
    new = {"orgID": found["orgID"], "description": _USERS[right]}
    permissions = [{"action": right, "resource": resource}]
    made = _checked(*await admin.manage("POST", _AUTHORIZATIONS, {}, {**new, "permissions": permissions}))
    _keep(folder, made["token"])


async def _ensure_bucket(wanted: Wanted, token: str) -> None:
    maker = BucketMaker(wanted.target(token), wanted.retention_days)
    try:
        await maker.ensure(wanted.bucket)
    finally:
        await maker.close()


def _checked(answer: Answer, said: Any) -> dict[str, Any]:
    if answer.status not in (200, 201) or not isinstance(said, dict):
        raise outage(answer)
    return said


def _kept(folder: Path) -> str:
    file = folder / "token"
    return file.read_text().strip() if file.exists() else ""


def _keep(folder: Path, token: str) -> None:
    """Whole, or not at all; its owner's alone."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / "token.new"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as new:
        new.write(token)
        new.flush()
        os.fsync(new.fileno())
    fresh.replace(folder / "token")


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
