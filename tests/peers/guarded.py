"""A `telemetrio up` with `auth = required`: its administrator has chosen a password, and users can be made."""

from pathlib import Path
from typing import Any

from tests.peers.system import System

ADMIN = "admin@localhost"
PASSWORD = "a sentence for this test"  # noqa: S105 - of a server that lives as long as one test
AUTH = "/api/v1/auth"


class Guarded(System):
    """`token`: the administrator's, for what a test prepares by the API."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        # all tests of a file come from one address
        super().__init__(data_dir, TELEMETRIO_AUTH="required", TELEMETRIO_LOGINS_PER_MIN="1000")
        self._environment |= environment
        self.token = ""

    def start(self) -> None:
        super().start()
        first = next((line.split() for line in self.said if line.startswith("login ")), None)
        if not self.token and first is not None:
            once = first[2]
            self.token = self.log_in(first[1], once)["access_token"]
            self.ask("POST", f"{AUTH}/password", {"current_password": once, "new_password": PASSWORD})

    def log_in(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        status, told = self.request("POST", f"{AUTH}/login", {"email": email, "password": password})
        assert status == 200, told
        answer: dict[str, Any] = told
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """As the administrator; it must work."""
        status, told = self.request(method, path, body, Authorization=f"Bearer {self.token}")
        assert status < 300, told
        return told

    def add_user(self, email: str, role: str = "user", *, must_change: bool = False) -> dict[str, Any]:
        user = {"email": email, "role": role, "password": PASSWORD, "must_change_password": must_change}
        made: dict[str, Any] = self.ask("POST", "/api/v1/users", user)
        return made
