"""What a supervisor reads of a process: alive, ready or why not, and pages of its own."""

from typing import Any

import orjson
import pytest

from shared.health import Health
from shared.healthpages import HealthPages


async def ask(health: Health, path: str, client: str = "127.0.0.1") -> tuple[int, Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing of a body is read")

    await HealthPages(health, metrics, {"/books": lambda: {"received": 3}})(
        {"type": "http", "path": path, "client": (client, 1)}, receive, send
    )
    return sent[0]["status"], orjson.loads(sent[1]["body"])


async def metrics(_scope: Any, _receive: Any, send: Any) -> None:
    """The page that shared.metrics makes."""
    await send({"status": 200})
    await send({"body": b'"metrics"'})


async def test_it_is_alive_while_the_loop_turns() -> None:
    """Whatever else is the matter: restarting it would help nobody."""
    health = Health()
    health.report("broker", "down", "refused")
    assert await ask(health, "/healthz") == (200, {"status": "alive"})


@pytest.mark.parametrize(("needed", "status"), [(True, 503), (False, 200)])
async def test_it_is_ready_unless_something_needed_is_down(*, needed: bool, status: int) -> None:
    """Each dependency is told by name, with its state, since when, and why."""
    health = Health()
    health.report("store", "down", "connection refused", needed=needed)
    answered, told = await ask(health, "/readyz")
    assert (answered, told["ready"]) == (status, not needed)
    store = told["dependencies"]["store"]
    assert (store["state"], store["detail"], store["needed"]) == ("down", "connection refused", needed)
    assert store["since"].endswith("Z")


async def test_why_it_is_not_ready_is_told_on_the_same_machine_alone() -> None:
    """What a driver says names hosts and users; from elsewhere the state is enough."""
    health = Health()
    health.report("store", "down", "connection to db.internal refused")
    _, told = await ask(health, "/readyz", "192.0.2.1")
    assert (told["dependencies"]["store"]["state"], told["dependencies"]["store"]["detail"]) == ("down", "")


async def test_a_page_of_its_own_is_read_when_it_is_asked_for() -> None:
    """As ingest's books are."""
    assert await ask(Health(), "/books") == (200, {"received": 3})


async def test_metrics_are_asked_for_by_their_own_path() -> None:
    """They are text, and made elsewhere."""
    assert await ask(Health(), "/metrics") == (200, "metrics")


async def test_another_path_says_which_there_are() -> None:
    """In the shape of every error."""
    status, told = await ask(Health(), "/metrics-to-be")
    assert (status, told["code"]) == (404, "not_found")
    assert told["message"] == "There is /healthz, /readyz, /books and /metrics"


async def test_the_lifespan_is_answered() -> None:
    """Hypercorn waits for it."""
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(asked)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await HealthPages(Health(), metrics)({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
