"""deploy/setup as an operator runs it."""

import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.tree import ROOT

pytestmark = pytest.mark.peer("openssl")


def run(folder: Path, *words: str, expected: int = 0) -> str:
    """What it said."""
    environment = {**os.environ, "TELEMETRIO_DEPLOY_DIR": str(folder)}
    command = [sys.executable, str(ROOT / "deploy" / "setup"), *words]
    ran = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert ran.returncode == expected, ran.stderr
    return ran.stdout + ran.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def settings(folder: Path) -> dict[str, str]:
    lines = (folder / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_it_makes_everything_once(tmp_path: Path) -> None:
    """Secrets all different, certificates that a client accepts; the second run changes not one byte."""
    run(tmp_path, "Telemetry.Example.org")
    first = contents(tmp_path)
    made = {name: text for name, text in first.items() if name.endswith((".password", ".token", "secret.key"))}
    assert len(made) == len(set(made.values())) == 9
    assert all(len(text) >= 48 for text in made.values())
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets" / "ca.key").stat().st_mode) == 0o600
    assert not any(text in first[".env"] for text in made.values())
    assert settings(tmp_path) == {
        "PUBLIC_NAME": "telemetry.example.org",
        "PUBLIC_ORIGIN": "https://telemetry.example.org",
        "HTTPS_PORT": "443",
        "TRUSTED_HOPS": "1",
        "ALLOWED_HOSTS": "telemetry.example.org",
        "CORS_ORIGINS": "",
    }
    run(tmp_path)
    assert contents(tmp_path) == first


@pytest.mark.parametrize("said", ["OpenSSL 1.1.1w  11 Sep 2023", "LibreSSL 3.3.6", ""])
def test_an_older_openssl_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """It can't sign by -CA: one sentence with what it is, exit code 5, and no half of a certificate."""
    old = tmp_path / "openssl"
    old.write_text(f"#!/bin/sh\necho '{said}'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    told = run(tmp_path, "telemetry.example.org", expected=5)
    assert told.count("\n") == 1
    assert "OpenSSL 3 or newer" in told
    assert said.split("  ", maxsplit=1)[0] in told
    assert not list((tmp_path / "secrets").glob("*.pem*"))


def test_it_changes_what_it_is_told_to_and_nothing_else(tmp_path: Path) -> None:
    """Another name or port, one secret anew; lines of the operator's own stay."""
    run(tmp_path, "one.example.org")
    with (tmp_path / ".env").open("a") as file:
        file.write("# ours\nSTORE_IMAGE=mirror/influxdb:2.7\n")
    before = contents(tmp_path)
    run(tmp_path, "two.example.org", "--https-port", "8443", "--behind", "1", "--new", "broker-ingest.password")
    after = contents(tmp_path)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {".env", "secrets/server.pem", "secrets/server.key", "secrets/broker-ingest.password"}
    told = settings(tmp_path)
    assert (told["PUBLIC_ORIGIN"], told["TRUSTED_HOPS"]) == ("https://two.example.org:8443", "2")
    assert (told["ALLOWED_HOSTS"], told["STORE_IMAGE"]) == ("two.example.org", "mirror/influxdb:2.7")


def test_a_certificate_of_the_operators_own_is_left_alone(tmp_path: Path) -> None:
    """Also when the name changes: only who asks for `--new server.pem` gets ours."""
    run(tmp_path, "one.example.org")
    (tmp_path / "secrets" / "server.pem").write_text("their own\n")
    run(tmp_path, "two.example.org")
    assert (tmp_path / "secrets" / "server.pem").read_text() == "their own\n"
    run(tmp_path, "--new", "server.pem")
    context = ssl.create_default_context(cafile=tmp_path / "secrets" / "ca.pem")
    context.load_cert_chain(tmp_path / "secrets" / "server.pem", tmp_path / "secrets" / "server.key")


@pytest.mark.parametrize("file", ["server.pem", "server.key"])
def test_half_of_a_certificate_of_the_operators_own_is_not_replaced(tmp_path: Path, file: str) -> None:
    """Who has put but one of the two there is told of the other, and keeps it."""
    own = tmp_path / "secrets" / file
    own.parent.mkdir()
    own.write_text("their own\n")
    assert "without the other half" in run(tmp_path, "one.example.org", expected=2)
    assert own.read_text() == "their own\n"
    run(tmp_path, "one.example.org", "--new", "server.pem")
    assert own.read_text() != "their own\n"


@pytest.mark.parametrize(("port", "expected"), [("", 0), ("8443", 0), ("127.0.0.1:8443", 2), ("0", 2)])
def test_a_port_that_is_none_is_told_with_its_mend(tmp_path: Path, port: str, expected: int) -> None:
    """What compose takes for HTTPS_PORT need not be a number; the address of the web is made of one."""
    run(tmp_path, "one.example.org")
    with (tmp_path / ".env").open("a") as file:
        file.write(f"HTTPS_PORT={port}\n")
    said = run(tmp_path, expected=expected)
    assert expected == 0 or f"HTTPS_PORT={port} in .env is no port" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say by which name"),
        (("https://example.org",), "without https://"),
        (("example.org:443",), "no host name"),
        (("example.org", "--new", "secret"), "there is no such secret"),
    ],
)
def test_what_it_is_told_wrong_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """One sentence with the mend, exit code 2, and nothing is made."""
    assert said in run(tmp_path, *words, expected=2)
    assert contents(tmp_path) == {}
