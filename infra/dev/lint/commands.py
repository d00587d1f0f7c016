"""Recipes, benches and commands of the programs that a document names exist."""

import re

import markdown
import sources
from settings import PROGRAMS

PLANTED = {
    "infra/deploy/README.md": (
        ("`just compose", "`just composed", "no recipe composed"),
        ("ingest doctor", "ingest physician", "ingest has no command physician"),
        ("ingest dead groups", "ingest dead crowds", "ingest dead has no command crowds"),
    ),
    "infra/measure/README.md": (("just bench chain", "just bench chains", "no bench chains"),),
}
SUBCOMMANDS = re.compile(
    r"#\[derive\([^)]*Subcommand[^)]*\)\][^{]*?enum \w+ \{\n(.*?)^\}", re.M | re.S
)
VARIANT = re.compile(r"^    ([A-Z]\w*)", re.MULTILINE)
# Their argument is a word that looks like a command.
WITH_ARGUMENT = {"completions"}


def findings(root):
    recipes = set(
        re.findall(r"^([a-z][\w-]*)[^:\n]*:(?!=)", (root / "justfile").read_text(), re.MULTILINE)
    )
    benches = set(
        re.findall(
            r'^    "([\w-]+)": Bench\(',
            (root / "infra/measure/bench/__main__.py").read_text(),
            re.M,
        )
    )
    commands = {program: commands_of(root, program) for program in PROGRAMS}
    for name, text in markdown.documents(root):
        for code in markdown.spans(text) + markdown.shell_lines(text):
            for finding in unknown(code, recipes, benches, commands):
                yield f"{name}: {finding}"


def commands_of(root, program):
    """Words of all commands, at any depth."""
    words = {"help"}
    for name in sources.tracked(root, ".rs"):
        if name.startswith((f"{program}/src/", "crates/service/src/", "crates/worker/src/")):
            for body in SUBCOMMANDS.findall((root / name).read_text()):
                variants = VARIANT.findall(body)
                words.update(re.sub(r"(?<!^)(?=[A-Z])", "-", each).lower() for each in variants)
    return words


def unknown(code, recipes, benches, commands):
    if found := re.match(r"(?:infra/)?just ([a-z][\w-]*)(?: ([a-z][\w-]*))?", code):
        recipe, first = found.groups()
        if recipe not in recipes:
            yield f"there is no recipe {recipe}"
        if recipe == "bench" and first and first not in benches:
            yield f"there is no bench {first}"
    pattern = r"(?:^|-- |^just |exec \w+ )(\w+) ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?(?= |$)"
    for program, first, second in re.findall(pattern, code):
        if program not in commands:
            continue
        if first not in commands[program]:
            yield f"{program} has no command {first}"
        elif second and first not in WITH_ARGUMENT and second not in commands[program]:
            yield f"{program} {first} has no command {second}"
