"""How often somebody may ask, by a clock of the test's own."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy.exc import OperationalError

from services.api.accounts import queries
from services.api.accounts.passwords import Passwords
from services.api.door import KEY
from services.api.errors import Away
from tests.integration.accounts_rig import ADMIN, ANN, AUTH, BOB, PASSWORD, required
from tests.integration.api_rig import opened


async def test_a_caller_who_asks_too_often_waits(tmp_path: Path) -> None:
    """429 with Retry-After, for this caller on this route alone; then it goes on."""
    async with required(tmp_path, requests_per_s=0.5, request_burst=3) as rig:
        ann, bob = await rig.token(ANN), await rig.token(BOB)
        key = await rig.key(ann, "read")
        answers = [await rig.get("/api/devices", ann) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert (answers[3].json["code"], answers[3].headers["Retry-After"]) == ("rate_limited", "2")
        for path, token in (("/api/devices", bob), ("/api/devices", key), ("/api/v1/items", ann)):
            assert (await rig.get(path, token)).status == 200
        rig.clock.forward(2)
        assert (await rig.get("/api/devices", ann)).status == 200
        assert (await rig.get("/api/devices", ann)).status == 429


async def test_in_open_mode_nobody_waits(tmp_path: Path) -> None:
    """Everybody is the local admin there: one would slow down all."""
    async with opened(tmp_path, requests_per_s=0.001, request_burst=1, logins_per_min=0.001) as api:
        assert {(await api.get("/api/devices")).status for _ in range(5)} == {200}
        sent = {"email": ANN, "password": PASSWORD}
        assert {(await api.post(f"{AUTH}/login", sent)).status for _ in range(5)} == {401}


class Pauses(list[float]):
    """What the door waited for, without waiting."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def test_nobody_is_locked_out_by_what_others_try(tmp_path: Path) -> None:
    """Wrong passwords for an account are refused from where they came, and answered later and later from elsewhere."""
    async with required(tmp_path, logins_per_min=3, trusted_hops=1) as rig:
        pauses = Pauses()
        rig.api.app.extensions[KEY] = replace(rig.door, pause=pauses)

        async def attempt(address: str, email: str = ANN, password: str = "wrong") -> int:  # noqa: S107
            sent = {"email": email, "password": password}
            headers = {"X-Forwarded-For": address}
            return (await rig.ask("POST", f"{AUTH}/login", headers=headers, json=sent)).status

        for _ in range(5):
            assert await attempt("192.0.2.9", password=PASSWORD) == 200
        assert [await attempt("192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
        assert await attempt("192.0.2.1", password=PASSWORD) == await attempt("192.0.2.1", "ANN@example.org") == 429
        assert await attempt("192.0.2.1", BOB, PASSWORD) == 200
        assert not pauses
        assert {await attempt(f"198.51.100.{number}") for number in range(12)} == {401}
        assert list(pauses) == [0.25, 0.5, 1, 2, 4, *[8] * 7]
        pauses.clear()
        assert await attempt("192.0.2.5", password=PASSWORD) == 200
        assert await attempt("192.0.2.5", BOB, PASSWORD) == 200
        assert list(pauses) == [8]
        rig.clock.forward(20 * 9)
        pauses.clear()
        assert await attempt("192.0.2.1", password=PASSWORD) == 200
        assert not pauses


async def test_an_outage_counts_as_no_wrong_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose password could not be looked at has not guessed: as soon as it can be, the right one lets them in."""

    async def away(*_: object) -> NoReturn:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    async def busy(*_: object) -> NoReturn:
        raise Away("Too many are logging in just now", "busy")

    async with required(tmp_path, logins_per_min=1) as rig:
        token = await rig.token(ANN)
        new = {"current_password": PASSWORD, "new_password": "a good new sentence"}
        for place, name, fails in ((queries, "user_by_email", away), (Passwords, "verify", busy)):
            with monkeypatch.context() as outage:
                outage.setattr(place, name, fails)
                assert {(await rig.login()).status for _ in range(5)} == {503}
        with monkeypatch.context() as outage:
            outage.setattr(Passwords, "verify", busy)
            assert {(await rig.post(f"{AUTH}/password", new, token)).status for _ in range(5)} == {503}
        assert (await rig.login()).status == 200
        assert (await rig.post(f"{AUTH}/password", new, token)).status == 204


async def test_unknown_keys_are_limited_before_the_database_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the address that they come from; known ones don't count, and others are not concerned."""
    async with required(tmp_path, requests_per_s=0.5, request_burst=3, trusted_hops=1) as rig:
        ann, asked = await rig.token(ANN), 0
        key, plain = await rig.key(ann, "read"), queries.key_holder

        async def counted(*given: Any) -> Any:
            nonlocal asked
            asked += 1
            return await plain(*given)

        monkeypatch.setattr(queries, "key_holder", counted)

        async def devices(shown: str, address: str) -> int:
            headers = {"X-Forwarded-For": address}
            return (await rig.ask("GET", "/api/devices", shown, headers=headers)).status

        assert [await devices(f"tk_{number}", "192.0.2.1") for number in range(5)] == [401, 401, 401, 429, 429]
        assert asked == 3
        assert await devices(key, "192.0.2.1") == 429
        assert [await devices(key, "192.0.2.2") for _ in range(3)] == [200] * 3
        assert await devices("tk_x", "192.0.2.2") == 401
        rig.clock.forward(2)
        assert await devices(key, "192.0.2.1") == 200


async def test_a_neighbour_with_wrong_keys_locks_out_nobody_who_was_here(tmp_path: Path) -> None:
    """A key and a session that were good in the last minutes pass; one that is revoked passes once more, as a 401."""
    async with required(tmp_path, requests_per_s=0.5, request_burst=9) as rig:
        ann = await rig.token(ANN)
        key, unused = await rig.key(ann, "read"), await rig.key(ann, "read")

        async def devices(shown: str) -> int:
            return (await rig.get("/api/devices", shown)).status

        assert [await devices(key), await devices(ann)] == [200, 200]
        assert [await devices(f"tk_{number}") for number in range(10)] == [401] * 9 + [429]
        assert [await devices(key), await devices(ann), await devices(unused)] == [200, 200, 429]
        revoked = await rig.ask("DELETE", "/api/v1/api-keys/1", ann)
        assert revoked.status in (200, 204)
        rig.clock.forward(0.1)
        assert [await devices(key) for _ in range(2)] == [401, 429]
        rig.clock.forward(400)
        assert [await devices(f"tk_{number}") for number in range(10)] == [401] * 9 + [429]
        assert await devices(ann) == 429


async def test_a_neighbour_with_wrong_keys_keeps_nobody_from_logging_out(tmp_path: Path) -> None:
    """By either token: both are signed, so that nobody need be looked up."""
    async with required(tmp_path, requests_per_s=0.5, request_burst=1) as rig:
        for by_access in (True, False):
            told = (await rig.login()).json
            assert [(await rig.get("/api/devices", f"tk_{number}")).status for number in range(2)][-1] == 429
            shown = {} if by_access else {"refresh_token": told["refresh_token"]}
            assert (await rig.post(f"{AUTH}/logout", shown, told["access_token"])).status == 204
            assert (await rig.refresh(told["refresh_token"])).json["code"] == "session_ended"
            rig.clock.forward(9)


async def test_wrong_passwords_from_one_address_get_slow(tmp_path: Path) -> None:
    """For whichever accounts; registering counts as well, and so does a wrong current password."""
    async with required(tmp_path, logins_per_min=1, trusted_hops=1, registration=True) as rig:

        async def attempt(address: str, number: int) -> int:
            sent = {"email": f"{number}@example.org", "password": "wrong"}
            headers = {"X-Forwarded-For": f"6.6.6.6, {address}"}
            return (await rig.ask("POST", f"{AUTH}/login", headers=headers, json=sent)).status

        assert [await attempt("2001:db8::1", number) for number in range(4)] == [401, 401, 401, 429]
        assert await attempt("2001:db8::2", 9) == 429
        assert await attempt("192.0.2.1", 9) == 401
        token = await rig.token(ADMIN)
        sent = {"current_password": "wrong", "new_password": "a good new sentence"}
        assert [(await rig.post(f"{AUTH}/password", sent, token)).status for _ in range(2)] == [400, 429]
        new = {"email": "new@example.org", "password": PASSWORD}
        assert [(await rig.post(f"{AUTH}/register", new)).status for _ in range(3)] == [201, 201, 429]


async def test_refreshing_is_limited_by_address(tmp_path: Path) -> None:
    """Without a token, too."""
    async with required(tmp_path, requests_per_s=0.1, request_burst=2) as rig:
        answers = [await rig.refresh("rt_nonsense") for _ in range(3)]
        assert [answer.status for answer in answers] == [401, 401, 429]
        assert answers[2].headers["Retry-After"] == "10"
