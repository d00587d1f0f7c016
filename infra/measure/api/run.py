#!/usr/bin/env python3
"""Tests the HTTP interface from outside: examples, description, hostile requests. Run it through
`just test-api`.

    infra/measure/api/run.py [--only TEXT] [--programs DIR] [--home DIR] [--keep] [--list]

--only TEXT     only checks whose name holds it
--programs DIR  use these programs and build none
--keep          go on with what an earlier run has kept, and leave everything running at the end
Starts a store, a broker and every process in a folder of its own, and stops them again.
"""

import argparse
import importlib
import signal
import sys
from pathlib import Path

from checks import Report
from world import World, stack

# In this order: after the flood answers are slow for a while, and the last part restarts ingest.
PARTS = (
    "examples_run",
    "description",
    "answers",
    "limits",
    "uploads",
    "forwarding",
    "addresses",
    "large",
    "flood",
    "slow",
    "keys",
)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="")
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--home", type=Path, default=stack.DEV / "test-api")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    parts = {part.removesuffix("_run"): importlib.import_module(part) for part in PARTS}
    if arguments.list:
        sys.exit(
            "\n".join(
                f"{part}: {title}" for part, module in parts.items() for title in module.CHECKS
            )
        )

    # A closed terminal or a plain kill must not leave the services behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    world = World(arguments.home.resolve(), arguments.programs and arguments.programs.resolve())
    report = Report(arguments.only)
    try:
        if not (arguments.keep and world.base):
            world.clear()
        world.start()
        for part, module in parts.items():
            report.run(part, module.CHECKS, world)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if not arguments.keep:
            world.stop()
    # After the messages about stopping: the count is the last line.
    sys.exit(report.end())


if __name__ == "__main__":
    main()
