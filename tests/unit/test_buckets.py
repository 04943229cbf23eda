"""Whose buckets and readings are whose."""

from dataclasses import replace

from shared.readings import Reading
from shared.timeseries.bucketnames import owners_of
from shared.timeseries.buckets import parts_of
from tests.fakes.batches import committed


def readings(*owners: int) -> list[Reading]:
    return [Reading("d", owner, "m", at, {"v": 1.0}) for at, owner in enumerate(owners)]


def test_a_write_is_split_by_owner() -> None:
    """In order, batch by batch with the time of its commit, and positions count over the whole."""
    first, second, third = readings(1, 2, 1), readings(), readings(2, 3)
    parts = parts_of([committed(first, 7, seq=1), committed(second, 8, seq=2), committed(third, 9, seq=3)])
    assert {owner: part.positions for owner, part in parts.items()} == {1: [0, 2], 2: [1, 3], 3: [4]}
    assert parts[1].batches == [committed([first[0], first[2]], 7, seq=1)]
    assert parts[2].batches == [committed([first[1]], 7, seq=1), committed([third[0]], 9, seq=3)]
    assert parts[3].batches == [committed([third[1]], 9, seq=3)]
    (part,) = parts_of([replace(committed(first[:1]), body=b"everybody's")]).values()
    assert part.batches[0].body == b"[]"
    assert parts_of([]) == parts_of([committed([])]) == {}


def test_only_whole_names_are_users_buckets() -> None:
    """Nobody reads what lies in another's bucket by its name's beginning or end."""
    others = ["t", "t_", "t_01", "t_1_2", "t_x", "t_-1", "xt_1", "T_1", "t1", "t_1 ", "t_\u0661", "_internal"]
    assert owners_of("t", [*others, "t_12", "t_3", "t_0"]) == [0, 3, 12]
    assert owners_of("t.*", ["t_1", "t.*_2"]) == [2]
