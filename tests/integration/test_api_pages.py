"""The dashboard and Swagger UI from files, under a strict policy; health, readiness, and the API's own description."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from services.api import pages
from services.api.openapi import description
from services.api.pages import POLICY
from tests.integration.api_rig import Api, opened


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


@pytest.fixture
def built(api: Api) -> Api:
    """With a dashboard in place."""
    for name in ("index.html", "favicon.svg", "assets/index-abc.js", "swagger/index.html", "swagger/init.js"):
        file = api.web_dir / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"this is {name}")
    (api.web_dir.parent / "secret.txt").write_text("secret")
    return api


@pytest.mark.parametrize(
    ("path", "file", "caching"),
    [
        ("/", "index.html", "no-cache"),
        ("/docs", "swagger/index.html", "no-cache"),
        ("/docs/", "swagger/index.html", "no-cache"),
        ("/swagger/init.js", "swagger/init.js", "no-cache"),
        ("/favicon.svg", "favicon.svg", "no-cache"),
        ("/assets/index-abc.js", "assets/index-abc.js", "public, max-age=31536000, immutable"),
    ],
)
async def test_files_of_the_dashboard(built: Api, path: str, file: str, caching: str) -> None:
    """What has a hash in its name is kept for ever, the rest is asked for again; all of it under the policy."""
    answer = await built.get(path)
    assert (answer.status, answer.body.decode()) == (200, f"this is {file}")
    assert answer.headers["Cache-Control"] == caching
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_that_is_unchanged_is_not_sent_again(built: Api) -> None:
    """304 for the same ETag."""
    first = await built.get("/")
    again = await built.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/secret.txt"])
async def test_nothing_outside_the_folder_is_served(built: Api, path: str) -> None:
    """However the way out is written."""
    answer = await built.get(path)
    assert answer.status == 404
    assert answer.body != b"secret"


@pytest.mark.parametrize("path", [f"/assets/{'x' * 300}", f"/{'x' * 300}.js", "/assets/" + "x/" * 3000])
async def test_a_name_that_no_file_can_have(built: Api, path: str) -> None:
    """404, as of any other file that is not there."""
    answer = await built.get(path)
    assert (answer.status, answer.json["code"]) == (404, "not_found")


async def test_a_file_that_can_not_be_read_is_no_outage_of_the_database(
    built: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500, so that nobody looks in the wrong place."""

    async def unreadable(*_args: object) -> NoReturn:
        raise PermissionError("index.html")

    monkeypatch.setattr(pages, "send_from_directory", unreadable)
    answer = await built.get("/")
    assert (answer.status, answer.json["code"]) == (500, "internal_error")


async def test_without_a_dashboard_there_is_a_friendly_page(api: Api) -> None:
    """It says what builds it, and where the data is until then."""
    for path in ("/", "/docs"):
        answer = await api.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
        assert b"scripts/run" in answer.body
    assert (await api.get("/assets/x.js")).json["code"] == "not_found"


def test_the_policy_lets_nothing_run_from_elsewhere() -> None:
    """No inline script, no other host, no frame."""
    assert "default-src 'self'" in POLICY
    assert "script-src" not in POLICY
    assert "unsafe-eval" not in POLICY
    assert "http" not in POLICY


async def test_about_tells_what_a_page_must_know_first(api: Api) -> None:
    """Version, that nobody must log in, and that there is no broker in this process."""
    about = {"version": "1.2.3", "auth": "open", "registration": False, "mqtt_port": None}
    assert (await api.get("/api/v1/about")).json == about


async def test_health_is_what_the_seed_had(api: Api) -> None:
    """Healthy, and which version."""
    assert (await api.get("/api/v1/health")).json == {"status": "healthy", "version": "1.2.3"}
    assert (await api.get("/healthz")).status == 200


async def test_readiness_names_every_dependency(api: Api) -> None:
    """503 while a needed one is down; one that is not needed is told, and no more."""
    api.health.report("database", "ok")
    api.health.report("store", "down", "connection refused", needed=False)
    ready = await api.get("/readyz")
    assert (ready.status, ready.json["ready"]) == (200, True)
    store = ready.json["dependencies"]["store"]
    assert (store["state"], store["detail"], store["needed"]) == ("down", "connection refused", False)
    assert store["since"].endswith("Z")
    api.health.report("database", "down", "gone")
    down = await api.get("/readyz")
    assert (down.status, down.json["ready"]) == (503, False)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for below in node.values():
            yield from references(below)
    elif isinstance(node, list):
        for below in node:
            yield from references(below)


async def test_the_description_is_complete(api: Api) -> None:
    """Every route but a broker's own, with a summary, its answers and its errors' shape; no reference leads nowhere."""
    described = (await api.get("/openapi.json")).json
    assert described["info"]["version"] == "1.2.3"
    rules = {rule.rule for rule in api.app.url_map.iter_rules() if rule.rule.startswith("/api/")}
    asked_by_brokers = {f"/api/v1/broker/{what}" for what in ("authenticate", "authorize")}
    assert len(described["paths"]) == len(rules - asked_by_brokers) + 2  # /healthz and /readyz
    operations = [one for path in described["paths"].values() for one in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["tags"]
        assert len(operation["responses"]) >= 2
        assert "application/json" in operation["responses"]["default"]["content"]
    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert set(references(described)) <= known


async def test_a_body_that_may_be_left_out_is_described_so(api: Api) -> None:
    """And no other: whoever sends none is told that it must be JSON."""
    described = (await api.get("/openapi.json")).json["paths"]
    checked = 0
    for path, operations in described.items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {"content": {}})
            if "application/json" in body["content"] and path != "/api/v1/auth/register":  # which is off
                answer = await api.ask(method.upper(), re.sub("{[^}]*}", "1", path))
                assert (answer.status == 415) == body["required"], path
                checked += 1
    assert checked > 20


async def test_the_description_is_made_once(api: Api) -> None:
    """It can't change while the process runs."""
    async with api.app.app_context():
        assert description() is description()


async def test_swagger_comes_from_here_alone(api: Api) -> None:
    """None of quart-schema's own pages, which load scripts from a CDN."""
    for path in ("/redocs", "/scalar"):
        assert (await api.get(path)).status == 404
