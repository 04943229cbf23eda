"""The registry: who a device is, also in the moments when two sides know different things."""

from collections.abc import Sequence

import pytest

from services.ingest.backlog import ProfileRow, RegistryRow
from services.ingest.registry import LOCAL_ADMIN, Registry
from shared.profiles import DEFAULT_PROFILE, KNEE, OPEN, Profile
from tests.fakes.ingest import registering


def test_unknown_devices_are_registered_or_refused() -> None:
    """As the settings say; registered ones belong to the local admin."""
    registry = registering()
    device = registry.register("d1")
    assert device is not None
    assert (device.user_id, device.profile.name, device.disabled) == (LOCAL_ADMIN, DEFAULT_PROFILE, False)
    assert registry.find("d1") == device
    assert registry.row("d1") == ("d1", LOCAL_ADMIN, DEFAULT_PROFILE, False)
    refusing = Registry("refuse", DEFAULT_PROFILE)
    assert refusing.register("d1") is None
    assert len(refusing) == 0


@pytest.mark.parametrize("committed", [False, True])
def test_a_newcomer_survives_a_reading_of_the_registry(*, committed: bool) -> None:
    """Not yet on disk, or on disk and not yet told: the database that doesn't know it does not make it unknown."""
    registry = registering()
    registry.learn([("old", 5, "knee", False)])
    registry.register("new")
    if committed:
        registry.announce(["new"])
    registry.replace([("other", 6, "open", False)])
    assert registry.find("new") is not None
    assert registry.row("new")[0] == "new"
    assert registry.find("old") is None
    assert registry.find("other") is not None
    assert registry.pending == (["new"] if committed else [])


@pytest.mark.parametrize("committed", [False, True])
def test_a_device_that_somebody_adds_while_it_is_new_here_is_theirs(*, committed: bool) -> None:
    """It spoke before ingest had read of it: its owner, its profile and that it is disabled count all the same."""
    registry = registering()
    registry.register("d1")
    if committed:
        registry.announce(["d1"])
    registry.replace([("d1", 9, "knee", True)])
    found = registry.find("d1")
    assert found is not None
    assert (found.user_id, found.profile, found.disabled) == (9, KNEE, True)


def test_a_device_that_was_told_is_the_databases_business() -> None:
    """From then on its word counts: another owner, disabled, gone."""
    registry = registering()
    registry.register("d1")
    registry.announce(["d1"])
    registry.announced(["d1"])
    registry.replace([("d1", 9, "knee", True)])
    found = registry.find("d1")
    assert found is not None
    assert (found.user_id, found.profile, found.disabled) == (9, KNEE, True)
    registry.replace([])
    assert registry.find("d1") is None


def test_a_device_with_a_profile_of_another_version_keeps_its_owner() -> None:
    """Taken for unknown it would be registered anew, and its readings would become the local admin's."""
    registry = registering()
    registry.replace([("d1", 9, "made by a newer version", False)])
    found = registry.find("d1")
    assert found is not None
    assert (found.user_id, found.profile) == (9, OPEN)


BOILER = ("boiler", {"measurement": "boiler", "metrics": {"bar": {"unit": "bar"}}, "open": False})


def test_a_profile_that_an_operator_made_is_what_its_devices_are_judged_by() -> None:
    """From when it is told, with its next change, and until it is gone."""
    registry = registering()
    rows = [("d1", 9, "boiler", False)]
    assert profile_of(registry, rows) == OPEN
    assert profile_of(registry, rows, BOILER).measurement == "boiler"
    assert profile_of(registry, rows, ("boiler", {"measurement": "kettle"})).measurement == "kettle"
    assert profile_of(registry, rows) == OPEN


def test_a_built_in_profile_is_what_it_is() -> None:
    """Whatever a table says of it."""
    assert profile_of(registering(), [("d1", 9, "knee", False)], ("knee", {"measurement": "elbow"})) == KNEE


def test_a_profile_that_nobody_can_read_costs_only_its_own_devices() -> None:
    """They are taken for open ones, and the others are judged as ever."""
    registry = registering()
    assert profile_of(registry, [("d1", 9, "broken", False)], ("broken", {"measurement": 5}), BOILER) == OPEN
    assert profile_of(registry, [("d1", 9, "boiler", False)], ("broken", []), BOILER).name == "boiler"


def profile_of(registry: Registry, rows: Sequence[RegistryRow], *profiles: ProfileRow) -> Profile:
    registry.replace(rows, profiles)
    found = registry.find("d1")
    assert found is not None
    return found.profile
