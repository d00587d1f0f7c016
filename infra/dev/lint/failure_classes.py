"""Failure classes: documents explain each one of the sources, and no others."""

import re

import markdown
import sources
from settings import PROGRAMS

PLANTED = {
    "crates/inference/**/*.rs": (
        ('=> "corrupt_picture"', '=> "broken_picture"', "no document explains broken_picture"),
        ('=> "corrupt_picture"', '=> "broken_picture"', "corrupt_picture is no failure class"),
    ),
}
CONSTRUCTED = re.compile(r'Failure::(?:retry|dead_letter|halt)\(\s*"(\w+)"')
METHOD = re.compile(r"fn class\(&self\) -> &'static str \{(.*?)\n    \}", re.DOTALL)


def findings(root):
    classes, literals = in_sources(root)
    explained = set()
    for name, text in markdown.documents(root):
        for word in in_tables(text):
            explained.add(word)
            if word not in classes | literals:
                yield f"{name}: {word} is no failure class"
        for word in re.findall(r"--class ([a-z_]+)", text):
            if word not in classes | literals:
                yield f"{name}: {word} is no failure class"
    yield from (f"no document explains {word}" for word in sorted(classes - explained))


def in_sources(root):
    """The classes that failures are made with, and all words that could be one."""
    classes, literals = set(), set()
    for name in sources.tracked(root, ".rs"):
        if name.split("/")[0] not in ("crates", *PROGRAMS) or "testkit" in name or "/tests" in name:
            continue
        text = (root / name).read_text().partition("\n#[cfg(test)]\nmod ")[0]
        classes.update(CONSTRUCTED.findall(text))
        for body in METHOD.findall(text):
            classes.update(re.findall(r'=> "(\w+)"', body))
        literals.update(re.findall(r'"([a-z_]+)"', text))
    return classes, literals


def in_tables(text):
    """Words in the first column of tables of classes."""
    for table in re.findall(r"^\| class\b.*\n\|[-| :]+\|\n((?:\|.*\n)+)", text, re.M | re.I):
        for row in table.splitlines():
            for span in re.findall(r"`([^`]+)`", row.split("|")[1]):
                if re.fullmatch(r"[a-z_]+", span):
                    yield span
                elif halted := re.fullmatch(r"work: halted: … (\w+)", span):
                    yield halted[1]
