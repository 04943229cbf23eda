"""What is said of a change in the relational database."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.changes import ANY, Change

GOLDEN = Path(__file__).parents[1] / "payloads" / "registry-change.json"


def test_the_example_of_the_page_is_what_is_sent() -> None:
    """Word for word, and read back as it was."""
    change = Change(kind="device", id="greenhouse-7")
    assert Change.model_validate_json(GOLDEN.read_bytes()) == change
    assert Change.model_validate_json(change.model_dump_json(exclude_none=True)) == change


def test_what_is_not_named_may_be_anything() -> None:
    """A notice without a word is one, too; a number stays a number."""
    assert Change.model_validate_json("{}") == ANY
    assert ANY.model_dump_json(exclude_none=True) == '{"v":1,"kind":"any"}'
    assert Change.model_validate_json('{"kind":"user","id":7}').id == 7
    with pytest.raises(ValidationError):
        Change.model_validate_json('{"kind":"weather"}')
