"""Passwords of devices, and what is kept of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.passwords import hash_password, new_password, password_matches


def test_a_password_can_not_be_guessed() -> None:
    """256 random bits, in letters that every shell and URL takes; never the same twice."""
    made = {new_password() for _ in range(1_000)}
    assert len(made) == 1_000
    assert {len(each) for each in made} == {43}
    assert set("".join(made)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(), st.text())
def test_only_the_password_itself_matches(password: str, other: str) -> None:
    """Whatever else is presented does not; and what is kept is different each time."""
    kept = hash_password(password)
    assert password_matches(password.encode(), kept)
    assert password_matches(other.encode(), kept) == (other == password)
    assert hash_password(password) != kept


@pytest.mark.parametrize("kept", ["", "plain", "$6$a$b", "$7$101$c2FsdA==$aGFzaA==", "$6$1$c2FsdA==$aGFzaA=="])
def test_what_was_never_made_here_matches_nothing(kept: str) -> None:
    """It is a mistake in the table, and is said."""
    with pytest.raises(ValueError, match=r"kind|unpack"):
        password_matches(b"", kept)
