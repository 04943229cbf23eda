"""Commands for what an operator does first: the database, users, keys."""

from typing import Any

import click

from telemetrio.cli.options import data_dir


@click.group()
def db() -> None:
    """The relational database."""


@db.command("upgrade")
@data_dir
def db_upgrade(**flags: Any) -> None:
    """Bring it to the newest version; every start does so, too."""
    from telemetrio.operator import migrate  # noqa: PLC0415

    migrate(**flags)


@click.group()
def user() -> None:
    """Who may log in. Passwords are asked for, or read from a pipe."""


@user.command("add")
@click.argument("email")
@click.option("--name", default="", help="Default: what stands before the @.")
@click.option("--admin", "role", flag_value="admin", help="Make it an administrator.")
@click.option("--user", "role", flag_value="user", default="user", hidden=True)
@data_dir
def user_add(**given: Any) -> None:
    """Add a user who can log in."""
    from telemetrio.operator import add_user  # noqa: PLC0415

    click.echo(f"user {add_user(**given)}")


@user.command("password")
@click.argument("email")
@data_dir
def user_password(**given: Any) -> None:
    """Give a user another password; every session of theirs ends."""
    from telemetrio.operator import set_password  # noqa: PLC0415

    set_password(**given)


@click.group()
def key() -> None:
    """Keys for programs."""


@key.command("add")
@click.argument("email")
@click.option("--name", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(["read", "write", "live", "admin"]), required=True)
@click.option("--days", type=click.FloatRange(0, 3_650, min_open=True), help="Default: until it is revoked.")
@data_dir
def key_add(*, email: str, name: str, scopes: tuple[str, ...], days: float | None, **flags: Any) -> None:
    """Make an API key that acts for a user, and print it, this once."""
    from telemetrio.operator import Wish, add_key  # noqa: PLC0415

    click.echo(add_key(Wish(email, name, list(scopes), days), **flags))


@click.group()
def device() -> None:
    """Devices and what they prove themselves with."""


@device.command("add")
@click.argument("device_id")
@click.option("--name", default="", help="What people call it. Default: its id.")
@click.option("--profile", default="environment", show_default=True, help="What it measures.")
@click.option("--owner", default="", metavar="EMAIL", help="Whose it is. Default: the local admin.")
@click.option("--credential", default="first", show_default=True, help="What its credential is called.")
@data_dir
def device_add(*, data_dir: Any, **wish: str) -> None:
    """Add a device with a credential, and print what it presents to the broker, this once.

    Of a device that exists it only makes the credential. A running system knows it within 30 s.
    """
    from telemetrio.operator import Enrolled, add_device  # noqa: PLC0415

    proof = add_device(Enrolled(**wish), data_dir=data_dir)
    for name, said in zip(("client id", "username", "password"), proof, strict=True):
        click.echo(f"{name}: {said}")
