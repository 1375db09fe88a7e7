"""The dashboard and the alert rules use only metrics that a worker or the API serves."""

from __future__ import annotations

import json
import re

import pytest

from tasks.observe.metric_catalogue import API, METRICS, SAMPLED, Kind
from tests.programs import ROOT

KNOWN = {metric.name: metric for metric in (*METRICS, *SAMPLED, *API)}
DASHBOARD = json.loads((ROOT / "deploy/grafana/provisioning/dashboards/cellblock.json").read_text())
TARGETS = {
    f"{panel['title']} {target['refId']}": target
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
}
ALERTS = (ROOT / "deploy/prometheus/alerts.yml").read_text()
RULES = dict(re.findall(r"alert: (\w+)\n +expr: (?:>-\n)?(.*?)\n +(?:for|labels):", ALERTS, re.DOTALL))
HOW_TO = (ROOT / "docs/how-to/monitor.md").read_text()
# Labels that Prometheus adds, and the label of a histogram's buckets.
ADDED = {"instance", "job", "le"}


def metric_of(name: str) -> str:
    """The metric that a series belongs to."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    is_histogram = base in KNOWN and KNOWN[base].kind is Kind.HISTOGRAM
    return base if is_histogram else name


EXPRESSIONS = {name: target["expr"] for name, target in TARGETS.items()} | RULES


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_every_metric_and_label_in_an_expression_exists(name: str) -> None:
    expression = EXPRESSIONS[name]
    series = re.findall(r"(cellblock_\w+)(?:\{([^}]*)\})?", expression)
    used = {metric_of(one) for one, _ in series}
    assert used <= set(KNOWN)
    for one, selector in series:
        assert set(re.findall(r"(\w+)[=!]", selector)) <= set(KNOWN[metric_of(one)].labels)
    labels = ADDED.union(*(KNOWN[one].labels for one in used))
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert set(grouped.split(", ")) <= labels


def test_every_metric_is_on_the_dashboard() -> None:
    text = " ".join(target["expr"] for target in TARGETS.values())
    shown = {metric_of(name) for name in re.findall(r"cellblock_\w+", text)}
    assert set(KNOWN) - shown == set()


@pytest.mark.parametrize("name", TARGETS)
def test_a_legend_names_labels_that_are_left(name: str) -> None:
    target = TARGETS[name]
    grouped = ", ".join(re.findall(r"by \(([^)]*)\)", target["expr"])).split(", ")
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= set(grouped)


def test_there_are_rules() -> None:
    assert len(RULES) == ALERTS.count("alert:") > 10


@pytest.mark.parametrize("alert", RULES)
def test_the_how_to_says_what_to_do_about_each_alert(alert: str) -> None:
    assert f"`{alert}`" in HOW_TO
