"""infra/deploy/Dockerfile: hadolint, and variables against the settings of each program."""

import re

import settings
import tools


def findings(root):
    file = root / "infra/deploy/Dockerfile"
    found = tools.complaints([str(tools.SCRIPTS / "hadolint"), "--no-color", str(file)], root)
    stages = parse(file.read_text())
    for program in settings.PROGRAMS:
        if program not in stages:
            found.append(f"there is no image of {program}")
            continue
        lines = inherited(stages, program)
        names = [
            name
            for line in lines
            if line.startswith("ENV ")
            for name in re.findall(r"(\w+)=", line)
        ]
        found += settings.unknown_variables(root, program, names)
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        # Kubernetes recognises a user other than root by a number only.
        if not users or not re.fullmatch(r"[1-9]\d*(:\d+)?", users[-1]):
            found.append(f"the image of {program} has no numeric user, or root")
        found += (
            f"the image of {program} has no {word}"
            for word in ("HEALTHCHECK", "ENTRYPOINT")
            if not starting(lines, word)
        )
    return found + list(missing_in_context(root, file.read_text()))


def parse(text):
    """The lines of each stage, FROM first, with continuations joined."""
    stages, lines = {}, []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if start := re.match(r"FROM (\S+) AS (\S+)", line):
            lines = stages.setdefault(start[2], [])
        lines.append(line)
    return stages


def inherited(stages, name):
    lines = stages[name]
    base = lines[0].split()[1]
    return (inherited(stages, base) if base in stages else []) + lines


def starting(lines, word):
    return [line for line in lines if line.startswith(word + " ")]


def missing_in_context(root, text):
    """Copied files that are missing, or that .dockerignore excludes."""
    allowed = [
        line[1:]
        for line in (root / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        if not (root / source).exists():
            yield f"{source} is copied and does not exist"
        elif source != "." and not any(
            source == path or source.startswith(path + "/") for path in allowed
        ):
            yield f"{source} is copied, but .dockerignore keeps it out"
