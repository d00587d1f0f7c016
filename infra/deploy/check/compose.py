"""infra/deploy/compose*.yaml: the compose specification, our settings, published ports."""

import json
import re
from importlib import util
from pathlib import Path

import jsonschema
import yaml

import settings

FILES = ("infra/deploy/compose.yaml", "infra/deploy/compose.rustfs.yaml")


def schema_file():
    # Only this file of the package is used; its own dependencies are not installed.
    [package] = util.find_spec("check_jsonschema").submodule_search_locations
    return Path(package, "builtin_schemas/vendor/compose-spec.json")


def findings(root):
    schema = json.loads(schema_file().read_text())
    found = []
    documented = set(
        re.findall(r"^(\w+)=", (root / "infra/deploy/env.example").read_text(), re.MULTILINE)
    )
    for name in FILES:
        text = (root / name).read_text()
        document = yaml.safe_load(text)
        errors = jsonschema.validators.validator_for(schema)(schema).iter_errors(document)
        found += (
            f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message}"
            for error in errors
        )
        used = set(re.findall(r"\$\{(\w+)", re.sub(r"^\s*#.*", "", text, flags=re.MULTILINE)))
        found += (
            f"{name} uses {variable}, which infra/deploy/env.example does not have"
            for variable in sorted(used - documented)
        )
        for service, content in document["services"].items():
            found += (
                f"{name}: {service}: {finding}"
                for finding in service_findings(root, service, content)
            )
    return found


def service_findings(root, service, content):
    program = service.split("-")[0]
    environment = content.get("environment", {})
    if program in settings.PROGRAMS:
        yield from settings.unknown_variables(root, program, environment)
        if "image" in content:
            yield from program_findings(root, program, content)
    elif ":" not in content.get("image", ":") or content.get("image", "").endswith(":latest"):
        yield f"image {content['image']} is not pinned"
    yield from (
        f"port {port} can be reached from outside"
        for port in content.get("ports", [])
        if not port.startswith("127.0.0.1:")
    )
    for name, value in environment.items():
        secret = re.search(r"PASS|SECRET|ACCESS_KEY$", name) and not re.fullmatch(
            r"\$\{\w+(:\?|:-)\}", str(value)
        )
        if secret:
            yield f"{name} must come from .env, without a default"
    for volume in content.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./") and not (root / "infra/deploy" / source).exists():
            yield f"{source} is mounted and does not exist"


def program_findings(root, program, content):
    if "build" not in content or content["build"].get("target") != program:
        yield f"is not built from the stage {program}"
    for key, wanted in (
        ("read_only", True),
        ("cap_drop", ["ALL"]),
        ("security_opt", ["no-new-privileges:true"]),
    ):
        if content.get(key) != wanted:
            yield f"{key} is not {wanted}"
    if not content.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory"):
        yield "has no limit of memory"
    yield from settings.missing_grace(
        root, program, content.get("stop_grace_period", "10s"), content["environment"]
    )
