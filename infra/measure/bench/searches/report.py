"""The figures of one run: their line of JSON, whether each goal was met, and tables."""

LEAST_RECALL, LEAST_RECALL_FILTERED, LEAST_AGREEMENT = 0.98, 0.95, 0.99
MOST_OVER_FAISS, MOST_OVER_LANCEDB, MOST_OVER_UNFILTERED, MOST_OVER_QUIET = 1.5, 0.5, 3, 2
MOST_BEYOND_TEXT_MS, MOST_COLD_MS, MOST_COLD_WITHOUT_FILES_MS = 6, 400, 1500
MOST_RSS_MIB, LEAST_PER_SECOND, FOUND_WITHIN_S = 1024, 300, 1.0


def figures(rows, parts):
    """The figures by their names; None where the part did not run."""

    def of(part, *names):
        value = parts.get(part)
        for name in names:
            value = None if value is None else value.get(name)
        return value

    def times(name):
        ours, theirs = of("vectors", "client", "p50_ms"), of("vectors", name, "p50_ms")
        return None if ours is None else ours / theirs

    agreed = of("agreement", "by_rows")
    asked = of("requests")
    return {
        "rows": rows,
        "recall_at_10": of("vectors", "recall"),
        "p50_ms": of("vectors", "client", "p50_ms"),
        "p50_over_faiss": times("faiss"),
        "p50_over_lancedb": times("lancedb"),
        "filtered": [
            {name: each[name] for name in ("share", "kind", "recall", "p95_over_unfiltered")}
            for each in of("filters", "filtered") or []
        ],
        "hybrid_ms_beyond_text": of("hybrid", "hybrid_ms_beyond_text"),
        "text_ms": of("hybrid", "text_ms"),
        "hybrid_ms": of("hybrid", "hybrid_ms"),
        # The least of all sizes.
        "agreement": None if agreed is None else min(agreed.values()),
        "rss_mib": of("memory", "rss_mib"),
        "store_requests": asked and {name: asked[name] for name in ("candidates", "hits")},
        "searches_per_second": of("clients", "searches_per_second"),
        "cold_ms": of("cold", "cold_ms"),
        "cold_without_files_ms": of("cold", "cold_without_files_ms"),
    }


def met(line, parts):
    """Whether each goal was met, for what was measured."""
    goals = {
        f"recall at least {LEAST_RECALL}": at_least(line["recall_at_10"], LEAST_RECALL),
        f"at most {MOST_OVER_FAISS} x faiss": at_most(line["p50_over_faiss"], MOST_OVER_FAISS),
        f"at most {MOST_OVER_LANCEDB} x LanceDB": at_most(
            line["p50_over_lancedb"], MOST_OVER_LANCEDB
        ),
        f"at most {MOST_BEYOND_TEXT_MS} ms beyond the text tower": at_most(
            line["hybrid_ms_beyond_text"], MOST_BEYOND_TEXT_MS
        ),
        f"agreement at least {LEAST_AGREEMENT}": at_least(line["agreement"], LEAST_AGREEMENT),
        f"at most {MOST_RSS_MIB} MiB": at_most(line["rss_mib"], MOST_RSS_MIB),
        f"cold within {MOST_COLD_MS} ms": at_most(line["cold_ms"], MOST_COLD_MS),
        f"cold without files within {MOST_COLD_WITHOUT_FILES_MS} ms": at_most(
            line["cold_without_files_ms"], MOST_COLD_WITHOUT_FILES_MS
        ),
        f"at least {LEAST_PER_SECOND} searches a second": at_least(
            line["searches_per_second"], LEAST_PER_SECOND
        ),
    }
    if filtered := line["filtered"]:
        goals[f"filtered recall at least {LEAST_RECALL_FILTERED}"] = all(
            each["recall"] >= LEAST_RECALL_FILTERED for each in filtered
        )
        goals[f"filtered at most {MOST_OVER_UNFILTERED} x unfiltered"] = all(
            each["p95_over_unfiltered"] <= MOST_OVER_UNFILTERED for each in filtered
        )
    if asked := line["store_requests"]:
        goals["no request for candidates"] = asked["candidates"] == 0
    if clients := parts.get("clients"):
        goals["no 5xx"] = clients["failed"] == 0
    if writing := parts.get("writing"):
        goals[f"found within {FOUND_WITHIN_S} s"] = writing["found_most_s"] <= FOUND_WITHIN_S
        goals[f"p99 while writing at most {MOST_OVER_QUIET} x"] = (
            writing["p99_over_quiet"] <= MOST_OVER_QUIET
        )
    return {goal: reached for goal, reached in goals.items() if reached is not None}


def at_least(value, bound):
    return None if value is None else value >= bound


def at_most(value, bound):
    return None if value is None else value <= bound


def tables(line, parts):
    """All that was measured, as Markdown."""
    return "\n\n".join(
        write(parts[name]) for name, write in WRITERS.items() if parts.get(name) is not None
    )


