"""One name, one thing: no type name is defined twice in the workspace."""

import re
from collections import defaultdict

import sources

# Every program has its own of these, and readers expect it under this name.
AGREED = {"Settings", "Command", "Arguments"}
# Indented types are those of traits.
DEFINITION = re.compile(
    r"^(?: *(?:pub(?:\([^)]*\))? )?(?:struct|enum|trait|union)|(?:pub(?:\([^)]*\))? )?type) (\w+)",
    re.MULTILINE,
)

PLANTED = {"crates/table/src/lib.rs": (("mod ", "struct JobId;\nmod ", "JobId is defined in"),)}


def findings(root):
    places = defaultdict(list)
    for name in sources.tracked(root, ".rs"):
        if is_product(name):
            for found in DEFINITION.finditer(without_tests((root / name).read_text())):
                places[found[1]].append(name)
    for name, files in sorted(places.items()):
        if len(files) > 1 and name not in AGREED:
            yield f"{name} is defined in {', '.join(files)}"


def is_product(name):
    parts = name.split("/")
    tests = {"tests", "examples", "benches", "fuzz"} & set(parts)
    return not tests and parts[-1] != "tests.rs"


def without_tests(text):
    return text.partition("\n#[cfg(test)]\nmod ")[0]
