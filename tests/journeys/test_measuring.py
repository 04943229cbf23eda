"""`telemetrio simulate` and `telemetrio bench up` run as a user runs them, in small."""

import subprocess
import sys

import pytest
from rich.console import Console

from telemetrio.account import Account
from telemetrio.bench import bench_up, usage
from telemetrio.bench_end import bench_end
from telemetrio.bench_ingest import Plan, bench_curve, bench_ingest
from tests.peers.system import System


def test_simulate_reports_nothing_lost(shared_system: System) -> None:
    """A second of 200 messages with some bad ones: all acknowledged, good ones stored once, exit code 0."""
    command = [sys.executable, "-m", "telemetrio", "simulate", "--devices", "20", "--rate", "200", "--seconds", "1"]
    command += ["--bad", "5%", "--mqtt-port", str(shared_system.mqtt_port)]
    command += ["--port", shared_system.http.rpartition(":")[2]]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    rows = {words[0]: words[1] for line in ended.stdout.splitlines() if len(words := line.split()) > 1}
    assert (rows["sent"], rows["acknowledged"]) == ("200", "200")
    assert (rows["lost"], rows["doubled"]) == ("0", "0")
    assert int(rows["stored"]) > 150


def test_simulate_without_a_server_says_what_to_start() -> None:
    """One sentence and an exit code, no traceback."""
    command = [sys.executable, "-m", "telemetrio", "simulate", "--port", "9", "--mqtt-port", "9", "--seconds", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "telemetrio up" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_bench_up_measures_and_cleans_up_after_itself() -> None:
    """A small run gives every figure, and leaves no process behind."""
    figures = await bench_up(messages=2_000, connections=5, seconds=1.0, console=Console(quiet=True))
    shown = {figure.name: figure.value for figure in figures}
    assert {"time to ready", "idle memory", "CPU at 1,000 msg/s", "most messages a second", "time to stop"} <= set(
        shown
    )
    assert "exit code 0" in shown["time to stop"]


async def test_bench_end_measures_from_device_to_browser() -> None:
    """Every reading arrives, and none before it was sent."""
    (figure,) = await bench_end([50], 1.0, Console(quiet=True))
    p50, p99, worst = (float(words.split()[1]) for words in figure.value.split(", ")[:3])
    assert 0 < p50 <= p99 <= worst + 1


def test_usage_is_the_operating_systems_own_account(shared_system: System) -> None:
    """CPU and memory of another process, as /proc has them."""
    seen = usage(shared_system.pid)
    assert seen.cpu_s > 0
    assert 20 < seen.resident_mb <= seen.peak_mb < 1_000


@pytest.mark.peer("mosquitto")
@pytest.mark.parametrize(
    "store",
    [pytest.param("sqlite", marks=pytest.mark.long), pytest.param("influxdb", marks=pytest.mark.peer("influxd"))],
)
async def test_bench_ingest_measures_a_worker_between_real_servers(store: str) -> None:
    """A small run: every message is stored before it ends, and the figures are there."""
    measured = await bench_ingest(Plan(2_000, devices=50, connections=5, store=store), Console(quiet=True))
    shown = {figure.name.strip(): figure.value for figure in measured.figures}
    assert float(shown["ingest CPU per message"].split()[0]) > 0
    assert {f"of the CPU: {stage}" for stage in ("receive", "judge", "commit", "write", "everything else")} <= set(
        shown
    )
    assert 0 < measured.account.commits <= measured.account.transactions
    assert measured.account.writes > 0
    assert sum(measured.account.cpu_s.values()) <= measured.cpu_s + 0.02  # the operating system counts in ticks


@pytest.mark.long
@pytest.mark.peer("mosquitto")
async def test_the_curve_is_one_run_for_each_number_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each on servers of its own, each told with its number."""
    monkeypatch.setattr("telemetrio.bench_ingest._CURVE", (10, 20))
    figures = await bench_curve(Plan(1_000, devices=0, connections=5, store="sqlite"), Console(quiet=True))
    assert [figure.name for figure in figures] == ["10 devices", "20 devices"]


def test_an_account_is_the_difference_of_two() -> None:
    """What a stage had spent before a run isn't part of it."""
    before = Account({"judge": 1.0}, commits=2, transactions=3, writes=4)
    after = Account({"judge": 1.5, "write": 2.0}, commits=12, transactions=23, writes=34)
    assert after.since(before) == Account({"judge": 0.5, "write": 2.0}, commits=10, transactions=20, writes=30)
