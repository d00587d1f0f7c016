"""infra/deploy/observe: promtool, and every query against the metrics that exist."""

import json
import re
import tempfile
from pathlib import Path

import yaml

import metrics
import tools


def findings(root):
    folder = root / "infra/deploy/observe"
    rules = sorted(folder.glob("rules/*.yml"))
    promtool = str(tools.DEV / "bin/promtool")
    found = tools.complaints([promtool, "check", "config", str(folder / "prometheus.yml")], folder)
    found += tools.complaints([promtool, "check", "rules", *map(str, rules)], folder)
    found += tools.complaints(
        [promtool, "test", "rules", *map(str, sorted(folder.glob("tests/*.yml")))], folder
    )
    known = {**metrics.recorded(root), **metrics.OF_OTHERS}
    groups = [group for file in rules for group in yaml.safe_load(file.read_text())["groups"]]
    rules = [rule for group in groups for rule in group["rules"]]
    # A recorded metric has the labels of the outermost `by`.
    known |= {rule["record"]: labels_of(rule["expr"]) for rule in rules if "record" in rule}
    for rule in rules:
        found += (f"{name(rule)}: {finding}" for finding in metrics.unknown(rule["expr"], known))
    found += untested(folder, rules)
    return found + dashboards(folder, known, promtool)


def name(rule):
    return rule.get("alert") or rule["record"]


def labels_of(query):
    listed = re.findall(r"\bby\s*\(([^)]*)\)", query)
    return set(re.findall(r"\w+", listed[0])) - {"le"} if listed else set()


def untested(folder, rules):
    """Alerts that no test raises."""
    tests = "".join(file.read_text() for file in folder.glob("tests/*.yml"))
    return [
        f"no test of the rules names {rule['alert']}"
        for rule in rules
        if "alert" in rule and rule["alert"] not in tests
    ]


def dashboards(folder, known, promtool):
    found = []
    for file in sorted(folder.glob("grafana/dashboards/*.json")):
        dashboard = json.loads(file.read_text())
        queries = [
            (panel["title"], target["expr"])
            for panel in dashboard["panels"]
            for target in panel.get("targets", [])
        ]
        for title, query in queries:
            found += (
                f"{file.name}: {title}: {finding}" for finding in metrics.unknown(query, known)
            )
        for variable in dashboard["templating"]["list"]:
            if listed := re.fullmatch(r"label_values\((\w+), (\w+)\)", variable.get("query", "")):
                found += metrics.unknown(f"sum by ({listed[2]}) ({listed[1]})", known)
        rules = [
            {"record": f"query:{number}", "expr": filled(query)}
            for number, (_, query) in enumerate(queries)
        ]
        with tempfile.TemporaryDirectory() as place:
            Path(place, "queries.yml").write_text(
                yaml.safe_dump({"groups": [{"name": file.stem, "rules": rules}]})
            )
            found += tools.complaints([promtool, "check", "rules", "queries.yml"], place)
    return found


def filled(query):
    """The query as Grafana sends it."""
    return query.replace("$__rate_interval", "1m").replace("$stage", ".*")
