"""Checks the sources and documents for what no compiler checks.

    python infra/dev/lint

Runs all checks, then plants mistakes to see that each check still notices its own.
"""

import sys
from pathlib import Path

# The copies with planted mistakes, and which settings and metrics exist.
sys.path.append(str(Path(__file__).resolve().parents[2] / "deploy" / "check"))
import commands  # noqa: E402
import crate_edges  # noqa: E402
import documents  # noqa: E402
import failure_classes  # noqa: E402
import links  # noqa: E402
import mistakes  # noqa: E402
import type_names  # noqa: E402
import width  # noqa: E402

CHECKS = (type_names, width, crate_edges, links, documents, failure_classes, commands)


def main():
    root = Path(__file__).resolve().parents[3]
    findings = [
        f"{check.__name__}: {finding}" for check in CHECKS for finding in check.findings(root)
    ]
    planted = {}
    for check in CHECKS:
        planted |= {(check.__name__, name): made for name, made in check.PLANTED.items()}
    findings += mistakes.unnoticed(root, planted)
    for finding in findings:
        print(f"error: {finding}", file=sys.stderr)
    if findings:
        sys.exit(1)
    count = mistakes.count(planted)
    print(f"sources: {len(CHECKS)} checks passed, {count} planted mistakes noticed")


if __name__ == "__main__":
    main()
