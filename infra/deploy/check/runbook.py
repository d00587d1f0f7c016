"""infra/deploy/README.md is the runbook of the alerts: every alert has its heading there."""

import re

import yaml

FILE = "infra/deploy/README.md"


def findings(root):
    text = (root / FILE).read_text()
    alerts = text.partition("\n## Alerts\n")[2]
    headings = {anchor(title): title for title in re.findall(r"^### (.+)$", alerts, re.MULTILINE)}
    found, named = [], set()
    for file in sorted((root / "infra/deploy/observe/rules").glob("*.yml")):
        groups = yaml.safe_load(file.read_text())["groups"]
        for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
            runbook = rule.get("annotations", {}).get("runbook", "")
            path, _, heading = runbook.partition("#")
            named.add(heading)
            if path != FILE or heading not in headings:
                found.append(f"{rule['alert']} names the runbook {runbook}, which does not exist")
    unused = sorted(headings.keys() - named)
    return found + [f"no alert names the heading {headings[heading]}" for heading in unused]


def anchor(title):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
