"""infra/deploy/helm: rendered with several sets of values, against Kubernetes and the programs."""

import functools
import json
import re
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

import chart_objects
import tools

KUBERNETES = "1.30"
RELEASE = "pictures"
# Values that values.schema.json must refuse.
REFUSED = (
    {"bucket": {"name": ""}},
    {"ingest": {"replicas": 3}},
    {"searcher": {"env": {"BUCKETLENS__SEARCH__TIMEOUT": 30}}},
    {"embedders": [{"model": "Not An Id"}]},
    {"keda": {"maxReplica": 3}},
)


def findings(root):
    chart = root / "infra/deploy/helm/bucketlens"
    found = []
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    schema = json.loads((chart / "values.schema.json").read_text())
    sets = {"defaults": {"bucket": {"name": "pictures"}}}
    sets.update(
        {file.stem: yaml.safe_load(file.read_text()) for file in sorted(chart.glob("ci/*.yaml"))}
    )
    for title, values in sets.items():
        merged = merge(defaults, values)
        errors = [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(merged)]
        objects, complaint = ([], "") if errors else render(chart, merged)
        errors += [complaint] if complaint else []
        errors += [finding for content in objects for finding in object_findings(content)]
        errors += chart_objects.findings(root, objects)
        found += (f"with {title}: {error}" for error in errors)
    validator = jsonschema.Draft7Validator(schema)
    valid = merge(defaults, sets["defaults"])
    found += (
        f"values.schema.json accepts {json.dumps(values)}"
        for values in REFUSED
        if validator.is_valid(merge(valid, values))
    )
    return found


def merge(base, values):
    """Like Helm: merges dictionaries, replaces everything else."""
    both = {
        key: merge(base[key], value)
        for key, value in values.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return {**base, **values, **both}


def render(chart, values):
    """The objects and an empty text, or no objects and the reason."""
    asked = json.dumps({"values": values, "release": RELEASE, "namespace": "default"})
    command = [str(tools.DEV / "bin/render-chart"), str(chart)]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return [], done.stderr.strip()
    files = re.split(r"^---\n# Source: (.+)\n", done.stdout, flags=re.MULTILINE)[1:]
    texts = [text for name, text in zip(files[::2], files[1::2]) if name.endswith(".yaml")]
    try:
        return [content for text in texts for content in yaml.load_all(text, Strict) if content], ""
    except yaml.YAMLError as error:
        return [], f"not YAML: {error}"


class Strict(yaml.CSafeLoader):
    """Refuses duplicate keys: of two equal variables or labels one would be lost."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.YAMLError(f"a key comes twice {node.start_mark}")
        return super().construct_mapping(node, deep)


@functools.cache
def own_schemas():
    return yaml.safe_load(Path(__file__).with_name("crds.yaml").read_text())


def object_findings(content):
    kind = f"{content['apiVersion']}/{content['kind']}"
    name = f"{content['kind']} {content['metadata']['name']}"
    if kind in own_schemas():
        errors = jsonschema.Draft7Validator(own_schemas()[kind]).iter_errors(content["spec"])
        yield from (
            f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message}"
            for error in errors
        )
        return
    try:
        kubernetes_validate.validate(content, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{name}: {'.'.join(map(str, error.path))}: {error.message}"
    except (
        kubernetes_validate.VersionNotSupportedError,
        kubernetes_validate.SchemaNotFoundError,
    ) as error:
        yield f"{name}: {error}"
