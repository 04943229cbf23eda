"""Profiles: the built-in ones, and what a profile may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.profiles import (
    DEFAULT_PROFILE,
    ENVIRONMENT,
    KNEE,
    OPEN,
    PROFILES,
    Metric,
    Profile,
    check_own_name,
    read_profile,
)


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
    with pytest.raises(ValidationError, match=r"measurement\n.*is for telemetrio itself"):
        Profile(name="p", measurement=measurement)


BOILER = {"measurement": "boiler", "metrics": {"bar": {"unit": "bar", "minimum": 0, "maximum": 9}}, "open": False}


def test_a_profile_is_read_as_it_was_written() -> None:
    """What is kept of it beside its name makes the same profile again."""
    boiler = read_profile("boiler", BOILER)
    assert (boiler.name, boiler.measurement, boiler.metrics["bar"].maximum, boiler.open) == (
        "boiler",
        "boiler",
        9,
        False,
    )
    assert read_profile("boiler", boiler.document) == boiler


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({**BOILER, "measurement": "no spaces"}, "measurement"),
        ({**BOILER, "measurement": "telemetrio_late"}, "measurement: telemetrio_… is for telemetrio itself"),
        ({"metrics": {}}, "measurement"),
        ({**BOILER, "metrics": {"bar": {"type": "integer"}}}, "metrics.bar.type"),
        ({**BOILER, "metrics": {"bar": {"minimum": 2, "maximum": 1}}}, "metrics.bar: minimum is above maximum"),
        ({**BOILER, "metrics": {"user_id": {}}}, "metrics: no metric can be called user_id"),
        ({**BOILER, "metrics": {"word__s": {}}}, "metrics: no metric can be called word__s"),
        ({**BOILER, "metrics": {f"m{number}": {} for number in range(1_001)}}, "metrics"),
        ({**BOILER, "range": 5}, "range"),
        ([], "not an object"),
        (None, "not an object"),
    ],
)
def test_a_document_that_is_no_profile_names_its_field(document: Any, field: str) -> None:
    """One sentence, for whoever wrote it."""
    with pytest.raises(ValueError, match="profile 'boiler': ") as raised:
        read_profile("boiler", document)
    assert field in str(raised.value)


@pytest.mark.parametrize("name", ["", "a b", "-a", "x" * 65])
def test_a_profiles_name_is_plain(name: str) -> None:
    """It stands in URLs and in the devices' table."""
    with pytest.raises(ValueError, match="name"):
        read_profile(name, BOILER)


@pytest.mark.parametrize("name", list(PROFILES))
def test_a_built_in_profile_can_not_be_replaced(name: str) -> None:
    """What its devices' readings mean would change under them."""
    with pytest.raises(ValueError, match="built in"):
        check_own_name(name)
    with pytest.raises(ValueError, match="built in"):
        read_profile(name, BOILER)
