"""How often somebody may ask, by a clock of the test's own."""

from pathlib import Path

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


async def test_wrong_passwords_for_one_account_get_slow(tmp_path: Path) -> None:
    """From wherever they come; nobody else waits, right passwords don't count, and it passes by itself."""
    async with required(tmp_path, logins_per_min=3, trusted_hops=1) as rig:

        async def attempt(address: str, email: str = ANN, password: str = "wrong") -> int:  # noqa: S107
            sent = {"email": email, "password": password}
            headers = {"X-Forwarded-For": address}
            return (await rig.ask("POST", f"{AUTH}/login", headers=headers, json=sent)).status

        for _ in range(5):
            assert await attempt("192.0.2.9", password=PASSWORD) == 200
        assert [await attempt(f"192.0.2.{number}") for number in range(4)] == [401, 401, 401, 429]
        assert await attempt("192.0.2.5", password=PASSWORD) == 429
        assert await attempt("192.0.2.5", "ANN@example.org") == 429
        assert await attempt("192.0.2.5", BOB, PASSWORD) == 200
        assert await attempt("192.0.2.5", "nobody@example.org") == 401
        rig.clock.forward(20)
        assert await attempt("192.0.2.5", password=PASSWORD) == 200


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
