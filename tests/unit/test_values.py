"""What is remembered of names is small, whoever makes them up."""

from shared.values import _name_flaw, name_flaw


def test_a_name_that_is_too_long_is_refused_and_not_remembered() -> None:
    """One emoji makes each letter of a name four bytes: so many of them would fill a small machine."""
    assert name_flaw("m" * 64) is None
    before = _name_flaw.cache_info().currsize
    for number in range(100):
        assert name_flaw(f"{number}{'m' * 60_000}🙂") == "bad_metric_name"
    assert _name_flaw.cache_info().currsize == before
