"""Tokens and tickets as values: what is believed, for how long, and for what."""

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import tickets
from shared.signed import ISSUER, BadToken, Kind, read, sign
from shared.tickets import KINDS, BadTicket, Holder, Ticket, Used, issue, verify

SECRET = "s" * 40
NOW = 1_767_268_800.0
KIND = Kind("at+jwt", "telemetrio-api", 900)


def plain(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token without a signature."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return ".".join(parts) + "."


def claims(**more: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": KIND.audience, "sub": "1", "iat": int(NOW), "exp": int(NOW) + 900, **more}


def test_what_was_signed_is_read_back() -> None:
    """With who, for whom and until when."""
    assert read(KIND, SECRET, sign(KIND, SECRET, {"sub": "7"}, NOW), NOW) == claims(sub="7")


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "telemetrio-ws"},
        {"aud": None},
        {"iss": "somebody"},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sub": 7},
        {"exp": "never"},
        {"exp": NOW + 0.5},
        {"exp": int(NOW) - 11},
        {"iat": int(NOW) + 11},
    ],
)
def test_a_token_with_one_thing_wrong(wrong: dict[str, Any]) -> None:
    """Signed with the right key, and refused all the same."""
    made = {name: value for name, value in claims(**wrong).items() if value is not None}
    if wrong == {"sub": 7}:  # the library would not make one
        made["sub"] = "7"
        token = forged(json.dumps({**made, "sub": 7}).encode())
    else:
        token = jwt.encode(made, KIND.key(SECRET), "HS256", headers={"typ": KIND.type})
    with pytest.raises(BadToken):
        read(KIND, SECRET, token, NOW)


def forged(payload: bytes) -> str:
    return jwt.api_jws.PyJWS().encode(payload, KIND.key(SECRET), "HS256", headers={"typ": KIND.type})


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS512", "RS256", ""])
def test_the_algorithm_is_ours_to_choose(algorithm: str) -> None:
    """Not the token's: `none` above all."""
    with pytest.raises(BadToken):
        read(KIND, SECRET, plain({"alg": algorithm, "typ": KIND.type}, claims()), NOW)
    if algorithm == "HS512":
        token = jwt.encode(claims(), KIND.key(SECRET) * 2, "HS512", headers={"typ": KIND.type})
        with pytest.raises(BadToken):
            read(KIND, SECRET, token, NOW)


def test_a_kind_is_never_taken_for_another() -> None:
    """Neither by its key nor by its type, even if both had one audience."""
    token = sign(KINDS["ws"], SECRET, {"sub": "1"}, NOW)
    for kind in (KIND, KINDS["sse"], Kind("at+jwt", "telemetrio-ws", 30)):
        with pytest.raises(BadToken):
            read(kind, SECRET, token, NOW)
    typed = jwt.encode(claims(), KIND.key(SECRET), "HS256", headers={"typ": "ticket+jwt"})
    with pytest.raises(BadToken, match="something else"):
        read(KIND, SECRET, typed, NOW)


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
def test_anything_else_is_no_token(text: str) -> None:
    """BadToken, and nothing but that."""
    with pytest.raises(BadToken):
        read(KIND, SECRET, text, NOW)


@pytest.mark.parametrize("token", ["x" * 3_000, "ä.b.c"])
def test_a_token_that_is_not_even_looked_at(token: str) -> None:
    """Too long, or no ASCII."""
    with pytest.raises(BadToken, match="no token of ours"):
        read(KIND, SECRET, token, NOW)


def test_a_ticket_tells_whose_data_it_opens() -> None:
    """One user's, or everybody's."""
    ticket = verify(SECRET, "ws", issue(SECRET, "ws", Holder(7), NOW), NOW)
    assert (ticket.holder, ticket.holder.tenants, ticket.ends_s) == (Holder(7), frozenset({7}), NOW + 30)
    assert verify(SECRET, "sse", issue(SECRET, "sse", Holder(1, everybody=True), NOW), NOW).holder.tenants is None


def test_a_ticket_tells_by_what_it_was_asked_for() -> None:
    """A login or a key, with which its stream ends."""
    for holder in (Holder(7, session="a" * 32), Holder(7, key=3), Holder(1, everybody=True, key=4)):
        assert verify(SECRET, "ws", issue(SECRET, "ws", holder, NOW), NOW).holder == holder


def test_a_ticket_is_for_one_purpose_one_secret_and_half_a_minute() -> None:
    """And for nobody who has none."""
    text = issue(SECRET, "ws", Holder(7), NOW)
    assert verify(SECRET, "ws", text, NOW + 39)
    for secret, purpose, shown, now_s in (
        (SECRET, "sse", text, NOW),
        ("t" * 40, "ws", text, NOW),
        (SECRET, "ws", text, NOW + 40),
        (SECRET, "ws", text[:-3], NOW),
        (SECRET, "ws", "", NOW),
        (SECRET, "ws", None, NOW),
    ):
        with pytest.raises(BadTicket, match="live/ticket"):
            verify(secret, purpose, shown, now_s)  # type: ignore[arg-type]


WITH_A_BAD_KEY = {"sub": "1", "jti": "a", "all": False, "key": []}


def test_a_ticket_without_its_claims() -> None:
    """Signed by us, and still no ticket."""
    for told in (
        {"sub": "x", "jti": "a", "all": False},
        {"sub": "1", "all": False},
        {"sub": "1", "jti": "a"},
        WITH_A_BAD_KEY,
    ):
        with pytest.raises(BadTicket):
            verify(SECRET, "ws", sign(KINDS["ws"], SECRET, told, NOW), NOW)


def test_a_ticket_opens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is remembered until it would be refused for its age, and never more than the bound of them."""
    used = Used()
    ticket = Ticket("a", Holder(7), ends_s=int(NOW) + 30)
    used.use(ticket, NOW)
    for later_s in (0, 39):
        with pytest.raises(BadTicket, match="was used"):
            used.use(ticket, NOW + later_s)
    monkeypatch.setattr(tickets, "_MOST_REMEMBERED", 3)
    for number in range(10):
        used.use(ticket._replace(id=str(number)), NOW)
    assert len(used) == 3
