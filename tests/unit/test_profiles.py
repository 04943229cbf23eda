"""Profiles: the built-in ones, and what a profile may say."""

import pytest
from pydantic import ValidationError

from shared.profiles import DEFAULT_PROFILE, ENVIRONMENT, KNEE, OPEN, PROFILES, Metric, Profile


def test_the_built_in_profiles_are_those_of_the_protocol() -> None:
    """environment, knee, open: measurement, metrics, whether others are taken."""
    told = {profile.name: (profile.measurement, sorted(profile.metrics), profile.open) for profile in PROFILES.values()}
    assert told == {
        "environment": ("sensor_data", ["humidity", "pressure", "temperature"], True),
        "knee": ("knee_data", ["x", "y", "z"], False),
        "open": ("telemetry", [], True),
    }
    assert PROFILES[DEFAULT_PROFILE] is ENVIRONMENT
    assert {name: metric.unit for name, metric in ENVIRONMENT.metrics.items()}["pressure"] == "hPa"
    assert KNEE.metrics["x"].type == "number"
    assert OPEN.measurement == "telemetry"


def test_a_profile_names_things_as_the_store_can_hold_them() -> None:
    """Bad names and unknown keys are refused where a profile is made, not where a reading is stored."""
    with pytest.raises(ValidationError):
        Profile(name="p", measurement="no spaces")
    with pytest.raises(ValidationError):
        Profile(name="p", measurement="m", metrics={"1st": Metric()})
    with pytest.raises(ValidationError):
        Metric.model_validate({"type": "integer"})
    with pytest.raises(ValidationError):
        Metric.model_validate({"range": 5})


@pytest.mark.parametrize("measurement", ["telemetrio_late", "telemetrio_probe"])
def test_a_profile_can_not_write_to_the_stores_own_measurements(measurement: str) -> None:
    """A device could fake the index of late readings; the refusal names the field and the mend."""
    with pytest.raises(ValidationError, match=f"measurement\\n.*{measurement} is kept for the store itself"):
        Profile(name="p", measurement=measurement)
