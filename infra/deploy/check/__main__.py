"""Checks everything that runs bucketlens outside a development machine, without running any of it.

    python infra/deploy/check

Runs all checks, then plants mistakes to see that each check still notices its own.
"""

import sys
from pathlib import Path

import bucket
import chart
import compose
import dockerfile
import mistakes
import observe
import runbook
import units

CHECKS = (dockerfile, compose, units, observe, chart, runbook, bucket)


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
    print(f"deployment: {len(CHECKS)} checks passed, {mistakes.count()} planted mistakes noticed")


if __name__ == "__main__":
    main()
