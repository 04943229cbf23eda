"""The operator's commands, on a database of their own."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.api.accounts.tokens import hash_of_key
from shared.process import ExitCode, Refusal
from telemetrio import operator
from telemetrio.__main__ import cli

PASSWORD = "a sentence of ours"  # noqa: S105


def run(folder: Path, *words: str, typed: str = "") -> str:
    done = CliRunner().invoke(cli, [*words, "--data-dir", str(folder)], input=typed)
    if done.exception is not None:
        raise done.exception
    assert done.exit_code == 0
    return done.output


def rows(folder: Path, statement: str) -> Sequence[Any]:
    with closing(sqlite3.connect(folder / "telemetrio.db")) as database:
        return database.execute(statement).fetchall()


def test_a_user_is_added_with_a_password_from_a_pipe(tmp_path: Path) -> None:
    """The local admin is the first all the same; what was done is in the audit log, the password nowhere."""
    assert run(tmp_path, "user", "add", "Ann@Example.org", "--admin", typed=f"{PASSWORD}\n") == "user 2\n"
    assert run(tmp_path, "user", "add", "bob@example.org", "--name", "Bob", typed=PASSWORD) == "user 3\n"
    found = rows(tmp_path, "SELECT id, name, email, role, must_change FROM users")
    assert found == [
        (1, "admin", None, "admin", 0),
        (2, "ann", "ann@example.org", "admin", 0),
        (3, "Bob", "bob@example.org", "user", 0),
    ]
    events = rows(tmp_path, "SELECT event, subject, address FROM audit")
    assert events == [("user_added", f"{name}@example.org", "command line") for name in ("ann", "bob")]
    assert PASSWORD.encode() not in (tmp_path / "telemetrio.db").read_bytes()


def test_another_password(tmp_path: Path) -> None:
    """Every session of the user ends."""
    run(tmp_path, "user", "add", "ann@example.org", typed=PASSWORD)
    before = rows(tmp_path, "SELECT password_hash FROM users WHERE id = 2")
    run(tmp_path, "user", "password", "ANN@example.org", typed="another sentence\n")
    assert rows(tmp_path, "SELECT password_hash FROM users WHERE id = 2") != before


def test_a_key_is_printed_once(tmp_path: Path) -> None:
    """By itself on standard output, for scripts; only its hash is kept."""
    run(tmp_path, "user", "add", "ann@example.org", typed=PASSWORD)
    words = ("key", "add", "ann@example.org", "--name", "grafana", "--scope", "live", "--scope", "read", "--days", "30")
    key = run(tmp_path, *words).strip()
    found = rows(tmp_path, "SELECT user_id, name, hash, scopes, expires_ns - created_ns FROM api_keys")
    assert found == [(2, "grafana", hash_of_key(key), "read live", 30 * 86_400 * 10**9)]


def test_a_database_is_made_and_made_again(tmp_path: Path) -> None:
    """As often as one likes."""
    for _ in range(2):
        run(tmp_path, "db", "upgrade")
    assert rows(tmp_path, "SELECT count(*) FROM alembic_version") == [(1,)]


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (("user", "add", "nobody"), PASSWORD, "no address"),
        (("user", "add", "ann@example.org"), "short", "at least 10"),
        (("user", "add", "ann@example.org"), "", "at least 10"),
        (("user", "password", "nobody@example.org"), PASSWORD, "there is no user"),
        (("user", "password", "nobody"), PASSWORD, "no address"),
        (("key", "add", "nobody@example.org", "--name", "k", "--scope", "read"), "", "there is no user"),
        (("key", "add", "nobody@example.org", "--name", "", "--scope", "read"), "", "Name is required"),
    ],
)
def test_what_somebody_must_mend_is_one_sentence(tmp_path: Path, words: tuple[str, ...], typed: str, said: str) -> None:
    """And exit code 2."""
    with pytest.raises(Refusal, match=said) as caught:
        run(tmp_path, *words, typed=typed)
    assert caught.value.code == ExitCode.WRONG_SETTINGS


def test_an_address_is_taken_once(tmp_path: Path) -> None:
    """In whatever spelling."""
    run(tmp_path, "user", "add", "ann@example.org", typed=PASSWORD)
    with pytest.raises(Refusal, match="there is a user with the address ann@"):
        run(tmp_path, "user", "add", "Ann@example.org", typed=PASSWORD)


def test_a_database_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by its setting, without a traceback."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u@/d?host={tmp_path}")
    with pytest.raises(Refusal, match="TELEMETRIO_DATABASE_URL"):
        run(tmp_path, "db", "upgrade")


def test_a_password_is_typed_twice_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unseen; never an argument, which every other user of the machine could read."""
    asked: list[dict[str, Any]] = []

    def prompt(_text: str, **given: Any) -> str:
        asked.append(given)
        return PASSWORD

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", prompt)
    assert operator.ask_password() == PASSWORD
    assert asked == [{"hide_input": True, "confirmation_prompt": True}]
