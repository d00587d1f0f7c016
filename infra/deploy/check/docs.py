"""infra/deploy/README.md: every alert has its heading, links lead somewhere, recipes exist, JSON is JSON."""

import json
import re

import yaml

FILE = "infra/deploy/README.md"


def findings(root):
    text = (root / FILE).read_text()
    headings = {
        anchor(title): (len(level), title)
        for level, title in re.findall(r"^(#+) (.+)$", text, re.MULTILINE)
    }
    found = []
    named = set()
    for file in sorted((root / "infra/deploy/observe/rules").glob("*.yml")):
        for rule in (
            rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]
        ):
            if "alert" not in rule:
                continue
            path, _, heading = rule.get("annotations", {}).get("runbook", "").partition("#")
            named.add(heading)
            if path != FILE or heading not in headings:
                found.append(
                    f"{rule['alert']} names the runbook {path}#{heading}, which does not exist"
                )
    alerts = text.partition("\n## Alerts\n")[2]
    found += (
        f"no alert names the heading {title}"
        for title in re.findall(r"^### (.+)$", alerts, re.MULTILINE)
        if anchor(title) not in named
    )
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in link and not (root / "infra" / link).resolve().exists():
            found.append(f"the link {link} leads nowhere")
    front = (root / "README.md").read_text()
    front_anchors = {anchor(title) for title in re.findall(r"^#+ (.+)$", front, re.MULTILINE)}
    found += (
        f"the front page has no heading #{name}"
        for name in re.findall(r"\.\./README\.md#([\w-]+)", text)
        if name not in front_anchors
    )
    recipes = set(
        re.findall(r"^([a-z][\w-]*)[^:\n]*:(?!=)", (root / "justfile").read_text(), re.MULTILINE)
    )
    found += (
        f"there is no recipe {name}"
        for name in sorted(set(re.findall(r"`just ([\w-]+)", text)) - recipes)
    )
    for file in sorted((root / "infra/deploy/bucket").glob("*.json")):
        try:
            json.loads(file.read_text())
        except ValueError as error:
            found.append(f"{file.name}: {error}")
    return found


def anchor(title):
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
