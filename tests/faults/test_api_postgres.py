"""PostgreSQL crashes and comes back under the requests of a `telemetrio api`: each is answered, none is half done."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.peers.api import ApiProcess
from tests.peers.postgres import Cluster
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("postgres"), pytest.mark.faults]


class Writers:
    """Each adds one item after the other, and remembers those of which it was told that they are there."""

    def __init__(self, api: ApiProcess, number: int = 4) -> None:
        self._api = api
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in range(number)]
        self.answers: Counter[tuple[int, str]] = Counter()
        self.added: list[str] = []
        self.tried: set[str] = set()
        self.without_time: list[Any] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, writer: int) -> None:
        number = 0
        while not self._stopping.wait(0.01):
            number += 1
            name = f"{writer}-{number}"
            self.tried.add(name)
            told = self._api.post("/api/v1/items", {"name": name})
            self.answers[told.status, told.json.get("code", "")] += 1
            if told.status == 201:
                self.added.append(name)
            elif "Retry-After" not in told.headers:
                self.without_time.append(told)

    def count(self, status: int) -> int:
        return sum(number for (answered, _), number in dict(self.answers).items() if answered == status)

    def has_more(self, status: int) -> None:
        """Wait until some more of these answers have come."""
        before = self.count(status)
        eventually(lambda: self.count(status) > before + 5, 30)


@pytest.fixture
def api(tmp_path: Path, cluster: Cluster) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path / "data", TELEMETRIO_DATABASE_URL=cluster.url) as running:
        running.ready()
        yield running


def test_a_crash_under_load_costs_an_error_and_no_row(api: ApiProcess, cluster: Cluster, *, faults_long: bool) -> None:
    """503 with when to come back, and nothing else; what was answered 201 is there, once; readiness tells both."""
    with Writers(api) as writers:
        for _ in range(3 if faults_long else 1):
            writers.has_more(201)
            cluster.stop()
            writers.has_more(503)
            eventually(lambda: api.ask("GET", "/readyz").status == 503, 30)
            assert api.ask("GET", "/healthz").status == 200
            cluster.start()
            writers.has_more(201)
            api.ready()
    assert set(writers.answers) == {(201, ""), (503, "database_unavailable")}
    assert writers.without_time == []
    names = [item["name"] for item in api.get("/api/v1/items")]
    assert len(names) == len(set(names))
    # one that was cut off while it was committed may be there, too: its client was told to look again
    assert set(writers.added) <= set(names) <= writers.tried
    assert len(set(names) - set(writers.added)) <= 8
