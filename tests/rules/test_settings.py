"""What can be set is written down."""

import importlib

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tests.rules.tree import ROOT, modules


def settings_classes() -> list[type[BaseSettings]]:
    """Every settings class of the product, wherever it is defined."""
    holders = [name for name, path in modules().items() if "BaseSettings" in path.read_text() or "settings" in name]
    loaded = [vars(importlib.import_module(name)).values() for name in holders]
    return [
        value
        for values in loaded
        for value in values
        if isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings
    ]


def environment_names(cls: type[BaseSettings]) -> set[str]:
    """The names an operator may write: the prefix and the field's name, or its aliases where it has any."""
    prefix = cls.model_config.get("env_prefix", "")
    names: set[str] = set()
    for field, info in cls.model_fields.items():
        match info.validation_alias:
            case AliasChoices(choices=choices):
                names.update(choice for choice in choices if isinstance(choice, str) and choice.isupper())
            case str(alias):
                names.add(alias)
            case _:
                names.add(f"{prefix}{field}".upper())
    return names


def undocumented(classes: list[type[BaseSettings]], page: str) -> list[str]:
    return sorted({name for cls in classes for name in environment_names(cls)} - set(page.replace("`", " ").split()))


def test_every_setting_is_documented() -> None:
    """docs/settings.md names every setting as it is written in the environment."""
    classes = settings_classes()
    page = ROOT / "docs" / "settings.md"
    assert undocumented(classes, page.read_text() if page.exists() else "") == []


def test_the_rule_sees_fields_and_aliases() -> None:
    """A field is missed by its full name, and each of its names in capitals counts."""

    class Planted(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="TELEMETRIO_")
        drain_s: float = 3.0
        url: str = Field("", validation_alias=AliasChoices("TELEMETRIO_URL", "url", "DATABASE_URL"))

    assert undocumented([Planted], "| `TELEMETRIO_URL` |") == ["DATABASE_URL", "TELEMETRIO_DRAIN_S"]
