"""On whose behalf a request is carried out."""

from typing import Final, Literal, NamedTuple

from shared.identifiers import UserId

Role = Literal["admin", "user"]
Scope = Literal["read", "write", "live", "admin"]

SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "live", "admin")


class Caller(NamedTuple):
    """Who asks, and how we know: by the login `session`, or by API key `key`, which has `scopes`."""

    user_id: UserId
    role: Role
    session: str = ""
    key: int | None = None
    scopes: frozenset[str] | None = None
    must_change: bool = False

    @property
    def tenants(self) -> tuple[UserId, ...] | None:
        """Whose data the caller may see; None only for an admin: everybody's."""
        return None if self.role == "admin" else (self.user_id,)

    def has(self, scope: Scope) -> bool:
        return self.scopes is None or scope in self.scopes
