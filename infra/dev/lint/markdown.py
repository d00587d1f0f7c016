"""The documents of the repository, and their parts that checks read."""

import re

import sources

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")


def documents(root):
    """Name and text of every document."""
    return [(name, (root / name).read_text()) for name in sources.tracked(root, ".md")]


def prose(text):
    """The text without its blocks of code."""
    return FENCE.sub("", text)


def spans(text):
    """Contents of `code` within the prose, each on one line."""
    return [re.sub(r"\s+", " ", span) for span in SPAN.findall(prose(text))]


def shell_lines(text):
    """Lines of blocks of shell code."""
    blocks = [code for kind, code in FENCE.findall(text) if kind in ("sh", "bash", "shell")]
    return [line.strip() for code in blocks for line in code.splitlines()]


def headings(text):
    return re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
