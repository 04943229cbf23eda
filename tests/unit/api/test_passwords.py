"""Passwords and tokens without a database: hashing off the loop with a cap, and what is no token."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from services.api.accounts import passwords, tokens
from services.api.accounts.passwords import Passwords, flaw, one_time_password
from services.api.accounts.schemas import email_key
from services.api.accounts.tokens import Refresh, Session
from services.api.caller import Caller
from services.api.door import make_door
from services.api.errors import Away, TooMany
from services.api.settings import ApiSettings
from shared.signed import BadToken, sign

SECRET = "s" * 40


async def test_a_hash_knows_its_password() -> None:
    """Argon2id, in whatever spelling a keyboard sends; another password, or a broken hash, is just wrong."""
    desk = Passwords()
    known = await desk.hash("Müller und Söhne")
    assert known.startswith("$argon2id$")
    assert await desk.verify(known, "Mu\u0308ller und So\u0308hne")
    for hashed, password in ((known, "Muller und Sohne"), ("no hash", "Müller und Söhne"), (None, "")):
        assert not await desk.verify(hashed, password)


async def test_an_old_hash_is_stale() -> None:
    """Made with weaker figures than today's."""
    desk = Passwords()
    assert desk.stale(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))
    assert not desk.stale(await desk.hash("x"))


async def test_no_more_at_once_than_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads work, three wait, and the sixth is sent away; the loop goes on meanwhile."""
    release, inside, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def slow(_known: str, _password: str) -> bool:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        release.wait(10)
        with lock:
            inside -= 1
        return True

    monkeypatch.setattr(passwords, "_matches", slow)
    desk = Passwords(at_once=2, waiting=3)
    asked = [asyncio.create_task(desk.verify("x", "y")) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Away) as refused:
        await desk.verify("x", "y")
    assert refused.value.headers == {"Retry-After": "5"}
    asked.pop().cancel()
    await asyncio.sleep(0)
    asked.append(asyncio.create_task(desk.verify("x", "y")))  # who gave up has left room
    release.set()
    assert await asyncio.gather(*asked) == [True] * 5
    assert most <= 2


@pytest.mark.parametrize("names", [("ann@example.org", "ann"), ("", "")])
def test_a_good_password(names: tuple[str, str]) -> None:
    """Ten characters, and not one of those that everybody tries."""
    assert flaw("four words of mine", *names) is None


def test_a_name_is_no_password() -> None:
    """Nor with a year behind it."""
    assert flaw("ann.smith@example.org", "ann.smith@example.org")
    assert flaw("Annabelle.Smith2026!", "annabelle.smith")


def test_a_one_time_password_is_a_good_one() -> None:
    """And another each time."""
    made = {one_time_password() for _ in range(20)}
    assert len(made) == 20
    assert all(flaw(each) is None for each in made)


def test_refresh_tokens_are_computed() -> None:
    """The same one each time it is asked for; only ours can be read."""
    refresh = Refresh(tokens.new_session(), 3)
    made = tokens.refresh_token(SECRET, refresh)
    assert tokens.refresh_token(SECRET, refresh) == made
    assert tokens.read_refresh(SECRET, made) == refresh
    for wrong in (made.replace(".3.", ".4."), made + "x", made.upper(), "", "rt_", "rt_ü"):
        with pytest.raises(BadToken):
            tokens.read_refresh(SECRET, wrong)


@pytest.mark.parametrize(
    "told", [{"sub": "1"}, {"sub": "x", "sid": "s"}, {"sub": "1", "sid": 5}, {"sub": "²", "sid": "s"}]
)
def test_an_access_token_names_a_session_of_a_user(told: dict[str, object]) -> None:
    """Signed or not."""
    assert tokens.read_access(SECRET, tokens.access_token(SECRET, Session("s", 7), 1e9), 1e9) == Session("s", 7)
    with pytest.raises(BadToken):
        tokens.read_access(SECRET, sign(tokens.ACCESS, SECRET, told, 1e9), 1e9)


def test_no_two_access_tokens_are_alike() -> None:
    """Of one session and one second, too: a client takes what it gets in place of a refused one for another."""
    assert len({tokens.access_token(SECRET, Session("s", 7), 1e9) for _ in range(100)}) == 100


def test_a_key_is_256_bits_of_chance() -> None:
    """It can be recognised, and only its hash is kept."""
    key = tokens.new_key()
    assert key.startswith("tk_")
    assert len(key) == 46
    assert tokens.hash_of_key(key) != tokens.hash_of_key(tokens.new_key())


@pytest.mark.parametrize("text", ["", "ann", "@", "a@", "@b", "a b@c", "a@b c", "a@b@c", "a\u200b@b", "x" * 65 + "@b"])
def test_what_is_no_address(text: str) -> None:
    """It is never guessed what was meant."""
    with pytest.raises(ValueError, match="no address"):
        email_key(text)


def test_an_address_has_one_spelling() -> None:
    """Blanks around it and capitals don't make it another one."""
    assert email_key(" Ann@Example.ORG\n") == "ann@example.org"


def test_a_door_without_a_secret_makes_one() -> None:
    """Another one each time: nobody can know it."""
    settings = ApiSettings(_env_file=None)
    one, other = make_door(settings, ""), make_door(settings, "")
    assert one.open
    assert len({one.secret, other.secret, make_door(settings, SECRET).secret}) == 3


def test_who_may_wait_is_told_in_whole_seconds() -> None:
    """At least one."""
    assert [TooMany("", "", wait_s).headers["Retry-After"] for wait_s in (0.01, 1.2)] == ["1", "2"]


def test_a_login_has_every_scope() -> None:
    """A key only those that it was given."""
    assert Caller(1, "user").has("live")
    assert not Caller(1, "user", key=1, scopes=frozenset({"read"})).has("live")
