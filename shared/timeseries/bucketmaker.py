"""Makes the buckets that are missing, with an operator's token, and sets how long they keep readings."""

from typing import Any, Final

from shared.timeseries.influx import TIMEOUT_S, ask
from shared.timeseries.influxhttp import Answer, InfluxHttp, Target, outage
from shared.timeseries.influxql import Statement, quoted
from shared.timeseries.store import Unavailable

_DAY_S: Final = 86_400
_BUCKETS: Final = "/api/v2/buckets"
_CONFLICT: Final = 422


class BucketMaker:
    """`target`: with the operator's token. `retention_days` 0: whatever a bucket says, it keeps.

    1.x has databases; 3.x makes one with the first write to it, and has its own ways to forget.
    """

    def __init__(self, target: Target, retention_days: int, timeout_s: float = TIMEOUT_S) -> None:
        self._org = target.org
        self._days = retention_days
        self._http = InfluxHttp(target, timeout_s)
        self._ruled: set[str] = set()

    async def ensure(self, name: str) -> None:
        """Return when the bucket is there, however often it is called; raises Unavailable."""
        major, _ = await self._http.version() or (2, 0)
        if major == 1:
            await self._ensure_database(name)
        elif major == 2:
            await self._ensure_bucket(name)

    async def close(self) -> None:
        await self._http.close()

    async def _ensure_database(self, name: str) -> None:
        await ask(self._http, "", Statement(f"CREATE DATABASE {quoted(name)}", {}))
        if self._days and name not in self._ruled:  # each time it would be written to its disk
            await ask(self._http, "", Statement(retention(name, self._days), {}))
            self._ruled.add(name)

    async def _ensure_bucket(self, name: str) -> None:
        answer, said = await self._http.manage("GET", "/api/v2/orgs", {"org": self._org})
        org_id = _first(_checked(answer, said), "orgs").get("id", "")
        answer, said = await self._http.manage("GET", _BUCKETS, {"orgID": org_id, "name": name})
        known = {} if answer.status == 404 else _first(_checked(answer, said), "buckets")
        rules = [{"type": "expire", "everySeconds": self._days * _DAY_S}] if self._days else []
        if not known:
            made = {"orgID": org_id, "name": name, "retentionRules": rules}
            answer, said = await self._http.manage("POST", _BUCKETS, {}, made)
            if answer.status != _CONFLICT:  # somebody else has made it meanwhile
                _checked(answer, said)
        elif rules and [rule.get("everySeconds") for rule in known.get("retentionRules", ())] != [self._days * _DAY_S]:
            _checked(*await self._http.manage("PATCH", f"{_BUCKETS}/{known['id']}", {}, {"retentionRules": rules}))


def retention(database: str, days: int) -> str:
    """The statement of 1.x; its shards are as long as it would choose itself for so many days."""
    shard = "1h" if days < 2 else "1d" if days <= 180 else "7d"
    return f'ALTER RETENTION POLICY "autogen" ON {quoted(database)} DURATION {days:d}d SHARD DURATION {shard}'


def _checked(answer: Answer, said: Any) -> Any:
    if answer.status not in (200, 201):
        raise outage(answer)
    return said


def _first(said: Any, name: str) -> dict[str, Any]:
    """The first of a list in an answer, or nothing."""
    listed = said.get(name) if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise Unavailable("something else than InfluxDB answers at its URL")
    return listed[0] if listed and isinstance(listed[0], dict) else {}
