"""infra/deploy/bucket: policies and bucket settings are JSON."""

import json


def findings(root):
    found = []
    for file in sorted((root / "infra/deploy/bucket").glob("*.json")):
        try:
            json.loads(file.read_text())
        except ValueError as error:
            found.append(f"{file.name}: {error}")
    return found
