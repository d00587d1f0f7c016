"""The settings each program has, read from the files that document them."""

import re
import tomllib

# A further kind of worker is named here, and nowhere else in the checks.
WORKERS = ("embedder", "captioner")
PROGRAMS = ("ingest", *WORKERS, "searcher")
# Crates whose settings these programs have too, beside those that all programs have.
FOR_ALL = ("service", "pipeline")
SHARED = {**dict.fromkeys(WORKERS, ("inference", "worker")), "searcher": ("inference",)}
# Variables that the programs read beside their settings.
OTHER_VARIABLES = {"BUCKETLENS_OPENAI_API_KEY", "BUCKETLENS_COMMIT"}
MARGIN_SECONDS = 5
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def defaults(root, program):
    """All settings of a program with their defaults, by section."""
    sections = {}
    for folder in (*(f"crates/{crate}" for crate in FOR_ALL + SHARED.get(program, ())), program):
        for section, values in tomllib.loads((root / folder / "settings.toml").read_text()).items():
            sections.setdefault(section, {}).update(values)
    return sections


def unknown_variables(root, program, names):
    """Our variables that the program would refuse, because it has no such setting."""
    known = defaults(root, program)
    for name in names:
        if not name.startswith("BUCKETLENS_") or name in OTHER_VARIABLES:
            continue
        _, section, key = (name.split("__") + ["", ""])[:3]
        if key.lower() not in known.get(section.lower(), {}):
            yield f"{name} is not a setting of {program}"


def unknown_keys(root, program, text):
    """Keys of a settings file that the program would refuse."""
    known = defaults(root, program)
    for section, values in tomllib.loads(text).items():
        yield from (
            f"[{section}] {key} is not a setting of {program}"
            for key in values
            if key not in known.get(section, {})
        )


def missing_grace(root, program, grace, variables=()):
    """A finding if the program is killed before it can finish the work it has begun."""
    needed = seconds(
        dict(variables).get(
            "BUCKETLENS__HTTP__SHUTDOWN_TIMEOUT",
            defaults(root, program)["http"]["shutdown_timeout"],
        )
    )
    if seconds(grace) < needed + MARGIN_SECONDS:
        yield (
            f"{program} is killed after {grace}, but may take {needed:g} s to stop, "
            f"and {MARGIN_SECONDS} s should be left"
        )


def seconds(duration):
    """ "90s", "1m30s" or a number of seconds."""
    parts = re.findall(r"([\d.]+)(ms|[smh])", str(duration))
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(duration)