def vectors(part):
    ours = part["client"]["p50_ms"]
    lines = [
        "| a vector, no filter | recall@10 | p50 | p99 | p50 of ours ÷ this |",
        "|---|---:|---:|---:|---:|",
    ]
    others = {
        "searcher, over HTTP": (part["recall"], part["client"]),
        "searcher, its own clock": (part["recall"], part["server"]),
        f"faiss {part['faiss_form']}, exact refinement {setting(part, 'faiss')}": (
            part["faiss"]["recall"],
            part["faiss"],
        ),
        f"LanceDB, IVF_RQ {setting(part, 'lancedb')}": (part["lancedb"]["recall"], part["lancedb"]),
    }
    for name, (right, took) in others.items():
        share = f"{ours / took['p50_ms']:.2f}" if took["p50_ms"] else "–"
        lines.append(
            f"| {name} | {right:.3f} | {took['p50_ms']:.2f} ms | {took['p99_ms']:.2f} ms "
            f"| {share} |"
        )
    return "\n".join(lines)


def setting(part, name):
    probes, refine = part[name]["setting"]
    return f"(probes {probes}, refine {refine})"


def filters(part):
    lines = [
        "| filter | share kept | recall@10 | p50 | p95 | p95 ÷ unfiltered |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for each in part["filtered"]:
        lines.append(
            f"| {each['kind']} | {100 * each['kept']:.2g} % | {each['recall']:.3f} "
            f"| {each['p50_ms']:.2f} ms | {each['p95_ms']:.2f} ms "
            f"| {each['p95_over_unfiltered']:.2f} |"
        )
    lines.append(f"| none | 100 % | | | {part['unfiltered_p95_ms']:.2f} ms | 1.00 |")
    return "\n".join(lines)


def hybrid(part):
    rows = {
        "hybrid, new words": part["hybrid_ms"],
        "– of it, encoding the text": part["text_ms"],
        "– of it, all else": part["hybrid_ms_beyond_text"],
    }
    return listed("words", {name: f"{ms:.2f} ms" for name, ms in rows.items()})


def agreement(part):
    rows = {f"{int(rows):,} rows": f"{share:.3f}" for rows, share in part["by_rows"].items()}
    return listed("hybrid top ten beside full fusion", rows)


def requests(part):
    rows = {
        "for candidates, per search": f"{part['candidates']:.2f}",
        "for the hits, per search": f"{part['hits']:.2f}",
        "to follow the tables, per second": f"{part['following_per_second']:.1f}",
    }
    return listed("requests to the store", rows)


def clients(part):
    rows = {
        "searches per second": f"{part['searches_per_second']:.0f}",
        "p50 / p99": f"{part['p50_ms']:.0f} / {part['p99_ms']:.0f} ms",
        "answers by status": ", ".join(f"{count} x {it}" for it, count in part["statuses"].items()),
    }
    return listed("many clients at once", rows)


def writing(part):
    rows = {
        "commits per second and table": f"{part['commits_per_second']:.1f}",
        "found after, p50": f"{part['found_p50_s'] * 1000:.0f} ms",
        "found after, at most": f"{part['found_most_s'] * 1000:.0f} ms",
        "p99 of searches, quiet": f"{part['quiet_p99_ms']:.1f} ms",
        "p99 of searches meanwhile": f"{part['p99_ms']:.1f} ms",
    }
    return listed("while others write", rows)


def memory(part):
    rows = {
        "resident at the end": f"{part['rss_mib']:.0f} MiB",
        "at the peak": f"{part['peak_mib']:.0f} MiB",
    }
    return listed("memory of the searcher", rows)


def cold(part):
    rows = {
        "with files": f"{part['cold_ms']:.0f} ms",
        "without, the store 20 ms away": f"{part['cold_without_files_ms']:.0f} ms",
        "the clock began with": part["starts"][0]["clock"],
    }
    return listed("the first answer of a new process", rows)


def pages(part):
    rows = {name: f"{took['p50_ms']:.1f} / {took['p99_ms']:.1f} ms" for name, took in part.items()}
    return listed("the library, p50 / p99", rows)


def growth(part):
    rows = {
        "p50": f"{part['p50_ms']:.2f} ms",
        "recall@10": f"{part['recall']:.3f}",
        "resident": f"{part['rss_mib']:.0f} MiB",
    }
    return listed(f"a vector in {part['rows']:,} rows", rows)


def listed(title, rows):
    return "\n".join([f"| {title} | |", "|---|---:|", *(f"| {a} | {b} |" for a, b in rows.items())])


WRITERS = {
    "vectors": vectors,
    "filters": filters,
    "hybrid": hybrid,
    "agreement": agreement,
    "memory": memory,
    "requests": requests,
    "clients": clients,
    "writing": writing,
    "cold": cold,
    "pages": pages,
    "growth": growth,
}
