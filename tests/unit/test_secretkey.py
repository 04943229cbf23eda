"""The secret: known and short ones, and the one that `up` makes for itself."""

import secrets
from pathlib import Path

import pytest

from shared.secretkey import kept_secret, weakness
from shared.signed import derived


@pytest.mark.parametrize("secret", ["your-secret-key-here", " ChangeMe ", "secret", "x" * 64, "abcdefgh" * 3, ""])
def test_a_secret_that_others_could_guess(secret: str) -> None:
    """From an example, too short or too plain; the mend is told."""
    assert "token_urlsafe" in (weakness(secret) or "")


def test_a_good_secret() -> None:
    """As the mend makes it."""
    assert weakness(secrets.token_urlsafe(48)) is None


def test_the_secret_is_kept(tmp_path: Path) -> None:
    """Made once, good, for its owner's eyes alone, and nothing else is left lying there."""
    file = tmp_path / "secret.key"
    made = kept_secret(file)
    assert weakness(made) is None
    assert kept_secret(file) == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_each_purpose_has_a_key_of_its_own() -> None:
    """Of one secret."""
    assert len({derived("s", "a"), derived("s", "b"), derived("t", "a")}) == 3
    assert len(derived("s", "a")) == 32
