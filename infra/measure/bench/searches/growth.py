"""Twice as many rows: what a vector takes then, and the memory."""

import statistics

from searches.generated import Generated
from searches.quiet import ROUNDS, Asking, joined
from searches.searcher import Searcher
from searches.truth import Truth, recall

TIMES = 2


def growth(bench):
    rows = TIMES * bench.generated.rows
    # Memory and processors are for one of them.
    bench.searcher.stop()
    larger = Generated(rows, bench.generated.dim, bench.generated.seed)
    larger.fill(bench.programs, bench.say)
    # Nothing is asked of it under filters.
    truth = Truth(larger, ROUNDS * bench.queries, 0)
    searcher = Searcher(bench.home / "growth", bench.programs, larger)
    try:
        bench.say(f"vectors in {rows:,} rows")
        searcher.start(rows)
        asking, parts = Asking(searcher), []
        for turn in range(ROUNDS):
            asking.warm_up()
            parts.append(asking.vectors(range(turn * bench.queries, (turn + 1) * bench.queries)))
        asked = joined(parts)
        memory = searcher.memory()
    finally:
        searcher.down()
    right = [truth.nearest(number) for number in range(len(asked.found))]
    return {
        "rows": rows,
        "p50_ms": statistics.median(asked.client) * 1000,
        "recall": recall(asked.found, right),
        "rss_mib": memory["resident_bytes"] / 2**20,
    }
