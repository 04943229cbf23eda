"""deploy/healthy.py as Docker runs it: exit codes, and the reason that `docker inspect` shows."""

import asyncio
import os
import subprocess
import sys

import pytest
from aiohttp import web

from tests.rules.tree import ROOT


def asked(url: str) -> tuple[int, str]:
    command = [sys.executable, "-I", str(ROOT / "deploy" / "healthy.py")]
    environment = {**os.environ, "HEALTH_URL": url}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stderr


async def test_it_says_what_is_down() -> None:
    """200 is healthy; of a 503 each dependency that is not ok is named; of what is no JSON, the status."""
    board = {"ready": False, "dependencies": {"broker": {"state": "down", "detail": "refused"}, "x": {"state": "ok"}}}
    app = web.Application()

    async def well(_: web.Request) -> web.Response:
        return web.json_response({})

    async def unwell(_: web.Request) -> web.Response:
        return web.json_response(board, status=503)

    app.router.add_get("/ok", well)
    app.router.add_get("/readyz", unwell)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        assert await asyncio.to_thread(asked, f"{url}/ok") == (0, "")
        assert await asyncio.to_thread(asked, f"{url}/readyz") == (1, "broker: down refused\n")
        assert await asyncio.to_thread(asked, f"{url}/page") == (1, f"{url}/page answers 404\n")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://127.0.0.1:1/readyz"])
def test_nobody_there_is_unhealthy(url: str) -> None:
    """And so is a URL that is none."""
    code, said = asked(url)
    assert code == 1
    assert said
