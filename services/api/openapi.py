"""The OpenAPI description: what quart-schema reads from the routes, and what it can't know."""

from functools import lru_cache
from typing import Any, Final

import orjson
from pydantic import BaseModel, Field
from quart import Quart, current_app
from quart_schema import Info, OpenAPIProvider, QuartSchema
from werkzeug.routing import Rule

from services.api.auth import access_of

_EXTENSION: Final = "QUART_SCHEMA"
_WITHOUT_BODY_TOO: Final = frozenset(
    {
        "/api/v1/auth/refresh",
        "/api/v1/auth/logout",
        "/api/v1/live/ticket",
        "/api/v1/devices/{device_id}/claim",
    }
)
_SCHEMES: Final[dict[str, dict[str, str]]] = {
    "token": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in_": "header", "name": "X-API-Key"},
}
_SHEET: Final = "device_id,name,profile,disabled\r\nporch-1,Porch,environment,false\r\n"
_ROW: Final = {"device_id": "d1", "timestamp": "2026-01-01T12:00:00Z", "values": {"temperature": 23.5}}
_CSV: Final = {
    "schema": {"type": "string"},
    "example": "time,device_id,temperature\n2026-01-01T12:00:00Z,d1,23.5\n",
}
_NDJSON: Final = {"schema": {"type": "string"}, "example": f"{orjson.dumps(_ROW).decode()}\n"}


class ErrorDetail(BaseModel):
    field: str
    code: str
    message: str


class Error(BaseModel):
    """Every error has this shape."""

    error: str = Field(description="The same as `message`.")
    message: str
    status: int
    code: str = Field(description="For programs: it does not change with the wording.")
    details: list[ErrorDetail]
    request_id: str = Field(description="Also in the header X-Request-ID and in the log.")


class Provider(OpenAPIProvider):
    """Adds the one shape of errors to every operation, and an answer to those that quart-schema leaves without."""

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        paths, components = super().build_paths(rule)
        failed, error = self.build_response_object(Error, None)
        for path, operations in paths.items():
            for method, operation in operations.items():
                _complete(path, method, operation)
                if access_of(current_app.view_functions[rule.endpoint]) == "public":
                    operation["security"] = []
                operation["responses"] = {**operation["responses"], "default": failed}
        return paths, {**components, **error}


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    if path.endswith("/raw"):
        binary = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["responses"] = {"200": {"description": "The bytes.", "content": binary}}
    if path.endswith("/bulk"):
        _complete_bulk(method, operation)
    if path.endswith("/readings/export"):
        table = {"schema": {"type": "string", "format": "binary"}}
        content = dict.fromkeys(("text/csv", "application/x-ndjson", "application/vnd.apache.parquet"), table)
        operation["responses"] = {"200": {"description": "The readings, as a file.", "content": content}}
    if path.endswith("/readings/import"):
        operation["requestBody"] = {"content": {"text/csv": _CSV, "application/x-ndjson": _NDJSON}}
    if method == "delete" or not operation["responses"]:
        operation["responses"] = {"204": {"description": "It is gone."}}
    if "requestBody" in operation:
        operation["requestBody"] = {**operation["requestBody"], "required": path not in _WITHOUT_BODY_TOO}


def _complete_bulk(method: str, operation: dict[str, Any]) -> None:
    csv = {"text/csv": {"schema": {"type": "string"}, "example": _SHEET}}
    if method == "post":
        operation["requestBody"] = {"content": csv}
    else:
        operation["responses"] = {"200": {"description": "The file.", "content": csv}}


def describe(app: Quart, version: str, *, guarded: bool) -> None:
    """Let quart-schema read the routes. Its own pages stay off: they load scripts from a CDN."""
    QuartSchema(
        app,
        openapi_path=None,
        info=Info(title="telemetrio", version=version, description="Devices, readings, books and dead letters."),
        conversion_preference="pydantic",
        openapi_provider_class=Provider,
        security_schemes=_SCHEMES,  # type: ignore[arg-type] # its own TypedDicts
        security=[{name: []} for name in _SCHEMES] if guarded else None,
    )


def description() -> dict[str, Any]:
    """The description of the current app, made once."""
    return _description(current_app.extensions[_EXTENSION].openapi_provider)


@lru_cache(maxsize=4)
def _description(provider: OpenAPIProvider) -> dict[str, Any]:
    return provider.schema()
