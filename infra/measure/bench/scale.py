"""Measures ingest and the tables with very many objects and very many commits.

    just bench scale [--profile release|dev] [--objects N] [--indexed N] [--commits N] [--quick]
                     [--only publishing|rows|endurance]

Prints a table and writes all numbers to .dev/bench-scale/result.json. Everything runs in
.dev/bench-scale, which is emptied first.
"""

import argparse
import datetime
import os
import sys

import bulk
import endurance
import outcome
import scale_report
import session
import usage
from chain import Chain, Model, stack

HOME = stack.DEV / "bench-scale"
BULK, ENDURANCE = HOME / "bulk", HOME / "endurance"
MODEL = Model("demo-clip", "demo-clip", "demo model")
PARTS = ("publishing", "rows", "endurance")
QUICK = {"objects": 10_000, "indexed": 500, "commits": 300}
# Publishing pauses well before the bulk queue is full.
MOST_OBJECTS = 2_000_000


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--objects", type=int, help="in the bucket (100,000)")
    parser.add_argument(
        "--indexed", type=int, help="of them, in the tables for the second part (20,000)"
    )
    parser.add_argument("--commits", type=int, help="of one row each in the third part (3,600)")
    parser.add_argument(
        "--quick", action="store_true", help="few of each: shows that it works, not how fast"
    )
    parser.add_argument(
        "--only", choices=PARTS, help="this part; rows needs publishing, which then runs too"
    )
    arguments = parser.parse_args()
    defaults = (
        QUICK if arguments.quick else {"objects": 100_000, "indexed": 20_000, "commits": 3600}
    )
    for name, value in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    if not 0 < arguments.indexed <= arguments.objects <= MOST_OBJECTS or arguments.commits < 100:
        parser.error(
            f"at most {MOST_OBJECTS} objects, no more indexed than that, and at least 100 commits"
        )
    result = session.run(lambda: measure(arguments), HOME, (BULK, ENDURANCE))
    print(scale_report.table(result))
    print("\n" + scale_report.conditions(result["about"], result))
    endured = {
        name: value for name, value in result.get("endurance", {}).items() if name != "samples"
    }
    outcome.print_line("scale", {**result, **({"endurance": endured} if endured else {})})


def measure(arguments):
    programs = session.build(arguments.profile)
    load, result = {"before": load_average()}, {}
    wanted = [arguments.only] if arguments.only else PARTS
    if "publishing" in wanted or "rows" in wanted:
        chain = Chain(BULK, programs, MODEL)
        result["publishing"] = bulk.measure_publishing(chain, arguments.objects, say)
        if "rows" in wanted:
            result["rows"] = bulk.measure_rows(chain, arguments.objects, arguments.indexed, say)
        stack.down(BULK)
    if "endurance" in wanted:
        measured = endurance.measure(Chain(ENDURANCE, programs, MODEL), arguments.commits, say)
        result["endurance"], result["endurance_summary"] = measured, endurance.summary(measured)
    about = {
        "processor": usage.processor(),
        "cores": usage.cores(),
        "load": {**load, "after": load_average()},
        "profile": arguments.profile,
        "date": datetime.date.today().isoformat(),
    }
    return {"about": about, **result}


def load_average():
    """Processes that wanted a processor in the last minute: a busy machine says little."""
    return round(os.getloadavg()[0], 1)


def say(text):
    print(f"[load {load_average()}] {text}", file=sys.stderr, flush=True)
