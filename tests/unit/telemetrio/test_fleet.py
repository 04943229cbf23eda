"""What simulated and demo devices say is what real ones may say."""

import itertools
import random
import time
from io import StringIO

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from shared.payloads import Window, judge
from shared.process import Refusal
from shared.profiles import ENVIRONMENT
from telemetrio.demo import DEVICES, reading
from telemetrio.fleet import Fleet, Report, samples
from telemetrio.simulate import Target, show, simulate

EVER = Window(None, None)


def test_samples_go_round_the_fleet_with_times_of_their_own() -> None:
    """No two samples of a device share a time, and each is accepted by the judge."""
    some = list(itertools.islice(samples(Fleet(devices=7, rate=1, seconds=1, bad=0), seed=1), 700))
    assert len({sample.device_id for sample in some}) == 7
    assert len({(sample.device_id, sample.ts_ns) for sample in some}) == 700
    for sample in some:
        verdict = judge(sample.payload, ENVIRONMENT, sample.device_id, time.time_ns(), EVER)
        assert [accepted.ts_ns for accepted in verdict.accepted] == [sample.ts_ns]


def test_bad_samples_are_refused_whole() -> None:
    """Each kind of bad message is one dead letter: the report counts on it."""
    bad = [s for s in itertools.islice(samples(Fleet(3, 1, 1, bad=0.5), seed=2), 400) if s.ts_ns is None]
    assert 100 < len(bad) < 300
    for sample in bad:
        verdict = judge(sample.payload, ENVIRONMENT, sample.device_id, time.time_ns(), EVER)
        assert (len(verdict.accepted), len(verdict.refused)) == (0, 1)


def test_a_report_with_a_loss_is_not_clean_and_says_so() -> None:
    """Lost or doubled messages can't be overlooked."""
    report = Report(sent=10, stored=9, lost=1, latencies_s=[0.001] * 10, seconds=1.0)
    assert not report.clean
    console = Console(record=True, width=100, file=None)
    with console.capture() as shown:
        show(report, console)
    assert "lost" in shown.get()
    assert Report(sent=10, stored=10).clean


def test_demo_devices_stay_within_a_plausible_climate() -> None:
    """Temperature, humidity and pressure, for a whole day of each device."""
    noise = random.Random(3)
    for device in DEVICES:
        for second in range(0, 86_400, 600):
            values = reading(device, float(second), noise)
            assert orjson.loads(orjson.dumps(values)) == values
            assert -20 < values["temperature"] < 60
            assert 0 <= values["humidity"] <= 100
            assert 950 < values["pressure"] < 1080


@pytest.mark.parametrize("status", [401, 404, 503])
async def test_a_system_that_does_not_let_it_look_is_refused_in_a_sentence(status: int) -> None:
    """Before anything is sent: one where a login is needed, and something else on that port."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({}, status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        assert server.port
        with pytest.raises(Refusal, match=str(status)):
            await simulate(Fleet(1, 1, 1, 0), Target(1, server.port), Console(file=StringIO()))
