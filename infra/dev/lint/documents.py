"""Settings, variables and metrics that a document names exist."""

import json
import re
import tomllib

import markdown
import metrics
import sources
from settings import OTHER_VARIABLES

# Not settings, although they look like one.
SUFFIXES = set(
    "rs py toml md json txt yaml yml mjs js html css so onnx sh env conf tpl jsonl".split()
)
# Names of other things that begin as our metrics do: volumes of compose.
OTHER_NAMES = {"bucketlens_models"}

PLANTED = {
    "infra/deploy/README.md": (
        ("`backpressure.high`", "`backpressure.most`", "backpressure.most is not a setting"),
        ("`backpressure.high`", "`backpresure.high`", "backpresure.high is not a setting"),
        ("BUCKETLENS__MODELS__SERVE", "BUCKETLENS__MODEL__SERVE", "is not the variable of a"),
    ),
    "infra/measure/README.md": (
        ("\n## ", "\n`bucketlens_nothings_total`\n\n## ", "bucketlens_nothings_total"),
    ),
}


def findings(root):
    settings = known_settings(root)
    recorded = {
        name
        for each in metrics.recorded(root)
        for name in (each, re.sub(r"_(bucket|sum|count)$", "", each))
    }
    for name, text in markdown.documents(root):
        for span in markdown.spans(text):
            yield from (f"{name}: {finding}" for finding in unknown_settings(span, settings))
        for found in re.findall(r"BUCKETLENS__([A-Z_]+)__([A-Z_]+)\b", text):
            section, key = (part.lower() for part in found)
            if section != "section" and key not in settings.get(section, {}):
                yield f"{name}: BUCKETLENS__{'__'.join(found)} is not the variable of a setting"
        for variable in re.findall(r"\bBUCKETLENS_[A-Z]+(?:_[A-Z]+)*\b", text):
            if variable not in OTHER_VARIABLES and not variable.startswith("BUCKETLENS_TEST_"):
                yield f"{name}: no program reads {variable}"
        for metric in set(re.findall(r"\bbucketlens_[a-z_]+[a-z]\b", text)):
            if metric not in recorded | OTHER_NAMES:
                yield f"{name}: no metric is named {metric}"


def known_settings(root):
    """Keys by section, of all programs together; those of the chart are written alike."""
    known = {}
    for name in sources.tracked(root, "settings.toml"):
        for section, keys in tomllib.loads((root / name).read_text()).items():
            known.setdefault(section, set()).update(keys)
    schema = json.loads((root / "infra/deploy/helm/bucketlens/values.schema.json").read_text())
    add_objects(schema, known)
    return known


def add_objects(schema, known):
    """Adds the keys of every object that the schema describes, at any depth."""
    for name, content in schema.items():
        if isinstance(content, dict):
            if "properties" in content:
                known.setdefault(name, set()).update(content["properties"])
            add_objects(content, known)


def unknown_settings(span, known):
    """What is written as `section.key` where the section or the key is one of ours."""
    found = re.match(r"([a-z_]+)\.([a-z_]+)(?: = .*)?$", span)
    if not found or found[2] in SUFFIXES:
        return
    section, key = found.groups()
    keys = set().union(*known.values())
    if key not in known.get(section, keys if key not in keys else set()):
        yield f"{section}.{key} is not a setting"
