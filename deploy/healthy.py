"""The container's health: 0 if the service can do its job, 1 with the reason if it can't. Standard library only."""

# ruff: noqa: INP001 -- it lies alone in the image

import json
import os
import sys
import urllib.request
from urllib.error import HTTPError

url = os.environ.get("HEALTH_URL")
if not url:
    sys.exit("HEALTH_URL is not set: there is nothing to ask")
if not url.startswith("http://"):
    sys.exit(f"HEALTH_URL must begin with http://, not {url}")
try:
    with urllib.request.urlopen(url, timeout=4) as answer:  # noqa: S310 - checked above
        answer.read()
except HTTPError as error:
    is_json = error.headers.get_content_type() == "application/json"
    told = json.loads(error.read()).get("dependencies", {}) if is_json else {}
    down = [f"{name}: {seen['state']} {seen['detail']}" for name, seen in told.items() if seen["state"] != "ok"]
    sys.exit("; ".join(down) or f"{url} answers {error.code}")
except OSError as error:
    sys.exit(f"{url}: {error}")
