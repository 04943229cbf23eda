"""deploy/ speaks of what there is: settings, metrics, secrets, and the same values on both sides."""

import json
import re
from collections.abc import Iterator
from typing import Any

from telemetrio.provision.broker import SERVICES
from tests.rules.test_settings import environment_names, settings_classes
from tests.rules.tree import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text() + (DEPLOY / "compose.scale.yaml").read_text()
# what the Prometheus client and Prometheus itself add
OF_OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def expressions() -> Iterator[str]:
    """Every PromQL of the dashboards and of the alerts."""
    for board in (DEPLOY / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(board.read_text())["panels"]:
            yield from (target["expr"] for target in panel["targets"])
    yield from re.findall(r"expr: (.*)", (DEPLOY / "prometheus" / "alerts.yml").read_text())


def named(expression: str) -> set[str]:
    """The metrics in it: names that are no function, no label and in no string."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|without) ?\([^)]*\)', " ", expression)
    return {name for name in re.findall(r"\b[a-z_][a-z0-9_]*\b(?!\()", bare) if not re.fullmatch(r"sum|topk|or", name)}


def documented() -> set[str]:
    """The series of docs/metrics.md; a histogram has three."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    known = set()
    for name, kind in re.findall(r"^\| `([a-z_]+)(?:\{[^}]*\})?` \| (\w+) \|", page, re.MULTILINE):
        known |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return known


def test_dashboards_and_alerts_ask_for_metrics_that_there_are() -> None:
    """Each name in a PromQL is a series of docs/metrics.md."""
    asked = {name for expression in expressions() for name in named(expression)}
    assert len(asked) > 20
    assert asked - documented() - OF_OTHERS == set()


def test_the_rule_sees_a_metric_that_is_not_there() -> None:
    """Functions, labels and durations are none, and a slip of the pen is found."""
    expression = 'topk(10, sum by (le, code) (rate(telemetrio_api_request_seconds_buckets{status=~"5.."}[5m]))) > 0.5'
    assert named(expression) == {"telemetrio_api_request_seconds_buckets"}
    assert not named(expression) & documented()


def test_a_service_that_vanished_is_missed() -> None:
    """A container that is gone is no target that is down: each job of prometheus.yml is asked for by its name."""
    jobs = set(re.findall(r"job_name: (\w+)", (DEPLOY / "prometheus" / "prometheus.yml").read_text()))
    (away,) = [expression for expression in expressions() if "up == 0" in expression]
    assert set(re.findall(r'absent\(up\{job="(\w+)"\}\)', away)) == jobs


def test_compose_sets_settings_that_there_are() -> None:
    """Each TELEMETRIO_* that it hands to a service is one that a service reads."""
    known: set[str] = set().union(*(environment_names(cls) for cls in settings_classes()))
    assert set(re.findall(r"^\s*(TELEMETRIO_\w+):", COMPOSE, re.MULTILINE)) - known == set()


def test_setup_makes_every_secret_that_compose_mounts() -> None:
    """And the broker's services are those for which it makes passwords."""
    mounted = set(re.findall(r"file: \./secrets/(\S+?)\}", COMPOSE))
    setup = (DEPLOY / "setup").read_text()
    made = {name for name in mounted if f'"{name}"' in setup}
    assert made == mounted
    assert {f"broker-{service}.password" for service in SERVICES} <= mounted


def test_a_location_of_the_proxy_passes_every_header_on() -> None:
    """One that sets a header of its own inherits none of the others from nginx: it has to name them all."""
    proxy = (DEPLOY / "proxy" / "telemetrio.conf.template").read_text()
    usual = set(re.findall(r"^ {4}proxy_set_header (\S+)", proxy, re.MULTILINE))
    places = re.findall(r"^ {4}location ([^{]+) \{\n(.*?)^ {4}\}", proxy, re.MULTILINE | re.DOTALL)
    own = {place: set(re.findall(r"proxy_set_header (\S+)", text)) for place, text in places}
    assert {"Host", "X-Request-ID"} < usual
    assert "= /ws" in own
    assert {place: usual - names for place, names in own.items() if names and usual - names} == {}


def test_the_image_has_the_web_of_a_checkout() -> None:
    """The dashboard and the client's one file, by the command that scripts/dashboard.py runs, too."""
    builds = json.loads((ROOT / "frontend" / "package.json").read_text())["scripts"]["bundle"].split(" && ")
    assert builds == ["vite build", "vite build --config client/vite.config.ts"]
    assert "RUN npm run bundle\n" in (DEPLOY / "Dockerfile").read_text()
    assert '["npm", "run", "bundle"]' in (ROOT / "scripts" / "dashboard.py").read_text()


def test_dashboards_have_places_of_their_own() -> None:
    """No two panels of a dashboard lie on each other, and the data source is the one that is provisioned."""
    source = (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    for file in (DEPLOY / "grafana" / "dashboards").glob("*.json"):
        board: dict[str, Any] = json.loads(file.read_text())
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
        assert len(set(places)) == len(places), file.name
        assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"telemetrio"}
    assert "uid: telemetrio" in source
