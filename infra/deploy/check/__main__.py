"""Checks everything that runs bucketlens outside a development machine, without running any of it.

python infra/deploy/check            all checks, then whether each of them still notices a planted mistake
"""

import sys
from pathlib import Path

import chart
import compose
import dockerfile
import docs
import mistakes
import observe
import units

CHECKS = (dockerfile, compose, units, observe, chart, docs)


def main():
    root = Path(__file__).resolve().parents[3]
    findings = [
        f"{check.__name__}: {finding}" for check in CHECKS for finding in check.findings(root)
    ]
    findings += mistakes.unnoticed(root)
    for finding in findings:
        print(f"error: {finding}", file=sys.stderr)
    if findings:
        sys.exit(1)
    print(
        f"deployment: {len(CHECKS)} checks passed, {len(mistakes.PLANTED)} planted mistakes were noticed"
    )


if __name__ == "__main__":
    main()
