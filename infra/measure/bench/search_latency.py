"""Measures searches in a large bucket, beside faiss and the table library alone.

    just bench search-latency [--rows N] [--dim N] [--seed N] [--queries N] [--parts A,B,…]
                              [--profile release|dev] [--quick] [--fresh] [--growth]

Rows are generated, see searches/generated.py; later runs with the same rows, dimension and seed use
them again. Parts: vectors, filters, hybrid, pages, requests, clients, writing, memory, agreement,
cold. Everything runs side by side on this machine. Prints tables and writes all numbers to
.dev/bench-search-latency/result.json. Without files a searcher has no local copy of anything; the
tables of 1,000,000 rows and what is measured on them take 15 GB below .dev.
"""

import argparse
import datetime

import outcome
import session
import usage
from chain import stack
from progress import say
from searches import agreement, busy, cold, growth, pages, quiet, report
from searches.generated import Generated
from searches.searcher import Searcher
from searches.truth import Truth

HOME = stack.DEV / "bench-search-latency"
# In this order: what writes comes late, and what starts the searcher anew comes last.
PARTS = {
    "vectors": quiet.vectors,
    "filters": quiet.filters,
    "hybrid": quiet.hybrid,
    "pages": pages.pages,
    "requests": busy.requests,
    "clients": busy.clients,
    "writing": busy.writing,
    "memory": lambda bench: bench.memory(),
    "agreement": agreement.agreement,
    "cold": cold.cold,
}
QUICK = {"rows": 10_000, "dim": 64, "queries": 20}
FULL = {"rows": 1_000_000, "dim": 512, "queries": 200}
# Vectors with known neighbours, beyond those that are timed, to choose faiss's settings.
TUNING = 50
# A generator of texts holds so many.
LEAST_ROWS = 5000


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("release", "dev"), default="release")
    parser.add_argument("--rows", type=int, help="of the tables (1,000,000)")
    parser.add_argument("--dim", type=int, help="values of a vector (512)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", type=int, help="searches per round (200)")
    parser.add_argument("--parts", default=",".join(PARTS), help="only these")
    parser.add_argument("--fresh", action="store_true", help="fill the tables anew")
    parser.add_argument("--growth", action="store_true", help="also with twice as many rows")
    parser.add_argument(
        "--quick", action="store_true", help="few small rows: shows that it works, not how fast"
    )
    arguments = parser.parse_args()
    for name, value in (QUICK if arguments.quick else FULL).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    wanted = arguments.parts.split(",")
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if arguments.rows < LEAST_ROWS or arguments.dim % 8 or not 8 <= arguments.queries <= 1000:
        parser.error(f"at least {LEAST_ROWS} rows, a dimension of whole bytes, 8 to 1000 queries")
    generated = Generated(arguments.rows, arguments.dim, arguments.seed)
    homes = [generated.folder, *(HOME / name for name in ("chain", "growth"))]
    homes += [HOME / f"agreement-{rows}" for rows in agreement.SIZES]
    result = session.run(lambda: measure(arguments, generated, wanted), HOME, homes)
    line = report.figures(arguments.rows, result["parts"])
    print(report.tables(line, result["parts"]))
    print("\n" + conditions(result["about"]))
    outcome.print_line(
        "search-latency",
        {"about": result["about"], **line},
        report.met(line, result["parts"]),
    )


class SearchBench:
    """What all parts share."""

    def __init__(self, arguments, programs, generated, truth, searcher):
        self.home, self.programs, self.say = HOME, programs, say
        self.quick, self.queries = arguments.quick, arguments.queries
        self.generated, self.truth, self.searcher = generated, truth, searcher
        # Rows that a part has added.
        self.written = 0
        self.asked_texts = 0

    def rows_now(self):
        return self.generated.rows + self.written

    def fresh_texts(self, count):
        """Texts that nobody has asked yet."""
        begin, self.asked_texts = self.asked_texts, self.asked_texts + count
        texts = self.generated.texts[begin : self.asked_texts]
        if len(texts) < count:
            raise RuntimeError("there are no more texts that were never asked; take more rows")
        return texts

    def memory(self):
        used = self.searcher.memory()
        return {
            "rss_mib": used["resident_bytes"] / 2**20,
            "peak_mib": used["peak_bytes"] / 2**20,
        }


def measure(arguments, generated, wanted):
    programs = session.build(arguments.profile, "--example", "rows", "--example", "load")
    if arguments.fresh:
        generated.remove()
    generated.fill(programs, say)
    say("comparing all rows")
    timed = quiet.ROUNDS * arguments.queries
    truth = Truth(generated, timed + TUNING, arguments.queries)
    searcher = Searcher(HOME / "chain", programs, generated)
    say("starting the searcher")
    searcher.start(generated.rows)
    bench = SearchBench(arguments, programs, generated, truth, searcher)
    parts = {}
    for name, part in PARTS.items():
        if name in wanted:
            say(f"part: {name}")
            parts[name] = part(bench)
    if arguments.growth:
        parts["growth"] = growth.growth(bench)
    about = {
        "processor": usage.processor(),
        "cores": usage.cores(),
        "profile": arguments.profile,
        "dim": generated.dim,
        "seed": generated.seed,
        "queries": arguments.queries,
        "rounds": quiet.ROUNDS,
        "filled_s": generated.about["filled_s"],
        "date": datetime.date.today().isoformat(),
    }
    about |= {name: parts.get(name) for name in ("writing", "growth")}
    about["agreement_by_rows"] = parts.get("agreement", {}).get("by_rows")
    about["peak_mib"] = parts.get("memory", {}).get("peak_mib")
    return {"about": about, "rows": generated.rows, "parts": parts}


def conditions(about):
    return (
        f"{about['dim']} values a vector; {about['queries']} searches a round, "
        f"{about['rounds']} rounds in turns, one after the other; {about['profile']} build, "
        f"{about['processor']}, {about['cores']} cores; {about['date']}."
    )
