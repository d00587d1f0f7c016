"""Every relative link of a document leads to a file, and its #anchor to a heading there."""

import re

import markdown
from runbook import anchor

LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")

PLANTED = {
    "infra/deploy/README.md": (
        ("](compose.yaml)", "](composed.yaml)", "composed.yaml leads nowhere"),
        ("](#compose)", "](#composition)", "#composition leads to no heading"),
    ),
    "infra/README.md": (("](dev/README.md)", "](dev/README.md#n)", "#n leads to no heading"),),
}


def findings(root):
    documents = markdown.documents(root)
    anchors = {(root / name).resolve(): anchors_of(text) for name, text in documents}
    for name, text in documents:
        here = (root / name).resolve()
        without_code = re.sub(r"`[^`\n]*`", "", markdown.prose(text))
        for link in LINK.findall(without_code):
            # Elsewhere, or an item that rustdoc resolves.
            if re.match(r"[a-z]+:", link) or "::" in link:
                continue
            path, _, heading = link.partition("#")
            target = (here.parent / path).resolve() if path else here
            if not target.exists():
                yield f"{name}: {link} leads nowhere"
            elif heading and target in anchors and heading not in anchors[target]:
                yield f"{name}: {link} leads to no heading"


def anchors_of(text):
    """As GitHub makes them: a heading that comes again gets a number."""
    found = set()
    for title in markdown.headings(text):
        name = anchor(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title))
        number = next(n for n in range(1000) if (f"{name}-{n}" if n else name) not in found)
        found.add(f"{name}-{number}" if number else name)
    return found
